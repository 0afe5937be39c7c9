package feed

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode"

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
	if start, err := f.in.Peek(1); err == nil && start[0] != '{' && !unicode.IsSpace(rune(start[0])) {
		return r.kevLines(f)
	}
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

// wholeWeaknesses is what the last value of a line of the catalogue looks like if it was not cut.
var wholeWeaknesses = regexp.MustCompile(`^\s*(CWE-\d+[ ,;]*)*$`)

// kevLines reads the form in lines, which says neither when it was released nor how many there are.
func (r *run) kevLines(f *file) error {
	c, err := r.csv(f)
	if err != nil {
		return err
	}
	id, name, added := c.column("cveID"), c.column("vulnerabilityName"), c.column("dateAdded")
	description, cwes := c.column("shortDescription"), c.column("cwes")
	if id < 0 || name < 0 || added < 0 || description < 0 {
		return f.fault(errs.Invalid, "there are no columns cveID, vulnerabilityName, dateAdded and shortDescription")
	}
	var last string
	for {
		line, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		last = line[len(line)-1]
		k := kevRecord{
			CVE: strings.Clone(line[id]), Name: strings.Clone(line[name]), Added: strings.Clone(line[added]), Description: strings.Clone(line[description]),
		}
		if cwes >= 0 {
			k.CWEs = strings.FieldsFunc(strings.Clone(line[cwes]), func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
		}
		r.head.seen(moment(k.Added))
		if err := r.kevEntry(f, &k); err != nil {
			return err
		}
	}
	if !c.lineEnded() && !wholeWeaknesses.MatchString(last) {
		return f.fault(errs.Invalid, "the file is cut short in its last line")
	}
	return nil
}
