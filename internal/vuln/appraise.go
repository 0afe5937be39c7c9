package vuln

import (
	"slices"

	"muster/internal/posture"
)

// CVEsOf lists the CVEs of hits, each once and in order.
func CVEsOf(hits []Hit) []string {
	var out []string
	for i := range hits {
		out = append(out, hits[i].CVEs()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Lookup is a key, and whether the versions that are compared under it may be others than those installed.
type Lookup struct {
	Key
	OtherVersion bool
}

// MayHave lists what a version of a product may have on some machine that looks it up by one of the keys: CVE ids, or those
// of entries that are about none. It knows less than Match does, such as the streams of modules, and so names what Match
// finds, and maybe more.
func MayHave(lookups []Lookup, vendor, installed string, known func(Key) *Group) []string {
	var out []string
	words := vendorWords(vendor)
	for _, k := range lookups {
		g := known(k.Key)
		if g == nil {
			continue
		}
		r := read(k.Space, g.withEpoch(k.Space, ownVersion(baseOf(k.Space), installed)))
		for _, list := range [][]*target{g.sorted, g.rest} {
			for _, t := range list {
				in, _ := t.affects(r)
				if !in && !k.OtherVersion || len(words) > 0 && k.ByVendor && !t.by(words) {
					continue
				}
				if len(t.CVEs) == 0 {
					out = append(out, t.ID)
				}
				out = append(out, t.CVEs...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Rescore gives a finding the scores of the CVEs that it has, where something is known of them.
func Rescore(f *posture.Finding, facts func(cve string) Facts, t Thresholds) {
	all := NoFacts
	for _, cve := range f.CVEs {
		all = all.Worst(facts(cve))
	}
	if all.base() == NotScored {
		return
	}
	f.KEV, f.Scores, f.EPSS = all.KEV, all.scores(), nil
	f.Levels = t.Levels(f.Scores)
	if all.EPSS >= 0 {
		f.EPSS = &all.EPSS
	}
}

// Scored gives the scores of a vulnerability and the levels they come to. ok: it has any, or is known to be exploited.
func (f Facts) Scored(t Thresholds) (scores [posture.NumScoreTypes]float64, levels posture.Levels, ok bool) {
	scores = f.scores()
	return scores, t.Levels(scores), f.KEV || f.base() != NotScored
}
