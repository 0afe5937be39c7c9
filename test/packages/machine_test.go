package packages

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/app"
	"muster/test/proof"
)

// asMuster makes this program the server: it runs on a machine of its own network, and need not be built for that.
const asMuster = "MUSTER_TEST_AS_MUSTER"

// scratch is a folder that all tests share.
var scratch string

func TestMain(m *testing.M) {
	if os.Getenv(asMuster) == "" {
		os.Exit(test(m))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	code := app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func test(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "muster-packages-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// machine is a machine of its own: the disk of this one with what is written above it in memory, its own processes and
// network, and systemd.
type machine struct {
	t     *testing.T
	files string // its /mnt
	pid   string // of its first process
}

// boot starts a machine that ends with the test.
func boot(t *testing.T) *machine {
	t.Helper()
	proof.Need(t, os.Geteuid() == 0, "root")
	proof.NeedPrograms(t, "unshare", "nsenter", "ip", "/lib/systemd/systemd")
	files := t.TempDir()
	said := &proof.Buffer{}
	cmd := exec.CommandContext(context.Background(), "unshare", "--mount", "--propagation", "private", "sh", "testdata/machine.sh", files)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	m := &machine{t: t, files: files}
	t.Cleanup(func() {
		_ = exec.CommandContext(context.Background(), "kill", "-KILL", m.pid).Run()
		select {
		case <-ended:
		case <-time.After(proof.Limit):
			t.Errorf("the machine does not end:\n%s", said)
		}
	})
	proof.Eventually(t, "the machine's first process", func() bool {
		select {
		case <-ended:
			t.Fatalf("the machine ended as it began:\n%s", said)
		default:
		}
		pid, err := os.ReadFile(filepath.Join(files, ".pid"))
		m.pid = strings.TrimSpace(string(pid))
		return err == nil
	})
	proof.Eventually(t, "systemd", func() bool {
		out, _ := m.try("systemctl", "is-system-running")
		return strings.HasPrefix(out, "running") || strings.HasPrefix(out, "degraded")
	})
	return m
}

func (m *machine) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.t.Context(), "nsenter", append([]string{"-t", m.pid, "-a", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root"}
	return cmd
}

// try runs a program on the machine and gives all that it said.
func (m *machine) try(args ...string) (string, error) {
	out, err := m.command(args...).CombinedOutput()
	return string(out), err
}

// run does the same and fails the test where the program fails.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// show gives a property of the service.
func (m *machine) show(property string) string {
	m.t.Helper()
	return strings.TrimSpace(m.run("systemctl", "show", "--value", "--property="+property, "muster-agent"))
}

// rights gives who may do what with a file, or "absent".
func (m *machine) rights(name string) string {
	out, err := m.try("stat", "-c", "%A %U", name)
	if err != nil {
		return "absent"
	}
	return strings.TrimSpace(out)
}

// copyIn puts a file into /mnt and gives its name there.
func (m *machine) copyIn(name string) string {
	m.t.Helper()
	from, err := os.Open(name)
	if err != nil {
		m.t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(m.files, filepath.Base(name)), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err = io.Copy(to, from); err != nil {
		m.t.Fatal(err)
	}
	if err = to.Close(); err != nil {
		m.t.Fatal(err)
	}
	return "/mnt/" + filepath.Base(name)
}

// server is a Muster server on the machine.
type server struct {
	m       *machine
	program string
	url     string
	since   string // when the part of the test began, as the server writes it
}

const data = "/srv/muster"

// serve starts a server on the machine's loopback address.
func (m *machine) serve() *server {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	s := &server{m: m, program: m.copyIn(self)}
	cmd := m.command(s.program, "serve", "--data", data, "--listen", "127.0.0.1:0")
	log := &proof.Buffer{}
	cmd.Env = append(cmd.Env, asMuster+"=1")
	cmd.Stderr = log
	cmd.WaitDelay = time.Second // what is killed with the test is nsenter; the server ends with the machine
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = cmd.Wait() }) // the end of the test's context has ended it
	proof.Eventually(m.t, "the server", func() bool {
		for line := range strings.Lines(log.String()) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				s.url = "http://" + entry.Address
			}
		}
		return s.url != ""
	})
	return s
}

// muster runs a command of the server's administrator.
func (s *server) muster(args ...string) string {
	s.m.t.Helper()
	cmd := s.m.command(append([]string{s.program}, append(args, "--data", data)...)...)
	cmd.Env = append(cmd.Env, asMuster+"=1")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		s.m.t.Fatalf("muster %s: %v\n%s%s", strings.Join(args, " "), err, out, said.String())
	}
	return strings.TrimSpace(string(out))
}
