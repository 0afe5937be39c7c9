package feed

import (
	"bytes"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/vuln"
)

// Reasons why a record is not used, whatever its format.
const (
	notOfTheForm Reason = "the record is not of the form that the format asks for"
	noID         Reason = "the record has no id"
)

// osv hands over OSV records nearly as they are: they are what the program works with.
func (r *run) osv(f *file) error {
	return r.reader(f).records(func(v jsontext.Value) error {
		e := &vuln.Entry{}
		switch {
		case !fits(v, e):
			r.problem(f, e.ID, notOfTheForm, "")
			return nil
		case e.ID == "":
			r.problem(f, "", noID, "")
			return nil
		}
		e.Affected = matchable(e.Affected, v)
		r.head.seen(moment(e.Modified))
		return r.entry(f, e)
	})
}

// matchable leaves out what no machine is matched with: commits of repositories, which belong to no package, and what
// Debian calls unimportant, as in its own tracker.
func matchable(list []vuln.Affected, record jsontext.Value) []vuln.Affected {
	var urgencies struct {
		Affected []struct {
			Specific struct {
				Urgency string `json:"urgency"`
			} `json:"ecosystem_specific"`
		} `json:"affected"`
	}
	if bytes.Contains(record, []byte(`"unimportant"`)) {
		fits(record, &urgencies)
	}
	var out []vuln.Affected
	for i := range list {
		unimportant := i < len(urgencies.Affected) && urgencies.Affected[i].Specific.Urgency == "unimportant"
		if name := list[i].Package.Ecosystem; name != "" && !(unimportant && strings.HasPrefix(name, "Debian")) {
			out = append(out, list[i])
		}
	}
	return out
}

// moment reads a time as feeds write it, with and without an offset or a time of day; zero where it is none.
func moment(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02", "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// stamp writes a time as entries have it, "" where it is none.
func stamp(s string) string {
	t := moment(s)
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
