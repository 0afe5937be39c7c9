package policy

import "muster/internal/posture"

// Default is the policy of a new account. docs/policy.md describes it; a test compares the two.
func Default() *Policy {
	return &Policy{
		Name:        "Default policy",
		Description: "What Muster asks of every device until somebody says otherwise.",
		Checks:      defaultChecks(),
		Rules: []Rule{
			{Name: "Critical issue", MinCritical: 1, Status: NonCompliant},
			{Name: "Three or more warnings", MinWarnings: 3, Status: NonCompliant},
			{Name: "Default", Status: Compliant},
		},
	}
}

func defaultChecks() []Check {
	winMac := []posture.OSFamily{posture.Windows, posture.MacOS}
	computerOS := []posture.OSFamily{posture.Windows, posture.MacOS, posture.Linux}
	computers := []posture.DeviceType{posture.Desktop, posture.Laptop, posture.Server, posture.VM}
	personal := []posture.DeviceType{posture.Desktop, posture.Laptop}
	mobiles := []posture.DeviceType{posture.Phone, posture.Tablet}
	portable := []posture.DeviceType{posture.Laptop, posture.Phone, posture.Tablet}
	desktops := []posture.DeviceType{posture.Desktop}

	checks := []Check{
		{ID: "antimalware_installed", Severity: Critical, OS: winMac, DeviceTypes: computers},
		{ID: "antimalware_running", Severity: Critical, OS: winMac, DeviceTypes: computers},
		{ID: "antimalware_real_time", Severity: Critical, OS: winMac, DeviceTypes: computers},
		{ID: "antimalware_definitions", Severity: Critical, OS: winMac, DeviceTypes: computers, MaxAge: defaultDefinitionsAge},
		{ID: "firewall_installed", Severity: Warning, OS: computerOS, DeviceTypes: computers},
		{ID: "firewall_running", Severity: Warning, OS: computerOS, DeviceTypes: computers},
		{ID: "firewall_enabled", Severity: Warning, OS: computerOS, DeviceTypes: computers},
		{ID: "disk_encryption", Severity: Critical, DeviceTypes: portable},
		{ID: "disk_encryption", Severity: Warning, DeviceTypes: desktops},
		{ID: "os_security_updates", Severity: Warning, OS: computerOS, DeviceTypes: computers},
		{ID: "user_password", Severity: Critical, DeviceTypes: portable},
		{ID: "user_password", Severity: Warning, DeviceTypes: desktops},
		{ID: "screen_lock", Severity: Warning, OS: computerOS, DeviceTypes: personal},
		{ID: "device_genuine", Severity: Critical, DeviceTypes: mobiles},
	}
	for _, c := range []posture.Category{
		posture.PublicFileSharing, posture.RemoteControl, posture.Toolbars, posture.UnclassifiedUnwanted,
	} {
		// Few agents look for such programs: asking for an answer would put a warning on every machine of the others.
		checks = append(checks, Check{
			ID: unwantedID(c), Severity: Warning, OS: computerOS, DeviceTypes: personal, OnUnknown: LetPass})
	}
	return checks
}
