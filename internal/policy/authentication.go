package policy

import (
	"fmt"
	"time"

	"muster/internal/posture"
)

var authenticationArea = area{judge: judgeEach, checks: []definition{
	{
		id: "user_password", category: posture.UserAuthentication, title: "A password or passcode is set",
		fact: "user_password_set", moot: posture.Pass,
		device: userPassword,
		remedy: advice{
			"":              "Set a password for every user account of the machine.",
			posture.Windows: "Open Settings, Accounts, Sign-in options, and set a password.",
			posture.MacOS:   "Open System Settings, Users & Groups, and set a password for the account.",
			posture.Linux:   "Set a password with `passwd`.",
			posture.IOS:     "Open Settings, Face ID & Passcode (or Touch ID & Passcode), and turn the passcode on.",
			posture.Android: "Open Settings, Security, Screen lock, and choose a PIN, pattern or password.",
		},
	},
	{
		id: "screen_lock", category: posture.UserAuthentication, title: "The screen locks by itself",
		fact: "screen_lock", moot: posture.Pass,
		params: []string{"max_idle"},
		device: screenLock,
		remedy: advice{
			"":              "Let the screen lock by itself when the machine is not used.",
			posture.Windows: "Open Settings, Personalization, Lock screen, Screen saver; choose a short wait and tick On resume, display logon screen.",
			posture.MacOS:   "Open System Settings, Lock Screen, and require a password soon after the display turns off.",
			posture.Linux:   "Switch the automatic screen lock on in the settings of the desktop, under Privacy or Power.",
			posture.IOS:     "Open Settings, Display & Brightness, Auto-Lock, and choose a short time.",
			posture.Android: "Open Settings, Display, Screen timeout, and choose a short time.",
		},
	},
}}

func userPassword(s *subject, _ *Check) finding {
	return factFinding(s.report.UserPasswordSet, "a password or passcode", "set")
}

// screenLock judges whether the screen locks, and soon enough where the policy says how soon.
func screenLock(s *subject, c *Check) finding {
	f := factFinding(s.report.ScreenLock, "the automatic screen lock", "switched on")
	if f.outcome != posture.Pass || c.MaxIdle <= 0 {
		return f
	}
	after := Duration(s.report.ScreenLockAfter)
	asked := fmt.Sprintf("the policy asks that it does after at most %s", c.MaxIdle.words())
	switch {
	case after <= 0:
		return finding{outcome: posture.Unknown, evidence: "The agent did not say after what time the screen locks; " + asked + "."}
	case after > c.MaxIdle:
		return finding{outcome: posture.Fail, evidence: fmt.Sprintf(
			"The screen locks after %s; %s.", Duration(time.Duration(after).Round(time.Second)).words(), asked)}
	default:
		return passed
	}
}
