// Package psutil asks a system by way of gopsutil, which knows Windows and macOS by their own calls. Of it only what needs
// no other program is used: it looks for those in PATH, and the agent is root. Linux has its own readers, of plain files;
// there this package is their witness in tests.
package psutil

import (
	"context"
	"errors"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
)

// Readers are what gopsutil answers on every system. Users are not among them: on Windows it knows none.
func Readers() common.Readers {
	return common.Readers{CPU: CPU, Memory: Memory, Uptime: Uptime, Processes: Processes}
}

// CPU gives the processor.
func CPU(ctx context.Context) (collect.CPU, error) {
	all, err := cpu.InfoWithContext(ctx)
	if err != nil {
		return collect.CPU{}, err
	}
	cores, err := cpu.CountsWithContext(ctx, true)
	if err != nil {
		return collect.CPU{}, err
	}
	if len(all) == 0 || cores < 1 {
		return collect.CPU{}, errors.New("the system names no processor")
	}
	return collect.CPU{Model: all[0].ModelName, Cores: cores, MaxMHz: int(all[0].Mhz)}, nil
}

// Memory gives what there is of memory.
func Memory(ctx context.Context) (collect.Memory, error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return collect.Memory{}, err
	}
	return collect.Memory{Total: m.Total, Available: m.Available}, nil
}

// Uptime gives the time since the system was started.
func Uptime(ctx context.Context) (time.Duration, error) {
	seconds, err := host.UptimeWithContext(ctx)
	return time.Duration(seconds) * time.Second, err
}

// LoggedOn gives who is logged on, on Linux and macOS.
func LoggedOn(ctx context.Context) ([]collect.User, error) {
	all, err := host.UsersWithContext(ctx)
	out := make([]collect.User, 0, len(all))
	for _, u := range all {
		out = append(out, collect.User{Name: u.User})
	}
	return out, err
}

// Processes gives all running programs. Those that ended meanwhile, or may not be looked at, are passed over.
func Processes(ctx context.Context) ([]common.Process, error) {
	all, err := process.ProcessesWithContext(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]common.Process, 0, len(all))
	for _, p := range all {
		name, err := p.NameWithContext(ctx)
		if err != nil {
			continue
		}
		parent, _ := p.PpidWithContext(ctx)        // one without a parent is nobody's child
		started, _ := p.CreateTimeWithContext(ctx) // of those of the system itself it is not told
		out = append(out, common.Process{ID: int(p.Pid), Parent: int(parent), Name: name, Started: time.UnixMilli(started)})
	}
	return out, nil
}
