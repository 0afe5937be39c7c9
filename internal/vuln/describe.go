package vuln

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Description is what the catalogue says of a vulnerability besides what it affects and how bad it is. Every member may
// be absent.
type Description struct {
	Summary             string
	Published, Modified time.Time
	CWE                 string // the first weakness named, such as "CWE-787"
}

// Describe gives what is said of a CVE or of the entry with an id. It reports whether anything is known of that id.
func (c *Catalogue) Describe(id string) (Description, bool) {
	i, ok := slices.BinarySearchFunc(c.described, id, func(d described, id string) int { return strings.Compare(d.id, id) })
	if !ok {
		return Description{}, false
	}
	t := c.described[i].text
	return Description{Summary: t.summary, Published: timeOf(t.published), Modified: timeOf(t.modified), CWE: t.cwe}, true
}

// described is an id and what is said under it. A sorted list of them takes a fraction of the memory of a map.
type described struct {
	id   string
	text *text
}

// text is a Description as it is kept: a catalogue has hundreds of thousands.
type text struct {
	summary             string
	cwe                 string
	published, modified int64 // seconds since 1970; 0 is not known
}

// maxSummary is how many characters of a summary are kept.
const maxSummary = 300

// textOf keeps of an entry what a description needs. An entry without a summary is described by the first line of its
// details.
func textOf(e *Entry) text {
	t := text{summary: strings.TrimSpace(e.Summary), published: seconds(e.Published), modified: seconds(e.Modified)}
	if t.summary == "" {
		t.summary, _, _ = strings.Cut(strings.TrimSpace(e.Details), "\n")
		t.summary = strings.TrimSpace(t.summary)
	}
	t.summary = strings.Clone(shortened(t.summary, maxSummary))
	if len(e.Extra.CWEs) > 0 {
		t.cwe = strings.Clone(shortened(e.Extra.CWEs[0], 20))
	}
	return t
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

// candidate is one entry's word on an id.
type candidate struct {
	described
	rank  int    // 0 under its own id, 1 where it is about that CVE alone, 2 where it is about several
	entry string // its id
}

// describe lists what the entries say, each under its own id and under its CVEs. Where several speak of one CVE, the
// best fills in first, and the others what it leaves out.
func (b *builder) describe(ids []string) []described {
	var all []candidate
	weaknesses := make(map[string]string)
	for _, id := range ids {
		p := b.entries[id]
		if p.text == nil {
			continue
		}
		p.text.cwe = intern(weaknesses, p.text.cwe)
		all = append(all, candidate{described{id, p.text}, 0, id})
		for _, cve := range p.cves {
			if cve != id {
				all = append(all, candidate{described{cve, p.text}, min(len(p.cves), 2), id})
			}
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(strings.Compare(a.id, b.id), cmp.Compare(a.rank, b.rank), strings.Compare(a.entry, b.entry))
	})
	out := make([]described, 0, len(all))
	for i := range all {
		last := len(out) - 1
		if last < 0 || out[last].id != all[i].id {
			out = append(out, all[i].described)
			continue
		}
		out[last].text = out[last].text.completedBy(all[i].text)
	}
	return slices.Clip(out)
}

// completedBy gives a text with what another says where it says nothing itself. Neither is changed: both may describe
// other ids too.
func (t *text) completedBy(o *text) *text {
	both := text{
		summary: cmp.Or(t.summary, o.summary), cwe: cmp.Or(t.cwe, o.cwe),
		published: cmp.Or(t.published, o.published), modified: cmp.Or(t.modified, o.modified),
	}
	if both == *t {
		return t
	}
	return &both
}

func intern(known map[string]string, s string) string {
	if same, ok := known[s]; ok {
		return same
	}
	known[s] = s
	return s
}
