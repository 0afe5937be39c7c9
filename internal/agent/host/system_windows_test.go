package host

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// These ask the Windows that they run on, whichever that is: `GOOS=windows go test -exec wine` will do for a start.

func TestRegistryOfThisMachine(t *testing.T) {
	r := System().Registry
	k, err := r.Open(`HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion`)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if s, err := k.String("ProductName"); err != nil || !strings.Contains(s, "Windows") {
		t.Errorf("ProductName is %q, %v", s, err)
	}
	if s, err := k.String("No such value"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a value that is not there gives %q, %v", s, err)
	}
	cpu, err := r.Open(`HKEY_LOCAL_MACHINE\HARDWARE\DESCRIPTION\System\CentralProcessor\0`)
	if err != nil {
		t.Fatal(err)
	}
	defer cpu.Close()
	if n, err := cpu.Integer("~MHz"); err != nil || n == 0 {
		t.Errorf("~MHz is %d, %v", n, err)
	}
	if _, err := k.Integer("ProductName"); err == nil {
		t.Error("a text passes for a number")
	}
	if names, err := k.Subkeys(); err != nil || !slices.Contains(names, "ProfileList") {
		t.Errorf("subkeys are %q, %v", names, err)
	}
	if at, err := k.Modified(); err != nil || at.Year() < 2000 {
		t.Errorf("it was changed at %v, %v", at, err)
	}
	if _, err := r.Open(`HKEY_LOCAL_MACHINE\SOFTWARE\No such key\at all`); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key that is not there gives %v", err)
	}
	if _, err := r.Open(`HKEY_NOWHERE\SOFTWARE`); err == nil {
		t.Error("a hive that is not there opens")
	}
}

func TestCallsOfThisMachine(t *testing.T) {
	n := System().Native
	links, err := n.Links()
	if err != nil {
		t.Errorf("links: %v", err)
	}
	for _, l := range links {
		t.Logf("%+v", l)
		if !strings.HasPrefix(l.ID, "{") || l.Name == "" {
			t.Errorf("an adapter has no id or name: %+v", l)
		}
	}
	table, err := n.Firmware()
	t.Logf("firmware: %d octets, %v", len(table), err)
	domain, err := n.Domain()
	t.Logf("domain: %q, %v", domain, err)
	power, err := n.Power()
	t.Logf("power: %+v, %v", power, err)
	if running, err := n.Service("No such service"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a service that is not there: %v, %v", running, err)
	}
	if running, err := n.Service("EventLog"); err != nil || !running {
		t.Errorf("the event log: %v, %v", running, err)
	}
}

func TestProgramsOfThisMachine(t *testing.T) {
	p := programs{limit: time.Minute, maxOutput: 1 << 20}
	out, err := p.Run(t.Context(), "cmd", "/c", "echo", "a b", "c")
	if err != nil || !strings.Contains(string(out), "a b") {
		t.Errorf("echo wrote %q, %v", out, err)
	}
	var exit *ExitError
	if _, err = p.Run(t.Context(), "cmd", "/c", "exit", "7"); !errors.As(err, &exit) || exit.Code != 7 {
		t.Errorf("exit 7 gives %v", err)
	}
	if _, err = p.Run(t.Context(), "no-such-program"); !errors.Is(err, ErrNoProgram) {
		t.Errorf("a program that is not there gives %v", err)
	}
}

// TestHang is a program that never ends, with a child that does not either; as a test it does nothing.
func TestHang(t *testing.T) {
	switch flag.Arg(0) {
	case "":
		t.Skip("is started by another test")
	case "parent":
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.CommandContext(t.Context(), self, "-test.run=^TestHang$", "child", flag.Arg(1))
		t.Fatal(child.Run())
	case "child":
		if err := os.WriteFile(flag.Arg(1), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // where all wait for good, Go's runtime would end the program
	}
}

// A program that never ends holds nobody, and what it started ends with it.
func TestProgramAndItsChildrenAreEnded(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := programs{limit: 5 * time.Second, maxOutput: 1 << 20}
	file := filepath.Join(os.TempDir(), "muster-child-"+strconv.Itoa(os.Getpid())) // Wine cannot remove a t.TempDir()
	defer os.Remove(file)
	if _, err = p.Run(t.Context(), self, "-test.run=^TestHang$", "parent", file); !errors.Is(err, ErrTooSlow) {
		t.Fatalf("it gives %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("the child had no time to start: %v", err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	child, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return // it is gone
	}
	defer windows.CloseHandle(child)
	if event, err := windows.WaitForSingleObject(child, 10_000); event != windows.WAIT_OBJECT_0 {
		t.Errorf("the child runs on: %v, %v", event, err)
	}
}
