package host

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// said builds a message of the kernel's.
func said(kind, flags uint16, body ...byte) []byte {
	out := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	out = binary.NativeEndian.AppendUint16(out, kind)
	out = binary.NativeEndian.AppendUint16(out, flags)
	return append(append(out, make([]byte, 8)...), body...)
}

func TestEndOfAnAnswer(t *testing.T) {
	t.Parallel()
	link := said(unix.RTM_NEWLINK, unix.NLM_F_MULTI, make([]byte, 16)...)
	refused := binary.NativeEndian.AppendUint32(nil, ^uint32(unix.EPERM)+1)
	for name, c := range map[string]struct {
		raw  []byte
		done bool
		err  error
	}{
		"more to come":       {link, false, nil},
		"the end":            {append(link, said(unix.NLMSG_DONE, unix.NLM_F_MULTI, 0, 0, 0, 0)...), true, nil},
		"refused":            {said(unix.NLMSG_ERROR, 0, refused...), true, unix.EPERM},
		"changed meanwhile":  {said(unix.RTM_NEWLINK, unix.NLM_F_DUMP_INTR, make([]byte, 16)...), true, errTorn},
		"changed at the end": {append(link, said(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, 0, 0, 0, 0)...), true, errTorn},
		"nothing":            {nil, false, nil},
	} {
		if done, err := ended(c.raw); done != c.done || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
	if done, err := ended([]byte{200, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); !done || err == nil {
		t.Errorf("a message that is cut off: %v, %v", done, err)
	}
}

// The kernel of the machine at hand answers, and ends.
func TestNetlink(t *testing.T) {
	t.Parallel()
	for request := range headers {
		raw, err := netlink(request)
		if err != nil {
			t.Errorf("request %d: %v", request, err)
		}
		if request == unix.RTM_GETLINK && len(raw) < 100 {
			t.Errorf("there are %d bytes of adapters, not even loopback", len(raw))
		}
	}
	if _, err := netlink(9999); err == nil {
		t.Error("a request that is none was answered")
	}
}

func FuzzEnded(f *testing.F) {
	f.Add(said(unix.NLMSG_DONE, unix.NLM_F_MULTI, 0, 0, 0, 0))
	f.Add(said(unix.NLMSG_ERROR, 0, 255, 255, 255, 255))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if done, err := ended(raw); err != nil && !done {
			t.Errorf("%v, and it goes on", err)
		}
	})
}
