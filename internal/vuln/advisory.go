package vuln

import (
	"regexp"
	"slices"
	"strings"

	"muster/internal/vuln/version"
)

// What follows is what is known of the advisories of distributions with RPM packages: OSV's schema has no place for it.

// maintenance are the beginnings of the ids of updates that mend faults or bring features: AlmaLinux, Rocky, Red Hat, Oracle
// and SUSE publish them beside their security advisories, in the same form.
var maintenance = []string{"ALBA-", "ALEA-", "RLBA-", "RLEA-", "RHBA-", "RHEA-", "ELBA-", "ELEA-",
	"SUSE-RU-", "SUSE-FU-", "SUSE-OU-", "openSUSE-RU-", "openSUSE-FU-", "openSUSE-OU-"}

// isMaintenance reports whether an entry is an update that mends no vulnerability. One that names a CVE mends one, whatever
// it is called.
func isMaintenance(e *Entry, cves []string) bool {
	return len(cves) == 0 && slices.ContainsFunc(maintenance, func(start string) bool { return strings.HasPrefix(e.ID, start) })
}

// streamOf finds the module streams in the title of an advisory: "Moderate: virt:rhel and virt-devel:rhel security update".
var streamOf = regexp.MustCompile(`[0-9A-Za-z][\w.+-]*:[0-9A-Za-z][\w.]*`)

// updateOf finds the module in a title that names no stream: "Important: pki-core security update".
var updateOf = regexp.MustCompile(`^([\w.+-]+) (?:security|bug fix|enhancement)`)

// isModular reports whether a version is that of a package built as part of a module.
func isModular(version string) bool { return strings.Contains(version, ".module") }

// modulesOf lists the streams that an advisory is about, as name:stream, or name: where it leaves the stream open. An
// advisory of ordinary packages has none.
func modulesOf(e *Entry) []string {
	if !hasModules(e) {
		return nil
	}
	title := e.Summary
	if _, rest, ok := strings.Cut(title, ": "); ok {
		title = rest
	}
	if streams := streamOf.FindAllString(title, -1); len(streams) > 0 {
		return streams
	}
	if m := updateOf.FindStringSubmatch(title); m != nil {
		return []string{m[1] + ":"}
	}
	return nil
}

func hasModules(e *Entry) bool {
	for i := range e.Affected {
		for _, r := range e.Affected[i].Ranges {
			if slices.ContainsFunc(r.Events, func(ev Event) bool { return isModular(ev.Fixed) }) {
				return true
			}
		}
	}
	return false
}

// linesOf lists the upstream versions that an advisory brings of the packages with the name of a module, where it leaves the
// stream open: they tell which stream it is about.
func linesOf(e *Entry, modules []string) []string {
	if len(modules) != 1 || !strings.HasSuffix(modules[0], ":") {
		return nil
	}
	module := strings.TrimSuffix(modules[0], ":")
	var out []string
	for i := range e.Affected {
		if name := e.Affected[i].Package.Name; name != module && !strings.HasPrefix(name, module+"-") {
			continue
		}
		for _, r := range e.Affected[i].Ranges {
			for _, ev := range r.Events {
				if ev.Fixed != "" {
					out = append(out, upstream(ev.Fixed))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// upstream gives the upstream part of an RPM version, without epoch and release.
func upstream(v string) string {
	if _, rest, ok := strings.Cut(v, ":"); ok {
		v = rest
	}
	v, _, _ = strings.Cut(v, "-")
	return v
}

// builds gives what an entry affects, with one row for each RPM package of a release. Advisories list a package
// as often as it was built for them, or rebuilt later: each of these builds has the fix, so that the lowest is the first that has it.
func builds(e *Entry) []Affected {
	if !slices.ContainsFunc(e.Affected, func(a Affected) bool { return isRPM(a.Package.Ecosystem) }) {
		return e.Affected
	}
	at := make(map[Key]int, len(e.Affected))
	out := make([]Affected, 0, len(e.Affected))
	for _, a := range e.Affected {
		k := Key{Space: space(a.Package.Ecosystem), Name: a.Package.Name}
		i, again := at[k]
		fix, isFix := fixOf(&a)
		if !isRPM(k.Space) || !isFix || !again {
			if isFix {
				at[k] = len(out)
			}
			out = append(out, a)
			continue
		}
		known, _ := fixOf(&out[i])
		if n, err := version.Compare(k.Space, fix, known); err == nil && n < 0 {
			out[i] = a
		}
	}
	return out
}

// fixOf gives the fix of a package of which all versions before it are affected, and no others.
func fixOf(a *Affected) (string, bool) {
	if len(a.Versions) > 0 || len(a.Ranges) != 1 || len(a.Ranges[0].Events) != 2 {
		return "", false
	}
	from, to := a.Ranges[0].Events[0], a.Ranges[0].Events[1]
	return to.Fixed, from.Introduced == "0" && to.Fixed != ""
}
