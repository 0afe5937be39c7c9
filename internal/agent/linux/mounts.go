package linux

import (
	"strings"

	"muster/internal/agent/host"
)

// mount is one line of mountinfo, as far as volumes need it.
type mount struct {
	device string // MAJOR:MINOR; with a major number of 0 there is no block device
	root   string // what of the file system is mounted
	point  string
	kind   string
	source string
}

// readMounts lists what is mounted for the whole machine. The agent may have been given a view of its own, so the first
// process is asked first.
func readMounts(h *host.Host) ([]mount, error) {
	raw, err := readStart(h, "proc/1/mountinfo", 4<<20)
	if err != nil {
		raw, err = readStart(h, "proc/self/mountinfo", 4<<20)
	}
	return parseMounts(raw), err
}

// parseMounts reads mountinfo; see proc(5). Where something was mounted over another only the last can be seen.
func parseMounts(raw []byte) []mount {
	var out []mount
	last := map[string]int{}
	for line := range strings.Lines(string(raw)) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, rest := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(rest) < 2 {
			continue
		}
		m := mount{device: f[2], root: host.Unescape(f[3]), point: host.Unescape(f[4]), kind: rest[0], source: host.Unescape(rest[1])}
		if i, again := last[m.point]; again {
			out[i] = m
		} else {
			last[m.point] = len(out)
			out = append(out, m)
		}
	}
	return out
}
