package device

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

// rated is a catalogue that only rates.
type rated map[string]Rating

func (rated) Describe(context.Context, []string) (map[string]Description, error) { return nil, nil }

func (rated) Keys(*posture.OS, *posture.Application) []ProductKey { return nil }

func (r rated) Rate(_ context.Context, _ posture.AccountID, ids []string) (map[string]Rating, error) {
	out := make(map[string]Rating)
	for _, id := range ids {
		if one, ok := r[id]; ok {
			out[id] = one
		}
	}
	return out, nil
}

// TestSharedAdvisoryDoesNotMakeAllExploited: each CVE of an advisory is as bad as feeds say of it.
func TestSharedAdvisoryDoesNotMakeAllExploited(t *testing.T) {
	worst := [...]float64{98, -1, 9.8}
	mild := Rating{Scores: [...]float64{14, -1, 2}, Levels: posture.Levels{1, 0, 1}}
	s := &Service{catalogue: rated{"CVE-1": {KEV: true, Scores: worst, Levels: posture.Levels{4, 0, 4}}, "CVE-2": mild}}
	findings := []posture.Finding{
		{ID: "ALSA-1", CVEs: []string{"CVE-1", "CVE-2", "CVE-3"}, KEV: true, Scores: worst, Levels: posture.Levels{4, 0, 4}},
		{ID: "ALSA-2", CVEs: []string{"CVE-4", "CVE-5"}, Scores: mild.Scores, Levels: mild.Levels}, // nobody rates either
		{ID: "CVE-6", CVEs: []string{"CVE-6"}, Scores: worst, Levels: posture.Levels{4, 0, 4}},
	}
	list := heldVulnerabilities(findings)
	if err := s.rate(t.Context(), 1, findings, list); err != nil {
		t.Fatal(err)
	}
	none := [...]float64{-1, -1, -1}
	want := []HeldVulnerability{
		{ID: "CVE-1", KEV: true, Scores: worst, Levels: posture.Levels{4, 0, 4}}, {ID: "CVE-2", Scores: mild.Scores, Levels: mild.Levels},
		{ID: "CVE-3", Scores: none}, {ID: "CVE-4", Scores: mild.Scores, Levels: mild.Levels},
		{ID: "CVE-5", Scores: mild.Scores, Levels: mild.Levels}, {ID: "CVE-6", Scores: worst, Levels: posture.Levels{4, 0, 4}},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
}
