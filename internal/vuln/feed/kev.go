package feed

import (
	"regexp"
	"strings"

	"muster/internal/errs"
	"muster/internal/vuln"
)

const noCVE Reason = "the record does not name a CVE"

// kevRecord is one vulnerability of CISA's catalogue of those known to be exploited.
type kevRecord struct {
	CVE         string   `json:"cveID"`
	Name        string   `json:"vulnerabilityName"`
	Added       string   `json:"dateAdded"`
	Description string   `json:"shortDescription"`
	CWEs        []string `json:"cwes"`
}

// kev reads the catalogue as JSON or CSV.
func (r *run) kev(f *file) error {
	j := r.reader(f)
	declared, read := -1, 0
	err := j.object(func(name string) error {
		switch name {
		case "dateReleased":
			var released string
			if _, err := j.into(&released); err != nil {
				return err
			}
			r.head.seen(moment(released))
			return nil
		case "count":
			_, err := j.into(&declared)
			return err
		case "vulnerabilities":
			return j.array(func() error { read++; return r.kevElement(f, j) })
		default:
			return j.skip()
		}
	})
	if err != nil {
		return err
	}
	if declared >= 0 && declared != read {
		return f.fault(errs.Invalid, "it says that it holds %d vulnerabilities, and holds %d", declared, read)
	}
	r.head.Declared += max(declared, 0)
	return j.end()
}

func (r *run) kevElement(f *file, j *jsonReader) error {
	var k kevRecord
	ok, err := j.into(&k)
	if err != nil {
		return err
	}
	if !ok {
		r.problem(f, k.CVE, notOfTheForm, "")
		return nil
	}
	return r.kevEntry(f, &k)
}

var cveID = regexp.MustCompile(`^CVE-\d{4}-\d{4,19}$`)

// kevEntry says that a CVE is exploited, and nothing of what it affects.
func (r *run) kevEntry(f *file, k *kevRecord) error {
	id := strings.TrimSpace(k.CVE)
	if !cveID.MatchString(id) {
		r.problem(f, "", noCVE, id)
		return nil
	}
	return r.entry(f, &vuln.Entry{
		ID: id, Modified: stamp(k.Added), Summary: k.Name, Details: k.Description, Extra: vuln.Extra{KEV: true, CWEs: k.CWEs},
	})
}
