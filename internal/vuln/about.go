package vuln

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// About is what one entry says of a vulnerability besides what it affects: how bad it is, and words.
type About struct {
	ID   string // a CVE id, or that of the entry
	Rank Rank
	Data []byte // for JoinAbout
	// Entry and Feed say whose word it is. Feed is for whoever knows it: Prepare leaves it empty.
	Entry, Feed string
}

// Rank is how much the word of an entry is worth where several speak of one vulnerability. The numbers are stored.
type Rank uint8

// The ranks, the best first.
const (
	RankOwn     Rank = 0 // under its own id
	RankOne     Rank = 1 // it is about that CVE alone
	RankSeveral Rank = 2 // it is about several: its scores are not that CVE's
)

// Description is what is said of a vulnerability besides what it affects and how bad it is. Every member may be absent.
type Description struct {
	Summary             string
	Published, Modified time.Time
	CWE                 string // the first weakness named, such as "CWE-787"
}

// Said is what one entry said, as it said it.
type Said struct {
	Feed, Entry string
	Facts       Facts
	Severity    []Severity // the vectors
}

// saying is the stored form of an About. Members may be added, never renamed.
type saying struct {
	Facts     *savedFacts `json:"f,omitempty"`
	Severity  []Severity  `json:"v,omitempty"`
	Summary   string      `json:"s,omitempty"`
	CWE       string      `json:"w,omitempty"`
	Published int64       `json:"p,omitempty"` // seconds since 1970
	Modified  int64       `json:"m,omitempty"`
}

// about prepares what an entry says under its own id and under its CVEs.
func (p *Prepared) about(e *Entry, cves []string) {
	f, _ := factsOf(e.Severity, &e.Extra)
	own := textOf(e)
	own.Severity = e.Severity
	own.Facts = f.saved()
	several := own
	several.Facts, several.Severity = nil, nil // an advisory is as bad as the worst of its CVEs
	switch {
	case slices.Equal(cves, []string{e.ID}):
		p.say(e.ID, RankOwn, own)
	case len(cves) == 1:
		p.say(e.ID, RankOwn, own)
		p.say(cves[0], RankOne, own)
	default:
		p.say(e.ID, RankOwn, own)
		for _, cve := range cves {
			if cve != e.ID {
				p.say(cve, RankSeveral, several)
			}
		}
	}
}

func (p *Prepared) say(id string, rank Rank, s saying) {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // as in digest
	}
	if string(data) != "{}" {
		p.About = append(p.About, About{ID: id, Rank: rank, Data: data, Entry: p.ID})
	}
}

// Joined is what all entries together say of one vulnerability: one database knows which versions are affected, another
// how bad it is, a third whether it is exploited.
type Joined struct {
	Facts Facts
	Description
	Said []Said // by those that speak of it alone, in the order of their feeds and entries
}

// JoinAbout puts together what is said of one vulnerability. The order in which the feeds were read does not matter: the
// entry of the best rank, and within it the first in the alphabet, fills in first, and the others what it leaves out.
func JoinAbout(all []About) (Joined, error) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b About) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), strings.Compare(a.Entry, b.Entry), strings.Compare(a.Feed, b.Feed))
	})
	out := Joined{Facts: NoFacts}
	for i := range all {
		a := &all[i]
		var s saying
		err := json.Unmarshal(a.Data, &s)
		if err != nil {
			return out, fmt.Errorf("what the catalogue holds of %s by %s cannot be read: %w", a.ID, a.Entry, err)
		}
		out.Description = out.completedBy(&s)
		if a.Rank == RankSeveral {
			continue
		}
		f := NoFacts
		if s.Facts != nil {
			f = s.Facts.facts()
		}
		out.Facts = out.Facts.Worst(f)
		out.Said = append(out.Said, Said{Feed: a.Feed, Entry: a.Entry, Facts: f, Severity: s.Severity})
	}
	return out, nil
}

func (d Description) completedBy(s *saying) Description {
	d.Summary, d.CWE = cmp.Or(d.Summary, s.Summary), cmp.Or(d.CWE, s.CWE)
	if d.Published.IsZero() {
		d.Published = timeOf(s.Published)
	}
	if d.Modified.IsZero() {
		d.Modified = timeOf(s.Modified)
	}
	return d
}

// maxSummary is how many characters of a summary are kept.
const maxSummary = 300

// textOf keeps of an entry what a description needs. An entry without a summary is described by the first line of its
// details.
func textOf(e *Entry) saying {
	s := saying{Summary: strings.TrimSpace(e.Summary), Published: seconds(e.Published), Modified: seconds(e.Modified)}
	if s.Summary == "" {
		s.Summary, _, _ = strings.Cut(strings.TrimSpace(e.Details), "\n")
		s.Summary = strings.TrimSpace(s.Summary)
	}
	s.Summary = shortened(s.Summary, maxSummary)
	if len(e.Extra.CWEs) > 0 {
		s.CWE = shortened(e.Extra.CWEs[0], 20)
	}
	return s
}

// shortened cuts a text that is longer than so many characters, and marks the cut.
func shortened(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

func seconds(s string) int64 {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0
	}
	return t.Unix()
}

func timeOf(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
