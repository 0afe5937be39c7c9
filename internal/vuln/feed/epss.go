package feed

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"muster/internal/errs"
	"muster/internal/vuln"
)

const noProbability Reason = "the score is no number from 0 to 1"

// epss reads the scores of the Exploit Prediction Scoring System. An entry has no time of its own: the list is made anew
// every day, and an entry changed only if its score did.
func (r *run) epss(f *file) error {
	r.epssHead(f)
	c, err := r.csv(f)
	if err != nil {
		return err
	}
	cve, score := c.column("cve"), c.column("epss")
	if cve < 0 || score < 0 {
		return f.fault(errs.Invalid, "there are no columns cve and epss")
	}
	for {
		line, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := r.epssEntry(f, line[cve], line[score]); err != nil {
			return err
		}
	}
	if !c.lineEnded() {
		return f.fault(errs.Invalid, "the file is cut short in its last line")
	}
	return nil
}

// epssHead looks at the comment with the date that may come first:
// #model_version:v2025.03.14,score_date:2026-11-30T12:55:00Z
func (r *run) epssHead(f *file) {
	start, _ := f.in.Peek(peekSize) // what is wrong is told by the next to read
	line, _, _ := bytes.Cut(start, []byte("\n"))
	if !bytes.HasPrefix(line, []byte("#")) {
		return
	}
	for _, part := range strings.Split(strings.TrimLeft(strings.TrimSpace(string(line)), "#"), ",") {
		if date, ok := strings.CutPrefix(strings.TrimSpace(part), "score_date:"); ok {
			r.head.seen(moment(date))
		}
	}
}

func (r *run) epssEntry(f *file, cve, score string) error {
	if !cveID.MatchString(cve) {
		r.problem(f, "", noCVE, cve)
		return nil
	}
	p, ok := probability(score)
	if !ok {
		r.problem(f, cve, noProbability, score)
		return nil
	}
	return r.entry(f, &vuln.Entry{ID: strings.Clone(cve), Extra: vuln.Extra{EPSS: &p}})
}

func probability(s string) (float64, bool) {
	p, err := strconv.ParseFloat(s, 64)
	return p, err == nil && p >= 0 && p <= 1
}
