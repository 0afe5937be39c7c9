package policy

import (
	"fmt"
	"strings"

	"muster/internal/posture"
	"muster/internal/vuln/version"
)

var systemArea = area{judge: judgeEach, checks: []definition{
	{
		id: "os_version", category: posture.OperatingSystem, title: "The system is new enough",
		fact:   "os_version",
		params: []string{"min_version"}, needs: []string{"min_version"},
		device: func(s *subject, c *Check) finding {
			return versionFinding(version.OS, "the version of the system", s.report.OS.Version, c.MinVersion)
		},
		remedy: advice{
			"":              "Update the operating system, or ask your administrator for a newer one.",
			posture.Windows: "Open Settings, Windows Update, and install what is offered; ask your administrator if nothing is.",
			posture.MacOS:   "Open System Settings, General, Software Update, and install what is offered.",
		},
	},
	{
		id: "reboot_recent", category: posture.OperatingSystem, title: "The system was started not long ago",
		fact:   "last_reboot",
		params: []string{"max_age"}, needs: []string{"max_age"},
		device: func(s *subject, c *Check) finding {
			if d := s.dated(s.report.Reboot, c.MaxAge); d != recent {
				return undatedOrOld(d, posture.Fail, s.report.Reboot, "last start of the system", "for one no older than "+c.MaxAge.words())
			}
			return passed
		},
		remedy: advice{"": "Restart the machine: some updates take effect only then."},
	},
	{
		id: "domain_member", category: posture.UserAuthentication, title: "The machine is a member of the directory domain",
		fact: "domain", moot: posture.Fail,
		params: []string{"domains"},
		device: domainMember,
		remedy: advice{"": "Ask your administrator to join the machine to the domain of your organisation."},
	},
	{
		id: "agent_version", category: posture.SystemSecurity, title: "The agent is new enough",
		params: []string{"min_version"}, needs: []string{"min_version"},
		device: func(s *subject, c *Check) finding {
			return versionFinding(version.Application, "the version of the agent", s.report.AgentVersion, c.MinVersion)
		},
		remedy: advice{"": "Update the agent that reports the state of this machine."},
	},
}}

// versionFinding judges a version.
func versionFinding(ecosystem, what, has, minimum string) finding {
	asked := "the policy asks for at least " + minimum
	if has == "" {
		return finding{outcome: posture.Unknown, evidence: fmt.Sprintf("The agent did not give %s; %s.", what, asked)}
	}
	n, err := version.Compare(ecosystem, has, minimum)
	switch {
	case err != nil:
		return finding{outcome: posture.Errored, evidence: fmt.Sprintf(
			"What the agent gave as %s cannot be compared: %s; %s.", what, named(has), asked)}
	case n < 0:
		return finding{outcome: posture.Fail, evidence: fmt.Sprintf("Reported as %s: %s; %s.", what, named(has), asked)}
	default:
		return passed
	}
}

// domainMember judges the domain. Agents report none for a machine that is in none, so silence is not knowing.
func domainMember(s *subject, c *Check) finding {
	asked := "the policy asks for membership in a directory domain"
	if len(c.Domains) > 0 {
		asked = "the policy asks for membership in " + joinOr(c.Domains)
	}
	switch d := s.report.Domain; {
	case d == "":
		return finding{outcome: posture.Unknown, evidence: "The agent did not name a domain; " + asked + "."}
	case len(c.Domains) > 0 && !containsFold(c.Domains, d):
		return finding{outcome: posture.Fail, evidence: "The machine is a member of " + named(d) + "; " + asked + "."}
	default:
		return passed
	}
}

// joinOr writes alternatives as "A or B".
func joinOr(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		return strings.Join(names[:maxListed], " or ") + fmt.Sprintf(" or one of %d others", more)
	}
	return strings.Join(names, " or ")
}
