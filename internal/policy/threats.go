package policy

import (
	"cmp"
	"fmt"
	"slices"

	"muster/internal/posture"
)

var threatsArea = area{judge: judgeEach, checks: []definition{
	{
		id: "threats", category: posture.Threats, title: "No malware was found",
		fact:   "threats",
		params: []string{"within", "max_age"},
		device: threatsFound,
		remedy: advice{"": "Let the anti-malware program remove what it found, and search the whole disk again."},
	},
	{
		id: "repeated_threats", category: posture.RepeatedThreats, title: "No malware comes back",
		fact:   "threats",
		params: []string{"min_repeats", "within"},
		device: threatsRepeated,
		remedy: advice{"": "Malware came back after it was removed. Ask your administrator to look for its source, or to set the machine up anew."},
	},
	{
		id: "suspicious_addresses", category: posture.SuspiciousIPs, title: "No suspicious address was contacted",
		params: []string{"within"},
		device: suspiciousAddresses,
		remedy: advice{"": "A program contacted an address with a bad name. Disconnect the machine and ask your administrator."},
	},
}}

// threatsFound judges what scans found. What is still there counts however old it is, and what may be there is.
func threatsFound(s *subject, c *Check) finding {
	asked := "the policy asks that there is no malware"
	if c.Within > 0 {
		asked += ", and that none was found in the last " + c.Within.words()
	}
	names := s.threats(func(t *posture.Threat) bool {
		return t.Source != posture.ThreatAddress && (t.Existing != posture.No || c.Within > 0 && s.within(t.Found, c.Within))
	})
	if len(names) > 0 {
		return foundThreats("Found: ", names, asked)
	}
	if !s.lookedForThreats() {
		return finding{outcome: posture.Unknown, evidence: "The agent did not say what scans for malware found; " + asked + "."}
	}
	if c.MaxAge <= 0 {
		return passed
	}
	if d := s.dated(s.report.ThreatsScanned, c.MaxAge); d != recent {
		return undatedOrOld(d, posture.Stale, s.report.ThreatsScanned, "last scan for malware", "for one no older than "+c.MaxAge.words())
	}
	return passed
}

// threatsRepeated judges how often threats were found.
func threatsRepeated(s *subject, c *Check) finding {
	repeats := cmp.Or(c.MinRepeats, 2)
	asked := fmt.Sprintf("the policy asks that no malware is found %d times or more", repeats)
	if c.Within > 0 {
		asked += ", the last time in the last " + c.Within.words()
	}
	names := s.threats(func(t *posture.Threat) bool {
		return t.Source != posture.ThreatAddress && t.Repeat >= repeats && s.within(t.Found, c.Within)
	})
	switch {
	case len(names) > 0:
		return foundThreats("Found repeatedly: ", names, asked)
	case !s.lookedForThreats() && !s.report.Looked(posture.RepeatedThreats):
		return finding{outcome: posture.Unknown, evidence: "The agent did not say what scans for malware found; " + asked + "."}
	default:
		return passed
	}
}

// suspiciousAddresses judges the connections of the machine.
func suspiciousAddresses(s *subject, c *Check) finding {
	asked := "the policy asks that no suspicious address is contacted"
	if c.Within > 0 {
		asked += " in the last " + c.Within.words()
	}
	reported := false
	names := s.threats(func(t *posture.Threat) bool {
		reported = reported || t.Source == posture.ThreatAddress
		return t.Source == posture.ThreatAddress && s.within(t.Found, c.Within)
	})
	switch {
	case len(names) > 0:
		return foundThreats("Contacted: ", names, asked)
	case !reported && !s.report.Looked(posture.SuspiciousIPs):
		return finding{outcome: posture.Unknown, evidence: "The agent did not look for suspicious addresses; " + asked + "."}
	default:
		return passed
	}
}

// threats lists those that count, by name.
func (s *subject) threats(counts func(*posture.Threat) bool) []string {
	var names []string
	for i := range s.report.Threats {
		t := &s.report.Threats[i]
		if !counts(t) {
			continue
		}
		name := cmp.Or(t.Name, t.File, t.Hash)
		if t.Source == posture.ThreatAddress {
			name = cmp.Or(t.File, t.Name)
		}
		names = append(names, named(name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func foundThreats(what string, names []string, asked string) finding {
	return finding{outcome: posture.Fail, product: names[0], evidence: what + list(names) + "; " + asked + "."}
}

// lookedForThreats reports whether the agent tells of scans at all.
func (s *subject) lookedForThreats() bool {
	return !s.report.ThreatsScanned.IsZero() || s.report.Looked(posture.Threats)
}
