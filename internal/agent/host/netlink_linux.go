package host

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// maxNetlink bounds what is taken of one answer: a machine with a thousand adapters says 2 MB of them.
const maxNetlink = 16 << 20

// headers are how long what follows the header of a request is, all of it zero: everything is asked for.
var headers = map[uint16]int{
	unix.RTM_GETLINK: unix.SizeofIfInfomsg, unix.RTM_GETADDR: unix.SizeofIfAddrmsg, unix.RTM_GETROUTE: unix.SizeofRtMsg,
	unix.RTM_GETNEIGH: unix.SizeofNdMsg,
}

// tries is how often a list is asked for that changes while it is told.
const tries = 5

// netlink is as Host says.
var netlink = func(request uint16) ([]byte, error) {
	for range tries {
		all, err := dump(request)
		if !errors.Is(err, errTorn) {
			return all, err
		}
	}
	return nil, errTorn
}

var errTorn = errors.New("netlink: what is asked for changes while it is told")

// dump asks once.
func dump(request uint16) ([]byte, error) {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("a netlink socket: %w", err)
	}
	defer unix.Close(s) //nolint:errcheck // nothing was kept in it
	limit := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return nil, err
	}
	ask := make([]byte, unix.SizeofNlMsghdr+headers[request])
	order := binary.NativeEndian
	order.PutUint32(ask, uint32(len(ask)))
	order.PutUint16(ask[4:], request)
	order.PutUint16(ask[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	order.PutUint32(ask[8:], 1)
	kernel := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if err := unix.Sendto(s, ask, 0, kernel); err != nil {
		return nil, err
	}
	return receive(s)
}

// receive reads messages until that which says that it was the last.
func receive(s int) ([]byte, error) {
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, from, err := unix.Recvfrom(s, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("netlink: %w", err)
		}
		// Any program may send to the socket; only the kernel has the number 0.
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue
		}
		if all = append(all, buf[:n]...); len(all) > maxNetlink {
			return nil, fmt.Errorf("the network answers with more than %d bytes", maxNetlink)
		}
		if done, err := ended(buf[:n]); err != nil {
			return nil, err
		} else if done {
			return all, nil
		}
	}
}

// ended reports whether there is a message among these that ends an answer.
func ended(raw []byte) (bool, error) {
	order := binary.NativeEndian
	for len(raw) >= unix.SizeofNlMsghdr {
		length, kind := int(order.Uint32(raw)), order.Uint16(raw[4:])
		if length < unix.SizeofNlMsghdr || length > len(raw) {
			return true, errors.New("netlink: a message that is cut off")
		}
		switch {
		case order.Uint16(raw[6:])&unix.NLM_F_DUMP_INTR != 0:
			return true, errTorn
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind == unix.NLMSG_ERROR && length >= unix.SizeofNlMsghdr+4:
			return true, fmt.Errorf("netlink: %w", unix.Errno(-int32(order.Uint32(raw[unix.SizeofNlMsghdr:]))))
		}
		raw = raw[min((length+3)&^3, len(raw)):]
	}
	return false, nil
}
