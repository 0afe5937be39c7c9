package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host"
)

// readers are how a Linux system is asked for what is alike on every system: its files under /proc and /sys say it all.
func readers(h *host.Host) common.Readers {
	m := machine{h}
	return common.Readers{CPU: m.cpu, Memory: m.memory, Uptime: m.uptime, Users: m.users, Processes: m.processes}
}

type machine struct{ *host.Host }

// line reads a file of one short text, such as those under /sys. What is not ASCII, or no text, is left out.
func (m machine) line(name string) (string, error) {
	raw, err := m.ReadFile(name)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, string(raw))), nil
}

// cpu reads the processor. Its highest speed is told by the driver that sets it, or by nobody: "cpu MHz" of cpuinfo is
// that of the moment.
func (m machine) cpu(context.Context) (collect.CPU, error) {
	raw, err := m.ReadFile("proc/cpuinfo")
	if err != nil {
		return collect.CPU{}, err
	}
	info := parseCPUInfo(raw)
	c := collect.CPU{Model: info.model, Cores: info.processors}
	if online, err := m.line("sys/devices/system/cpu/online"); err == nil {
		if n, ok := countList(online); ok {
			c.Cores = n
		}
	}
	if c.Cores == 0 {
		return collect.CPU{}, errors.New("/proc/cpuinfo lists no processor")
	}
	if khz, err := m.line("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"); err == nil {
		if n, err := strconv.Atoi(khz); err == nil && n > 0 {
			c.MaxMHz = n / 1000
		}
	}
	if c.Model == "" {
		if model, err := m.line("proc/device-tree/model"); err == nil {
			c.Model = model
		}
	}
	return c, nil
}

type cpuInfo struct {
	model      string
	processors int
	hypervisor bool // the processor says that it is a virtual one
	x86        bool
}

// parseCPUInfo reads /proc/cpuinfo, of which each architecture has its own.
func parseCPUInfo(raw []byte) cpuInfo {
	var c cpuInfo
	for line := range strings.Lines(string(raw)) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "processor":
			c.processors++
		case "model name", "Model", "cpu model", "uarch", "cpu":
			if c.model == "" {
				c.model = value
			}
		case "flags":
			c.x86 = true
			c.hypervisor = c.hypervisor || strings.Contains(" "+value+" ", " hypervisor ")
		}
	}
	return c
}

// countList counts the numbers of a list such as 0-3,8.
func countList(list string) (int, bool) {
	total := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return 0, false
		}
		b, err := strconv.ParseUint(last, 10, 16)
		if err != nil || b < a {
			return 0, false
		}
		total += int(b-a) + 1
	}
	return total, true
}

func (m machine) memory(context.Context) (collect.Memory, error) {
	raw, err := m.ReadFile("proc/meminfo")
	if err != nil {
		return collect.Memory{}, err
	}
	return parseMemInfo(raw)
}

// parseMemInfo reads /proc/meminfo. Kernels before 3.14 do not tell what is available.
func parseMemInfo(raw []byte) (collect.Memory, error) {
	var out collect.Memory
	var total, available bool
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "kB" {
			continue
		}
		n, err := strconv.ParseUint(f[1], 10, 50)
		if err != nil {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			out.Total, total = n<<10, true
		case "MemAvailable:":
			out.Available, available = n<<10, true
		}
	}
	if !total || !available {
		return collect.Memory{}, errors.New("/proc/meminfo does not tell total and available memory")
	}
	return out, nil
}

func (m machine) uptime(context.Context) (time.Duration, error) {
	text, err := m.line("proc/uptime")
	if err != nil {
		return 0, err
	}
	return parseUptime(text)
}

func parseUptime(text string) (time.Duration, error) {
	seconds, _, _ := strings.Cut(text, " ")
	whole, hundredths, _ := strings.Cut(seconds, ".")
	s, err := strconv.ParseUint(whole, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("/proc/uptime says %q", text)
	}
	up := time.Duration(s) * time.Second
	if c, err := strconv.ParseUint(hundredths, 10, 8); err == nil && len(hundredths) == 2 {
		up += time.Duration(c) * 10 * time.Millisecond
	}
	return up, nil
}

// ticks is how many a second has in the times of /proc: 100 on every architecture of today, whatever the kernel's own.
const ticks = 100

// mostTicks is more than any machine runs, and does not overflow a time.Duration.
const mostTicks = 1 << 38

// processes reads what runs. A program that ends meanwhile is passed over.
func (m machine) processes(ctx context.Context) ([]common.Process, error) {
	up, err := m.uptime(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(m.Files, "proc")
	if err != nil {
		return nil, err
	}
	boot := m.Now().Add(-up)
	out := make([]common.Process, 0, len(entries))
	for _, e := range entries {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		raw, err := readStart(m.Host, "proc/"+e.Name()+"/stat", 4096)
		if err != nil {
			continue
		}
		s, err := parseStat(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, common.Process{
			ID: s.id, Parent: s.parent, Name: m.fullName(e.Name(), s.name), Kernel: s.kernel,
			Started: boot.Add(time.Duration(s.started) * (time.Second / ticks)),
		})
	}
	if len(out) == 0 {
		return nil, errors.New("/proc lists no process")
	}
	return out, nil
}

// maxComm is how long a name of a process is at most; what is longer was cut.
const maxComm = 15

// fullName gives the whole of a name that was cut, where the program's file begins alike. The command line would say it
// more often, but to read it is to read memory of the process, which can make its readers wait.
func (m machine) fullName(pid, name string) string {
	if len(name) < maxComm {
		return name
	}
	file, err := fs.ReadLink(m.Files, "proc/"+pid+"/exe")
	if err != nil {
		return name
	}
	if base := path.Base(strings.TrimSuffix(file, " (deleted)")); strings.HasPrefix(base, name) {
		return base
	}
	return name
}

type stat struct {
	id, parent int
	name       string
	kernel     bool
	started    int64 // hundredths of a second after the system was started
}

// parseStat reads /proc/PID/stat. The name stands in brackets and may have any of them in it.
func parseStat(raw []byte) (stat, error) {
	open, end := bytes.IndexByte(raw, '('), bytes.LastIndexByte(raw, ')')
	if open < 1 || end < open {
		return stat{}, errors.New("/proc tells of processes in an unknown way")
	}
	f := strings.Fields(string(raw[end+1:]))
	if len(f) < 20 {
		return stat{}, errors.New("/proc tells of processes in an unknown way")
	}
	id, err := strconv.Atoi(strings.TrimSpace(string(raw[:open])))
	parent, err2 := strconv.Atoi(f[1])
	flags, err3 := strconv.ParseUint(f[6], 10, 32)
	started, err4 := strconv.ParseUint(f[19], 10, 64)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return stat{}, fmt.Errorf("/proc tells of processes in an unknown way: %w", err)
	}
	const kernelThread = 0x200000
	return stat{
		id: id, parent: parent, name: string(raw[open+1 : end]), kernel: flags&kernelThread != 0, started: int64(min(started, mostTicks)),
	}, nil
}
