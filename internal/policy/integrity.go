package policy

import "muster/internal/posture"

var integrityArea = area{judge: judgeEach, checks: []definition{{
	id: "device_genuine", category: posture.SystemSecurity, title: "The device is not rooted or jailbroken",
	device: func(s *subject, _ *Check) finding {
		return factFinding(s.report.Genuine, "the system software", "as its maker delivered it")
	},
	remedy: advice{
		"":              "Restore the original system software of the device.",
		posture.IOS:     "The device is jailbroken. Back it up, restore it with Finder or iTunes, and set it up anew.",
		posture.Android: "The device is rooted. Reinstall the original firmware of its maker, or ask your administrator for another device.",
	},
}}}
