package device

import (
	"context"

	"muster/internal/posture"
)

// Rating is how bad one vulnerability is by all that feeds say of it.
type Rating struct {
	KEV    bool
	Scores [posture.NumScoreTypes]float64 // negative means not scored
	Levels posture.Levels                 // as the account ranks them
}

// rate gives vulnerabilities that share findings with others their own ratings. A finding of an advisory about several is
// as bad as the worst of them, and says nothing of the rest: one that is exploited does not make the others so. Where nothing
// is known of any CVE of an advisory, what that says itself stands for all.
func (s *Service) rate(ctx context.Context, account posture.AccountID, findings []posture.Finding, list []HeldVulnerability) error {
	shared := sharedIDs(findings)
	if s.catalogue == nil || len(shared) == 0 {
		return nil
	}
	ratings, err := s.catalogue.Rate(ctx, account, shared)
	if err != nil {
		return err
	}
	rated := ratedFindings(findings, ratings)
	for i := range list {
		v := &list[i]
		r, ok := ratings[v.ID]
		switch {
		case !rated[v.ID]:
		case ok:
			v.KEV, v.Scores, v.Levels = r.KEV, r.Scores, r.Levels
		default:
			v.KEV, v.Scores, v.Levels = false, [...]float64{-1, -1, -1}, posture.Levels{}
		}
	}
	return nil
}

// sharedIDs lists the vulnerabilities of findings that have several, each once.
func sharedIDs(findings []posture.Finding) []string {
	seen := make(map[string]bool)
	var out []string
	for i := range findings {
		if len(findings[i].CVEs) < 2 {
			continue
		}
		for _, cve := range findings[i].CVEs {
			if !seen[cve] {
				seen[cve] = true
				out = append(out, cve)
			}
		}
	}
	return out
}

// ratedFindings tells the vulnerabilities of shared findings apart whose ratings are known, or those of others beside them, and
// that no finding is about alone without a rating.
func ratedFindings(findings []posture.Finding, ratings map[string]Rating) map[string]bool {
	out := make(map[string]bool)
	for i := range findings {
		f := &findings[i]
		known := false
		for _, cve := range f.CVEs {
			_, ok := ratings[cve]
			known = known || ok
		}
		for _, cve := range f.CVEs {
			if known && len(f.CVEs) > 1 {
				out[cve] = true
			}
		}
	}
	for i := range findings {
		f := &findings[i]
		if len(f.CVEs) != 1 {
			continue
		}
		if _, ok := ratings[f.CVEs[0]]; !ok {
			delete(out, f.CVEs[0])
		}
	}
	return out
}
