// Package hosttest is machines for tests: what one answered, written down in a file, so that collectors of every system
// can be tested on any.
package hosttest

import (
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/tools/txtar"

	"muster/internal/agent/host"
)

// Load makes a machine of a recording: a txtar file whose comment says where it is from, and whose sections are
//
//	-- file etc/os-release --          a file of the machine
//	-- link sys/class/net/eth0 ../x -- a symbolic link; the section is empty
//	-- denied etc/shadow --            a file that may not be read
//	-- run lsblk -J -b --              what a program writes; `exit N` may come first: -- run exit 3 zypper lu --
//	-- netlink 18 --                   what the kernel answers to a request of that number, in hex digits
//	-- registry HKEY_LOCAL_MACHINE\SOFTWARE\X -- values of a key, one on a line: Name=text, Name=dword:42, Name=hex:0aff
//	-- native --                       what calls of Windows tell, as JSON: see Native
//
// A program that is not recorded is not installed. The folder that programs may write to is /scratch.
func Load(t testing.TB, path string) *host.Host {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parse(raw)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return h
}

// Of makes a machine of a recording that stands in the test.
func Of(t testing.TB, recording string) *host.Host {
	t.Helper()
	h, err := parse([]byte(recording))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Now is what time it is on recorded machines, unless a test says otherwise.
var Now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// Write has a recorded file last been written to at a time: others were an hour before Now.
func Write(t testing.TB, h *host.Host, name string, at time.Time) {
	t.Helper()
	files, ok := h.Files.(deniable)
	if !ok || files.MapFS[name] == nil {
		t.Fatalf("there is no recorded file %s", name)
	}
	files.MapFS[name].ModTime = at
}

func parse(raw []byte) (*host.Host, error) {
	files := deniable{MapFS: fstest.MapFS{}, denied: map[string]bool{}}
	progs := Programs{}
	keys := Registry{}
	var native host.Native
	netlink := map[uint16][]byte{}
	for _, f := range txtar.Parse(raw).Files {
		kind, rest, _ := strings.Cut(f.Name, " ")
		switch kind {
		case "file":
			files.MapFS[rest] = &fstest.MapFile{Data: f.Data, Mode: 0o644, ModTime: Now.Add(-time.Hour)}
		case "link":
			name, target, _ := strings.Cut(rest, " ")
			files.MapFS[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		case "denied":
			files.MapFS[rest] = &fstest.MapFile{Mode: 0}
			files.denied[rest] = true
		case "run":
			a, err := answerOf(&rest, f.Data)
			if err != nil {
				return nil, err
			}
			progs[rest] = a
		case "netlink":
			if err := addNetlink(netlink, rest, f.Data); err != nil {
				return nil, err
			}
		case "registry":
			if err := keys.add(rest, f.Data); err != nil {
				return nil, err
			}
		case "native":
			n, err := readNative(f.Data)
			if err != nil {
				return nil, err
			}
			native = n
		default:
			return nil, fmt.Errorf("section %q: a section is file, link, denied, run, netlink, registry or native", f.Name)
		}
	}
	h := &host.Host{
		Files: files, Programs: progs, Slow: progs, Now: func() time.Time { return Now }, Privileged: true, Native: native,
		Scratch: func(string) (string, func(), error) { return "/scratch", func() {}, nil },
	}
	if len(keys) > 0 {
		h.Registry = keys
	}
	if len(netlink) > 0 {
		h.Netlink = func(request uint16) ([]byte, error) { return netlink[request], nil }
	}
	return h, nil
}

// addNetlink reads hex digits on as many lines as there are.
func addNetlink(into map[uint16][]byte, request string, digits []byte) error {
	n, err := strconv.ParseUint(request, 10, 16)
	if err != nil {
		return fmt.Errorf("section netlink %q: %w", request, err)
	}
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(digits)), ""))
	if err != nil {
		return fmt.Errorf("section netlink %q: %w", request, err)
	}
	into[uint16(n)] = raw
	return nil
}

// answerOf takes `exit N` off a command line.
func answerOf(line *string, out []byte) (Answer, error) {
	rest, ok := strings.CutPrefix(*line, "exit ")
	if !ok {
		return Answer{Out: out}, nil
	}
	number, command, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(number)
	if err != nil {
		return Answer{}, fmt.Errorf("section run %q: %w", *line, err)
	}
	*line = command
	name, _, _ := strings.Cut(command, " ")
	return Answer{Out: out, Err: &host.ExitError{Program: name, Code: code}}, nil
}

// Programs answers for programs by their whole command lines.
type Programs map[string]Answer

// Answer is what one run of a program gives.
type Answer struct {
	Out []byte
	Err error
}

// Run gives what was recorded.
func (p Programs) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, ok := p[strings.Join(append([]string{name}, args...), " ")]
	if !ok {
		return nil, host.ErrNoProgram
	}
	return a.Out, a.Err
}

// deniable are files of which some may not be read.
type deniable struct {
	fstest.MapFS
	denied map[string]bool
}

// Open opens a file, or refuses to.
func (d deniable) Open(name string) (fs.File, error) {
	if d.denied[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.Open(name)
}
