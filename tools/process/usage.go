package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit in which the system accounts processor time to those who ask: always 10 ms on Linux.
const tick = 10 * time.Millisecond

// Usage reads the processor time of a process, user and system together, from the system's accounting. ended is the
// part that its children had used which ended and were collected.
func Usage(pid int) (own, ended time.Duration, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, err
	}
	text := string(b)
	// The name, in brackets, may hold anything. utime, stime, cutime and cstime are fields 14 to 17 of all, and the
	// bracket closes the second.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return 0, 0, fmt.Errorf("/proc/%d/stat has a form that is not known", pid)
	}
	var ticks [4]int64
	for i := range ticks {
		ticks[i], err = strconv.ParseInt(fields[11+i], 10, 64)
		if err != nil {
			return 0, 0, err
		}
	}
	return time.Duration(ticks[0]+ticks[1]) * tick, time.Duration(ticks[2]+ticks[3]) * tick, nil
}

// TreeUsage sums up a process that is first among pids and those that it started. Of those that ended, the first has
// collected the time.
func TreeUsage(pids []int) (time.Duration, error) {
	var total time.Duration
	for i, pid := range pids {
		own, ended, err := Usage(pid)
		if errors.Is(err, fs.ErrNotExist) && i > 0 {
			continue // it ended since it was listed
		}
		if err != nil {
			return 0, err
		}
		total += own
		if i == 0 {
			total += ended
		}
	}
	return total, nil
}

// Memory reads how much of a process is in memory, and the most that ever was, in bytes.
func Memory(pid int) (now, peak int64, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*int64{"VmRSS": &now, "VmHWM": &peak}[name]
		if into == nil {
			continue
		}
		*into, err = strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/%d/status: %w", pid, err)
		}
		*into <<= 10
	}
	return now, peak, nil
}
