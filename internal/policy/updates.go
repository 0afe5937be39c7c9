package policy

import (
	"fmt"

	"muster/internal/posture"
)

var updatesArea = area{judge: judgeEach, checks: []definition{{
	id: "os_security_updates", category: posture.OperatingSystem, title: "No security updates of the system are waiting",
	fact:   "updates",
	params: []string{"max_age"},
	device: securityUpdates,
	remedy: advice{
		"":              "Install the updates of the operating system.",
		posture.Windows: "Open Settings, Windows Update, choose Check for updates, install them and restart.",
		posture.MacOS:   "Open System Settings, General, Software Update, and install what is offered.",
		posture.Linux:   "Install the updates with the package manager of the system, for example `sudo apt upgrade` or `sudo dnf upgrade`, and restart.",
		posture.IOS:     "Open Settings, General, Software Update, and install what is offered.",
		posture.Android: "Open Settings, System, System update, and install what is offered.",
	},
}}}

// securityUpdates judges the list of waiting updates. With a maximum age, an old or undated list tells nothing; that
// a security update was waiting stays true however old the list is.
func securityUpdates(s *subject, c *Check) finding {
	u := &s.report.Updates
	switch {
	case !u.Known:
		return finding{outcome: posture.Unknown,
			evidence: "The agent did not say which updates of the system are waiting; the policy asks that there is no security update."}
	case u.Security > 0:
		return finding{outcome: posture.Fail, evidence: fmt.Sprintf(
			"Reported as waiting: %s of the system; the policy asks that there is none.", counted(u.Security, "security update"))}
	case c.MaxAge <= 0:
		return passed
	}
	asked := fmt.Sprintf("the policy asks for a check for updates no older than %s", c.MaxAge.words())
	switch s.dated(u.Checked, c.MaxAge) {
	case undated:
		return finding{outcome: posture.Unknown,
			evidence: "The agent did not say when the system last checked for updates; " + asked + "."}
	case tooOld:
		return finding{outcome: posture.Stale,
			evidence: fmt.Sprintf("The system last checked for updates on %s; %s.", moment(u.Checked), asked)}
	case inFuture:
		return finding{outcome: posture.Errored,
			evidence: fmt.Sprintf("The last check for updates bears a date in the future, %s; %s.", moment(u.Checked), asked)}
	default:
		return passed
	}
}
