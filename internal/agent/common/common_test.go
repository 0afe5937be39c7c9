package common

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func gather(t *testing.T, h *host.Host, r Readers, before *collect.Snapshot) *collect.Snapshot {
	t.Helper()
	h.Now = func() time.Time { return now }
	return collect.Gather(t.Context(), Collectors(h, r), before, now, slog.New(slog.DiscardHandler))
}

func TestDisksReadTheSameUntilAGibibyteIsWritten(t *testing.T) {
	t.Parallel()
	free := uint64(7<<30 + 12345)
	h := &host.Host{Volumes: func() ([]host.Volume, error) {
		return []host.Volume{
			{Name: "/srv", Device: "/dev/sdb1", Total: 3 << 30, Free: 1<<30 - 1},
			{Name: "/", Device: "/dev/sda1", Total: 10<<30 + 1, Free: free, System: true},
		}, nil
	}}
	want := collect.Known([]collect.Disk{
		{Name: "/", Device: "/dev/sda1", Total: 10<<30 + 1, Free: 7 << 30, System: true},
		{Name: "/srv", Device: "/dev/sdb1", Total: 3 << 30},
	})
	for range 2 {
		if diff := cmp.Diff(want, gather(t, h, Readers{}, nil).Hardware.Disks); diff != "" {
			t.Error(diff)
		}
		free -= 12345
	}
	h.Volumes = func() ([]host.Volume, error) { return nil, errors.New("no table of mounts") }
	if got := gather(t, h, Readers{}, nil).Hardware.Disks; got.State != collect.Unreadable || got.Why != "no table of mounts" {
		t.Errorf("disks that cannot be listed: %+v", got)
	}
	if got := gather(t, &host.Host{}, Readers{}, nil).Hardware.Disks; got.State != collect.Unreadable {
		t.Errorf("without a way to list them: %+v", got)
	}
}

func TestBootTimeIsThatOfBeforeUntilTheNextBoot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before collect.Fact[time.Time]
		up     time.Duration
		want   time.Time
	}{
		{"first look: a whole minute", collect.Fact[time.Time]{}, 90*time.Minute + 20*time.Second, now.Add(-91 * time.Minute)},
		{"the clock was set by a little", collect.Known(now.Add(-91 * time.Minute)), 90 * time.Minute, now.Add(-91 * time.Minute)},
		{"and the other way", collect.Known(now.Add(-91 * time.Minute)), 93*time.Minute - time.Second, now.Add(-91 * time.Minute)},
		{"by more", collect.Known(now.Add(-91 * time.Minute)), 93 * time.Minute, now.Add(-93 * time.Minute)},
		{"a boot", collect.Known(now.Add(-91 * time.Minute)), 10 * time.Minute, now.Add(-10 * time.Minute)},
		{"unread before", collect.CouldNotReadf[time.Time]("why"), 10 * time.Minute, now.Add(-10 * time.Minute)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := Readers{Uptime: func(context.Context) (time.Duration, error) { return c.up, nil }}
			got := gather(t, &host.Host{}, r, &collect.Snapshot{Booted: c.before})
			if !got.Booted.Value.Equal(c.want) || got.Booted.State != collect.IsKnown {
				t.Errorf("booted %v, want %v", got.Booted, c.want)
			}
			if got.Uptime != collect.Known(c.up) {
				t.Errorf("uptime %v, want %v", got.Uptime, c.up)
			}
		})
	}
	broken := Readers{Uptime: func(context.Context) (time.Duration, error) { return 0, errors.New("no clock") }}
	got := gather(t, &host.Host{}, broken, &collect.Snapshot{Booted: collect.Known(now)})
	if got.Booted.State != collect.Unreadable || got.Uptime.State != collect.Unreadable {
		t.Errorf("without an uptime: %+v, %+v", got.Booted, got.Uptime)
	}
}

func TestUsersAreSortedAndEachThereOnce(t *testing.T) {
	t.Parallel()
	r := Readers{Users: func(context.Context) ([]collect.User, error) {
		return []collect.User{{Name: "kari"}, {Name: "anna", Domain: "LAB"}, {Name: "kari"}, {Name: "anna"}}, nil
	}}
	want := collect.Known([]collect.User{{Name: "anna"}, {Name: "anna", Domain: "LAB"}, {Name: "kari"}})
	if diff := cmp.Diff(want, gather(t, &host.Host{}, r, nil).Users); diff != "" {
		t.Error(diff)
	}
}

func TestProcessesThatStay(t *testing.T) {
	t.Parallel()
	old, self := now.Add(-time.Hour), os.Getpid()
	all := []Process{
		{ID: 1, Name: "systemd", Started: old},
		{ID: 2, Name: "kthreadd", Started: old, Kernel: true},
		{ID: 20, Parent: 1, Name: "sshd", Started: old},
		{ID: 21, Parent: 20, Name: "sshd", Started: old},
		{ID: 22, Parent: 1, Name: "cron", Started: now.Add(-time.Minute)},
		{ID: 23, Parent: 22, Name: "sh", Started: now.Add(-59 * time.Second)},
		{ID: self, Parent: 1, Name: "muster-agent", Started: old},
		{ID: 1 << 22, Parent: self, Name: "rpm", Started: old},
		{ID: 1<<22 + 1, Parent: 1 << 22, Name: "rpm-child", Started: old},
		{ID: 30, Parent: 30, Name: "its own parent", Started: old},
		{ID: 31, Name: " \x1b[2J\xff\n ", Started: old},
		{ID: 32, Name: strings.Repeat("é", 400), Started: old},
		{ID: 33, Name: " \t", Started: old},
	}
	r := Readers{Processes: func(context.Context) ([]Process, error) { return all, nil }}
	want := []string{"[2J", "cron", "its own parent", "sshd", "systemd", strings.Repeat("é", 256)}
	if diff := cmp.Diff(collect.Known(want), gather(t, &host.Host{}, r, nil).Processes); diff != "" {
		t.Error(diff)
	}
}

func TestManyNamesOfProcessesFillNoReport(t *testing.T) {
	t.Parallel()
	all := make([]Process, maxNames+1)
	for i := range all {
		all[i] = Process{ID: 1<<22 + i, Name: fmt.Sprint(i), Started: now.Add(-time.Hour)}
	}
	r := Readers{Processes: func(context.Context) ([]Process, error) { return all, nil }}
	if got := gather(t, &host.Host{}, r, nil).Processes; got.State != collect.Unreadable {
		t.Errorf("%d names: %v", len(all), got.State)
	}
	all = all[1:]
	if got := gather(t, &host.Host{}, r, nil).Processes; len(got.Value) != maxNames {
		t.Errorf("%d names gave %d", len(all), len(got.Value))
	}
	// Fewer, as long as files may be called.
	for i := range all {
		all[i].Name = fmt.Sprintf("%04d", i) + strings.Repeat("<", 251)
	}
	if got := gather(t, &host.Host{}, r, nil).Processes; got.State != collect.Unreadable {
		t.Errorf("%d long names: %v", len(all), got.State)
	}
}

func TestWhatHasNoReaderIsLeftAlone(t *testing.T) {
	t.Parallel()
	before := &collect.Snapshot{Users: collect.Known([]collect.User{{Name: "kari"}})}
	before.Hardware.CPU = collect.Known(collect.CPU{Cores: 3})
	r := Readers{Memory: func(context.Context) (collect.Memory, error) { return collect.Memory{Total: 5, Available: 2}, nil }}
	got := gather(t, &host.Host{}, r, before)
	if got.Hardware.CPU.Value.Cores != 3 || len(got.Users.Value) != 1 || got.Hardware.Memory.Value.Total != 5 || got.Booted.State != collect.NotLooked {
		t.Errorf("got %+v", got)
	}
}
