// Package common is the collectors whose subjects are alike on every system: processor, memory, file systems, users, boot
// time and processes. How a system is asked differs; what is made of its answers (what is rounded, left out and sorted, so
// that a machine that did not change reads the same) is here.
package common

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// Readers ask the system. One that is nil leaves its fact alone: the system's own package sees to it.
type Readers struct {
	CPU    func(context.Context) (collect.CPU, error)
	Memory func(context.Context) (collect.Memory, error)
	// Uptime is the time since the system was started, with that which it slept.
	Uptime func(context.Context) (time.Duration, error)
	// Users are those who are logged on, in any order and as often as they are.
	Users func(context.Context) ([]collect.User, error)
	// Processes are all of them, as they are.
	Processes func(context.Context) ([]Process, error)
}

// Process is one running program.
type Process struct {
	ID, Parent int
	Name       string
	Started    time.Time
	Kernel     bool // a thread of the kernel, no program
}

// Collectors are those whose readers are there, and that of the file systems.
func Collectors(h *host.Host, r Readers) []collect.Collector {
	out := []collect.Collector{{Subject: "disks", Collect: func(_ context.Context, s *collect.Snapshot) error {
		s.Hardware.Disks = disks(h)
		return nil
	}}}
	if r.CPU != nil || r.Memory != nil {
		out = append(out, collect.Collector{Subject: "hardware", Collect: r.hardware})
	}
	if r.Users != nil {
		out = append(out, collect.Collector{Subject: "users", Light: true, Collect: r.users})
	}
	if r.Uptime != nil {
		out = append(out, collect.Collector{Subject: "boot", Light: true, Collect: func(ctx context.Context, s *collect.Snapshot) error {
			up, err := r.Uptime(ctx)
			s.Uptime = collect.Of(up.Truncate(time.Second), err)
			s.Booted = collect.Of(booted(h.Now(), up, s.Booted), err)
			return nil
		}})
	}
	if r.Processes != nil {
		out = append(out, collect.Collector{Subject: "processes", Collect: func(ctx context.Context, s *collect.Snapshot) error {
			all, err := r.Processes(ctx)
			if err == nil {
				s.Processes = collect.Of(names(all, os.Getpid(), h.Now()))
			} else {
				s.Processes = collect.CouldNotRead[[]string](err)
			}
			return nil
		}})
	}
	return out
}

func (r Readers) hardware(ctx context.Context, s *collect.Snapshot) error {
	if r.CPU != nil {
		s.Hardware.CPU = collect.Of(r.CPU(ctx))
	}
	if r.Memory != nil {
		s.Hardware.Memory = collect.Of(r.Memory(ctx))
	}
	return nil
}

func (r Readers) users(ctx context.Context, s *collect.Snapshot) error {
	who, err := r.Users(ctx)
	who = slices.Clone(who)
	slices.SortFunc(who, func(a, b collect.User) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Domain, b.Domain))
	})
	s.Users = collect.Of(slices.Compact(who), err)
	return nil
}

// gibibyte is what free space is rounded down to.
const gibibyte = 1 << 30

func disks(h *host.Host) collect.Fact[[]collect.Disk] {
	if h.Volumes == nil {
		return collect.CouldNotReadf[[]collect.Disk]("no way to list the file systems is known")
	}
	volumes, err := h.Volumes()
	out := make([]collect.Disk, 0, len(volumes))
	for _, v := range volumes {
		out = append(out, collect.Disk{
			Name: v.Name, Device: v.Device, Total: v.Total, Free: v.Free - v.Free%gibibyte, System: v.System,
		})
	}
	slices.SortFunc(out, func(a, b collect.Disk) int { return strings.Compare(a.Name, b.Name) })
	return collect.Of(out, err)
}

// sameBoot is by how much the time of one boot may move: it is counted back from a clock that is set now and then.
const sameBoot = 2 * time.Minute

// booted gives the minute in which the system was started: that from before while it is the same.
func booted(now time.Time, up time.Duration, before collect.Fact[time.Time]) time.Time {
	at := now.Add(-up).UTC()
	if old, ok := before.Get(); ok && at.Sub(old).Abs() < sameBoot {
		return old
	}
	return at.Truncate(time.Minute)
}

const (
	// settled is how long a program has run that will go on running, as far as that can be told.
	settled = time.Minute
	// maxNames and maxText bound what users of the machine can make of the list: with programs of long names they could make a
	// report larger than the server takes, and then it would hear nothing more of the machine. A name may take six times its
	// length in a report.
	maxNames = 5000
	maxText  = 256 << 10 // bytes of all names
)

// names gives the names of the programs that are there to stay, without the agent and what it started.
func names(all []Process, self int, now time.Time) ([]string, error) {
	own := withChildren(all, self)
	out := make([]string, 0, len(all))
	for _, p := range all {
		if p.Kernel || own[p.ID] || now.Sub(p.Started) < settled {
			continue
		}
		if name := collect.Plain(p.Name); name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	text := 0
	for _, name := range out {
		text += len(name)
	}
	if len(out) > maxNames || text > maxText {
		return nil, errors.New("more programs run under names of their own, or longer ones, than a report takes")
	}
	return out, nil
}

// withChildren are a process and all that it started, by and by.
func withChildren(all []Process, root int) map[int]bool {
	children := make(map[int][]int, len(all))
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p.ID)
	}
	family := map[int]bool{root: true}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		for _, child := range children[next[0]] {
			if !family[child] {
				family[child] = true
				next = append(next, child)
			}
		}
	}
	return family
}
