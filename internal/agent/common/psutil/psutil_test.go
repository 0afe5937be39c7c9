package psutil_test

import (
	"os"
	"testing"
	"time"

	"muster/internal/agent/common/psutil"
)

// What gopsutil says of the machine that the test runs on makes sense. The figures are compared where the agent is proved.
func TestReaders(t *testing.T) {
	t.Parallel()
	r := psutil.Readers()
	if c, err := r.CPU(t.Context()); err != nil || c.Cores < 1 || c.Model == "" {
		t.Errorf("processor %+v, %v", c, err)
	}
	if m, err := r.Memory(t.Context()); err != nil || m.Total == 0 || m.Available > m.Total {
		t.Errorf("memory %+v, %v", m, err)
	}
	if up, err := r.Uptime(t.Context()); err != nil || up <= 0 {
		t.Errorf("uptime %v, %v", up, err)
	}
	all, err := r.Processes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.ID == os.Getpid() {
			if p.Parent != os.Getppid() || p.Name == "" || time.Since(p.Started).Abs() > time.Hour {
				t.Errorf("the test itself: %+v", p)
			}
			return
		}
	}
	t.Errorf("the test is not among %d processes", len(all))
}
