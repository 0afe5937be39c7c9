package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exposure is what systemd's own judge of security gives the unit, times ten: 0 is a service that may nothing, 100 one that
// may everything. What is left, and why, is in docs/agent-install.md. It may only go down.
const exposure = "31"

// TestUnit has systemd judge the unit: it is valid, and as hardened as we say. The judge needs no running systemd.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("MUSTER_REQUIRE_AGENT_PROOF") != "" {
			t.Fatal("there is no systemd-analyze here (Debian: systemd)")
		}
		t.Skip("there is no systemd-analyze here")
	}
	// The program that it names has to be there, and the manual is not.
	text := strings.ReplaceAll(unit, packagedProgram, "/bin/true")
	file := filepath.Join(t.TempDir(), "muster-agent.service")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	analyse := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", append(args, file)...).CombinedOutput()
		return string(out), err
	}
	if out, err := analyse("security", "--offline=true", "--no-pager", "--threshold="+exposure); err != nil {
		t.Errorf("the unit is more exposed than %s: %v\n%s", exposure, err, out)
	}
	out, err := analyse("verify", "--man=no")
	if err != nil {
		t.Errorf("systemd-analyze verify: %v", err)
	}
	for line := range strings.Lines(out) {
		// Systems before version 254 pass over these, and the unit says so.
		if strings.Contains(line, file) && !strings.Contains(line, "'RestartSteps'") && !strings.Contains(line, "'RestartMaxDelaySec'") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
}

// What the manual promises of the unit and systemd's judge does not look at: bounds of what the agent takes of its machine, and
// that it is started with it and again after a failure.
func TestUnitBoundsTheAgent(t *testing.T) {
	for _, line := range []string{
		"CPUQuota=50%", "LimitCORE=0", "MemoryMax=512M", "OOMPolicy=continue", "Restart=on-failure", "StateDirectoryMode=0700", "UMask=0077", "WantedBy=multi-user.target",
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit has no %s", line)
		}
	}
}

// The copy that is written by hand starts the program that is copied by hand, and nothing else differs.
func TestOwnUnit(t *testing.T) {
	if strings.Count(unit, packagedProgram) != 1 || !strings.Contains(unit, "\nExecStart="+packagedProgram+" run\n") {
		t.Error("ExecStart is what names the program, and all that does")
	}
}
