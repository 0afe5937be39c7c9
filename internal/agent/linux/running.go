package linux

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// The accounts of people begin with the first; from the second to the third are those that systemd makes for a service
// while it runs. Above these are people again: those of a directory, and what users have for containers of their own.
const firstPerson, firstTransient, lastTransient = 1000, 61_184, 65_519

// systemProcesses reports which of some programs run, by the first 15 characters of their names, which is all that the
// kernel keeps. Programs of ordinary users do not count: anybody may call a program what they like.
func systemProcesses(h *host.Host, wanted ...string) (map[string]bool, error) {
	if _, err := readStart(h, "proc/1/comm", 64); err != nil {
		return nil, errors.New("needs root: the processes of others are hidden")
	}
	entries, err := fs.ReadDir(h.Files, "proc")
	if err != nil {
		return nil, err
	}
	looked := make(map[string]bool, len(wanted))
	for _, name := range wanted {
		looked[comm(name)] = true
	}
	found := make(map[string]bool)
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		raw, err := readStart(h, "proc/"+e.Name()+"/comm", 64)
		if err != nil {
			continue // it has ended
		}
		name := strings.TrimSpace(string(raw))
		if looked[name] && !found[name] && ofSystem(h, e.Name()) {
			found[name] = true
		}
	}
	out := make(map[string]bool, len(found))
	for _, name := range wanted {
		if found[comm(name)] {
			out[name] = true
		}
	}
	return out, nil
}

func comm(name string) string { return name[:min(len(name), 15)] }

// ofSystem reports whether a process is of an account of the system, and was not started by somebody else: a program that
// bears the rights of its owner (setuid) takes its name from the link by which it was started, which anybody can make.
func ofSystem(h *host.Host, pid string) bool {
	raw, err := readStart(h, "proc/"+pid+"/status", 4096)
	if err != nil || !systemAccounts(raw) || inContainer(h, pid) {
		return false
	}
	info, err := fs.Stat(h.Files, "proc/"+pid+"/exe")
	return err != nil || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) == 0
}

// inContainer reports whether a process is in other surroundings than the machine's first process, and so guards these and
// not the machine.
func inContainer(h *host.Host, pid string) bool {
	first, err := fs.ReadLink(h.Files, "proc/1/ns/pid")
	if err != nil {
		return false // the kernel tells nobody: there are no containers
	}
	its, err := fs.ReadLink(h.Files, "proc/"+pid+"/ns/pid")
	return err == nil && its != first
}

// systemAccounts reports whether both who started a process and as whom it acts are accounts of the system.
func systemAccounts(status []byte) bool {
	for line := range strings.Lines(string(status)) {
		ids, ok := strings.CutPrefix(line, "Uid:")
		if !ok {
			continue
		}
		f := strings.Fields(ids)
		return len(f) == 4 && isSystem(f[0]) && isSystem(f[1])
	}
	return false
}

func isSystem(id string) bool {
	uid, err := strconv.Atoi(id)
	return err == nil && (uid < firstPerson || uid >= firstTransient && uid <= lastTransient)
}

// packageVersion gives the version of the first of some packages that the distribution's list of software has; "" where
// it has none of them.
func packageVersion(s *collect.Snapshot, names ...string) string {
	for _, name := range names {
		for _, source := range []string{"dpkg", "rpm", "apk"} {
			apps, _ := s.Software[source].Get()
			for i := range apps {
				if apps[i].Name == name {
					return apps[i].Version
				}
			}
		}
	}
	return ""
}
