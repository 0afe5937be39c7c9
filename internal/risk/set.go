package risk

import (
	"slices"
	"time"

	"muster/internal/posture"
)

// Set is all that an account says of vulnerabilities at one revision, ready to be asked. It is never changed: many goroutines
// may ask it at once.
type Set struct {
	revision   int64
	thresholds Thresholds
	byID       map[string][]*Risk // by every id of a vulnerability, as it is compared
}

// NewSet readies entries. Those that are revoked say nothing.
func NewSet(revision int64, thresholds Thresholds, list []Risk) *Set {
	s := &Set{revision: revision, thresholds: thresholds, byID: make(map[string][]*Risk)}
	for i := range list {
		r := &list[i]
		if !r.Revoked.At.IsZero() {
			continue
		}
		ids := r.ids()
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			s.byID[id] = append(s.byID[id], r)
		}
	}
	return s
}

// Revision is the account's RiskRevision of which the set is.
func (s *Set) Revision() int64 { return s.revision }

// Empty reports whether nothing is said.
func (s *Set) Empty() bool { return len(s.byID) == 0 }

// Thresholds are the account's.
func (s *Set) Thresholds() Thresholds { return s.thresholds }

// Place is where a finding is: on which device, and in which group that is.
type Place struct {
	Device string
	Group  posture.GroupID
}

// Accept gives why a vulnerability of a finding, or the finding as a whole where id is that of its entry, does not count at
// a time. ok: it does not. Of several reasons, that which holds longest is given.
func (s *Set) Accept(f *posture.Finding, id string, at Place, now time.Time) (a posture.Acceptance, ok bool) {
	r := s.best(f, id, at, now)
	if r == nil {
		return posture.Acceptance{}, false
	}
	return r.acceptance(), true
}

func (r *Risk) acceptance() posture.Acceptance {
	return posture.Acceptance{ID: r.ID, Reason: r.Reason, By: r.Author, Until: r.Until, NotAffected: r.Source == VEX}
}

// best gives the entry by which a vulnerability of a finding does not count, nil where it does. Of VEX statements the newest
// that is about the product decides. What is said of the entry holds for each of its CVEs.
func (s *Set) best(f *posture.Finding, id string, at Place, now time.Time) *Risk {
	var best, said *Risk
	look := func(id string) {
		for _, r := range s.byID[sameID(id)] {
			switch {
			case !r.holds(f, at, now):
			case r.Source == VEX:
				if said == nil || later(r, said) {
					said = r
				}
			case best == nil || longer(r, best):
				best = r
			}
		}
	}
	look(id)
	if id != f.ID {
		look(f.ID)
	}
	if said != nil && said.Accepts() && (best == nil || longer(said, best)) {
		best = said
	}
	return best
}

// holds reports whether an entry is about a finding, and in force.
func (r *Risk) holds(f *posture.Finding, at Place, now time.Time) bool {
	return (r.Until.IsZero() || now.Before(r.Until)) && (r.Group == 0 || r.Group == at.Group) && (r.Device == "" || r.Device == at.Device) &&
		r.Product.Means(f)
}

// later reports whether a statement overtakes another. Of two of one time that which lifts does: what is not sure counts.
func later(a, b *Risk) bool {
	if n := a.Statement.At.Compare(b.Statement.At); n != 0 {
		return n > 0
	}
	if a.Accepts() != b.Accepts() {
		return !a.Accepts()
	}
	return a.ID < b.ID
}

// longer reports whether an entry holds longer than another; within equals a statement does, and then the older one.
func longer(a, b *Risk) bool {
	switch {
	case a.Until.IsZero() != b.Until.IsZero():
		return a.Until.IsZero()
	case !a.Until.Equal(b.Until):
		return a.Until.After(b.Until)
	case a.Source != b.Source:
		return a.Source == VEX
	default:
		return a.ID < b.ID
	}
}

// Applied is what becomes of the findings of a device.
type Applied struct {
	Findings []posture.Finding // all, the worst first; those that do not count say why
	Levels   posture.Levels    // of the worst that count
	// Lapses is when the first of them counts again by itself; zero for never.
	Lapses time.Time
}

// Apply says of each finding of a device whether it counts at a time. A finding of several CVEs of which some do not count
// becomes several findings; those that an earlier Apply made of one are one again before that. score gives such findings the
// scores and levels of the CVEs they have; with nil they keep what they had.
func (s *Set) Apply(findings []posture.Finding, at Place, now time.Time, score func(*posture.Finding)) Applied {
	marked, mentioned := false, false
	for i := range findings {
		marked = marked || findings[i].Accepted != nil
		mentioned = mentioned || s.mentions(&findings[i])
	}
	if !marked && !mentioned {
		return Applied{Findings: findings, Levels: worst(findings)} // as it is with most devices
	}
	if score == nil {
		score = func(*posture.Finding) {}
	}
	whole, changed := findings, false
	if marked { // else there are no parts
		whole, changed = joined(findings, score)
	}
	out := Applied{Findings: make([]posture.Finding, 0, len(whole))}
	for i := range whole {
		before := len(out.Findings)
		out.Findings = s.split(out.Findings, &whole[i], at, now, score)
		changed = changed || len(out.Findings) > before+1
	}
	if changed {
		slices.SortStableFunc(out.Findings, posture.WorseFirst)
	}
	out.Levels = worst(out.Findings)
	for i := range out.Findings {
		a := out.Findings[i].Accepted
		if a == nil {
			continue
		}
		if until := a.Until; !until.IsZero() && (out.Lapses.IsZero() || until.Before(out.Lapses)) {
			out.Lapses = until
		}
	}
	return out
}

// worst gives the levels of the worst findings that count.
func worst(findings []posture.Finding) (out posture.Levels) {
	for i := range findings {
		if findings[i].Accepted == nil {
			out = out.Worst(findings[i].Levels)
		}
	}
	return out
}

// whole is what the parts of a finding have in common.
type whole struct{ feed, id, product, version, packaged, ecosystem, fixed string }

// joined makes one of the parts of each finding, none of which says any more that it does not count. The findings that are
// given are not changed.
func joined(findings []posture.Finding, score func(*posture.Finding)) (out []posture.Finding, changed bool) {
	out = make([]posture.Finding, 0, len(findings))
	at := make(map[whole]int, len(findings))
	parts := make(map[int]bool)
	for i := range findings {
		f := findings[i]
		f.Accepted = nil
		k := whole{f.Feed, f.ID, f.Product, f.Version, f.Package, f.Ecosystem, f.Fixed}
		n, again := at[k]
		if !again || len(f.CVEs) == 0 {
			at[k] = len(out)
			out = append(out, f)
			continue
		}
		cves := slices.Concat(out[n].CVEs, f.CVEs)
		slices.Sort(cves)
		out[n].CVEs = slices.Compact(cves)
		parts[n] = true
	}
	for n := range parts {
		score(&out[n])
	}
	return out, len(parts) > 0
}

// mentions reports whether anything is said of a finding. Of nearly all, nothing is.
func (s *Set) mentions(f *posture.Finding) bool {
	if len(s.byID) == 0 {
		return false
	}
	return s.byID[sameID(f.ID)] != nil || slices.ContainsFunc(f.CVEs, func(cve string) bool { return s.byID[sameID(cve)] != nil })
}

// split adds a finding to a list, in as many parts as there are reasons why some of its CVEs do not count.
func (s *Set) split(out []posture.Finding, f *posture.Finding, at Place, now time.Time, score func(*posture.Finding)) []posture.Finding {
	if !s.mentions(f) {
		return append(out, *f)
	}
	if len(f.CVEs) == 0 {
		return append(out, withReason(*f, s.best(f, f.ID, at, now)))
	}
	var reasons []*Risk
	parts := make(map[*Risk][]string)
	for _, cve := range f.CVEs {
		r := s.best(f, cve, at, now)
		if parts[r] == nil {
			reasons = append(reasons, r)
		}
		parts[r] = append(parts[r], cve)
	}
	if len(reasons) == 1 {
		return append(out, withReason(*f, reasons[0]))
	}
	for _, r := range reasons {
		part := withReason(*f, r)
		part.CVEs = parts[r]
		score(&part)
		out = append(out, part)
	}
	return out
}

func withReason(f posture.Finding, r *Risk) posture.Finding {
	if r != nil {
		a := r.acceptance()
		f.Accepted = &a
	}
	return f
}
