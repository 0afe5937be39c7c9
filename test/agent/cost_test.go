package agent

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/test/proof"
	proc "muster/tools/process"
)

// TestCost measures what the agent costs its machine, as it is built for release: `make agent-cost`. What is measured is held
// to the aims, which leave room for a machine that is busy or slow.
func TestCost(t *testing.T) {
	if os.Getenv("MUSTER_AGENT_COST") == "" {
		t.Skip("set MUSTER_AGENT_COST=1 to measure what the agent costs")
	}
	proof.NeedRoot(t)
	program := filepath.Join(t.TempDir(), "muster-agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "muster/cmd/muster-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the program is %.1f MiB", float64(info.Size())/(1<<20))

	n := newNamespace(t, "cost")
	// A machine with as many packages as the budget is for: the list of installed ones is another, for the agent alone.
	list := manyPackages(t, 2500)
	crowded := func(args ...string) []string {
		return n.command("unshare", append([]string{"--mount", "sh", "-c", `mount --bind "$0" /var/lib/dpkg/status && exec "$@"`, list, program}, args...)...)
	}
	line := crowded("once", "--json")
	once := exec.CommandContext(t.Context(), line[0], line[1:]...)
	raw, err := once.Output()
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		SOH struct{ Applications []any } `json:"soh"`
	}
	if err := json.Unmarshal(raw, &report); err != nil {
		t.Fatal(err)
	}
	everything := once.ProcessState.UserTime() + once.ProcessState.SystemTime()
	t.Logf("looking at everything once: %v of a processor with its programs, %d packages and applications, a report of %d bytes",
		everything.Round(time.Millisecond), len(report.SOH.Applications), len(raw))
	if everything > 5*time.Second || len(report.SOH.Applications) < 2500 {
		t.Errorf("the aim is 5 s for 2 500 packages")
	}

	s := serve(t, n, "127.0.0.1:8080")
	measure := func(name string, looks time.Duration) time.Duration {
		state := filepath.Join(t.TempDir(), "agent")
		a := startLine(t, "muster-agent", nil, crowded("run", "--server", s.url(), "--code", s.code(), "--state", state,
			"--status-file", filepath.Join(state, "status.json"), "--ping-every", "1s", "--look-every", looks.String(), "--log-level", "debug"))
		// Looking starts at once and takes some seconds; what is measured comes after it.
		proof.Eventually(t, "the agent has reported", func() bool { return (&testAgent{process: a, t: t, state: state}).status().Verdict != "" })
		before := usage(t, a.cmd.Process.Pid)
		<-time.After(20 * time.Second)
		used := usage(t, a.cmd.Process.Pid) - before
		now, peak, err := proc.Memory(a.cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v of a processor in 20 s; %d MiB at most, %d MiB now", name, used, peak>>20, now>>20)
		if peak > 30<<20 {
			t.Errorf("%s: it had %d MiB of memory at most", name, peak>>20)
		}
		return used
	}
	pings := measure("20 pings", time.Hour)
	looks := measure("20 pings and 20 looks at what changes quickly", time.Second)
	ping, look := pings/20, (looks-pings)/20
	t.Logf("so a ping costs %v and a quick look %v", ping, look)
	const day = 24 * time.Hour
	all := 24*everything.Seconds() + 24*12*look.Seconds() + 24*60*ping.Seconds()
	t.Logf("in a day at the usual intervals: %.0f s, %.3f %% of a core", all, 100*all/day.Seconds())
	if all > day.Seconds()/1000 {
		t.Errorf("the aim is 0.1 %% of a core")
	}
}

// manyPackages is this machine's list of packages, filled up with copies under other names.
func manyPackages(t *testing.T, n int) string {
	t.Helper()
	raw, err := os.ReadFile("/var/lib/dpkg/status")
	proof.Need(t, err == nil, "a list of packages")
	entries := strings.Split(strings.TrimSpace(string(raw)), "\n\n")
	for i := 0; len(entries) < n; i++ {
		name, rest, _ := strings.Cut(strings.TrimPrefix(entries[i], "Package: "), "\n")
		entries = append(entries, "Package: "+name+"-again\n"+rest)
	}
	path := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(path, []byte(strings.Join(entries, "\n\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// usage is what a process and the programs that it ran and waited for have had of a processor.
func usage(t *testing.T, pid int) time.Duration {
	t.Helper()
	own, ended, err := proc.Usage(pid)
	if err != nil {
		t.Fatal(err)
	}
	return own + ended
}
