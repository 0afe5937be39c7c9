package feed

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"muster/internal/vuln"
)

// codeNames are the releases of Debian under the names that its tracker gives them.
var codeNames = map[string]string{
	"wheezy": "7", "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15",
	"sid": "sid",
}

// Reasons why something in the Debian tracker is not used.
const (
	unknownRelease Reason = "the release of Debian is not known"
	noFixedVersion Reason = "it is resolved, but the version is not told"
	unknownStatus  Reason = "the status is not known"
)

// trackerRecord is what the tracker says of one vulnerability in one source package.
type trackerRecord struct {
	Description string                    `json:"description"`
	Releases    map[string]trackerRelease `json:"releases"`
}

type trackerRelease struct {
	Status  string `json:"status"`
	Fixed   string `json:"fixed_version"`
	Urgency string `json:"urgency"`
}

// tracker reads what the Debian security tracker says of all packages: an entry for each vulnerability of each source
// package, since the file has one package after the other.
func (r *run) tracker(f *file) error {
	j := r.reader(f)
	err := j.object(func(pkg string) error {
		return j.object(func(id string) error {
			var rec trackerRecord
			ok, err := j.into(&rec)
			if err != nil {
				return err
			}
			if !ok {
				r.problem(f, id, notOfTheForm, pkg)
				return nil
			}
			return r.trackerEntry(f, pkg, id, &rec)
		})
	})
	if err != nil {
		return err
	}
	return j.end()
}

func (r *run) trackerEntry(f *file, pkg, id string, rec *trackerRecord) error {
	e := &vuln.Entry{ID: "DEBIAN-" + id + ":" + pkg, Details: rec.Description}
	if strings.HasPrefix(id, "CVE-") {
		e.Upstream = []string{id}
	}
	for _, name := range slices.Sorted(maps.Keys(rec.Releases)) {
		release, ok := codeNames[name]
		if !ok {
			r.problem(f, id, unknownRelease, name)
			continue
		}
		events := r.trackerEvents(f, id, rec.Releases[name])
		if events == nil {
			continue
		}
		e.Affected = append(e.Affected, vuln.Affected{
			Package: vuln.Package{Ecosystem: "Debian:" + release, Name: pkg},
			Ranges:  []vuln.Range{{Type: "ECOSYSTEM", Events: events}},
		})
	}
	if len(e.Affected) == 0 {
		return nil
	}
	slices.SortFunc(e.Affected, func(a, b vuln.Affected) int {
		return cmp.Or(cmp.Compare(len(a.Package.Ecosystem), len(b.Package.Ecosystem)), strings.Compare(a.Package.Ecosystem, b.Package.Ecosystem))
	})
	return r.entry(f, e)
}

// trackerEvents says which versions of a package are affected in a release, nil for none. What Debian calls unimportant
// is in the source and does no harm in the packages built from it, and what is undetermined nobody has looked at: neither
// is a finding. A package past its end of life is affected like any other that nobody mends.
func (r *run) trackerEvents(f *file, id string, rel trackerRelease) []vuln.Event {
	start := vuln.Event{Introduced: "0"}
	switch {
	case rel.Urgency == "unimportant", rel.Status == "undetermined", rel.Status == "resolved" && rel.Fixed == "0":
		return nil
	case rel.Status == "open":
		return []vuln.Event{start}
	case rel.Status != "resolved":
		r.problem(f, id, unknownStatus, rel.Status)
		return nil
	case rel.Fixed == "":
		r.problem(f, id, noFixedVersion, "")
		return nil
	default:
		return []vuln.Event{start, {Fixed: rel.Fixed}}
	}
}
