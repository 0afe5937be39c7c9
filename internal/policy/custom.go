package policy

import (
	"fmt"
	"strings"
	"unicode"

	"muster/internal/posture"
	"muster/internal/signature"
)

const (
	customCheckID = "custom_check"
	// maxTimeout bounds how long an agent may wait for a script.
	maxTimeout = signature.MaxTimeout
)

var customArea = area{judge: judgeEach, checks: []definition{{
	id: customCheckID, category: posture.CustomCheck, title: "A check of your own",
	params: []string{"title", "scripts", "max_age"}, named: true,
	device: customCheck,
	remedy: advice{"": "Ask your administrator: the check that did not pass is one of your organisation."},
}}}

// customCheck judges what the agent reported of a script that it ran. One that crashed or took too long is an error,
// which is no pass; that a script failed stays true however old the result is.
func customCheck(s *subject, c *Check) finding {
	f := finding{product: c.Name}
	asked := "the policy asks that it passes"
	r := latest(s.report.Custom, c.Name)
	if r == nil {
		f.outcome, f.evidence = posture.Unknown, fmt.Sprintf("The agent did not report the custom check %s; %s.", c.Name, asked)
		return f
	}
	switch r.Outcome {
	case posture.Pass:
		f.outcome = posture.Pass
		if c.MaxAge <= 0 {
			return f
		}
		if d := s.dated(r.At, c.MaxAge); d != recent {
			f = undatedOrOld(d, posture.Stale, r.At, "last run of the custom check "+c.Name, "for one no older than "+c.MaxAge.words())
			f.product = c.Name
		}
	case posture.Fail:
		f.outcome, f.evidence = posture.Fail, fmt.Sprintf("The custom check %s failed%s; %s.", c.Name, said(r.Output), asked)
	case posture.Errored:
		f.outcome, f.evidence = posture.Errored, fmt.Sprintf("The custom check %s could not be run to its end%s; %s.", c.Name, said(r.Output), asked)
	default:
		f.outcome, f.evidence = posture.Unknown, fmt.Sprintf("The custom check %s came to no answer%s; %s.", c.Name, said(r.Output), asked)
	}
	return f
}

// latest finds the last result of a custom check, the worst of those of one time.
func latest(results []posture.CustomResult, id string) *posture.CustomResult {
	var out *posture.CustomResult
	for i := range results {
		r := &results[i]
		if r.ID != id {
			continue
		}
		if out == nil || r.At.After(out.At) || r.At.Equal(out.At) && worseResult(r, out) {
			out = r
		}
	}
	return out
}

func worseResult(a, b *posture.CustomResult) bool {
	x, y := weightOf(finding{outcome: a.Outcome}), weightOf(finding{outcome: b.Outcome})
	return x > y || x == y && a.Output < b.Output
}

// maxOutput bounds what a script's output adds to a sentence.
const maxOutput = 300

// said quotes what a script said, on one line.
func said(output string) string {
	output = strings.Join(strings.FieldsFunc(output, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if output == "" {
		return ""
	}
	if r := []rune(output); len(r) > maxOutput {
		output = string(r[:maxOutput-1]) + "…"
	}
	return " and said: " + strings.TrimRight(output, ".")
}
