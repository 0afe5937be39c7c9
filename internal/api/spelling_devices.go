package api

import (
	"cmp"

	"muster/internal/posture"
)

// The words of the calls that list, find and describe devices.

// listStatuses are those of lists of devices, v3 to v3.7. They have no word for a device in grace: pending is the one that
// says that nothing has been decided for good, and neither lets such a device in as compliant nor locks it out.
var listStatuses = []spelling[posture.Status]{
	{word: "compliant", means: posture.StatusCompliant},
	{word: "non_compliant", means: posture.StatusNonCompliant},
	{word: "exempted", means: posture.StatusExempted},
	{word: "out_of_license_usage", means: posture.StatusOutOfLicence},
	{word: "unknown", means: posture.StatusUnknown},
	{word: "ignored", means: posture.StatusIgnored},
	{word: "installed", means: posture.StatusInstalled},
	{word: "pending", means: posture.StatusPending},
	{word: "pending", means: posture.StatusInGrace},
	{word: "quarantined", means: posture.StatusQuarantined},
}

// detailStatuses are those of device details and device information, v3 to v3.8.
var detailStatuses = []spelling[posture.Status]{
	{word: "compliant", means: posture.StatusCompliant},
	{word: "non-compliant", means: posture.StatusNonCompliant},
	{word: "exempted", means: posture.StatusExempted},
	{word: "out_of_license_usage", means: posture.StatusOutOfLicence},
	{word: "unknown", means: posture.StatusUnknown},
	{word: "ignored", means: posture.StatusIgnored},
	{word: "installed", means: posture.StatusInstalled},
	{word: "pending", means: posture.StatusPending},
	{word: "pending", means: posture.StatusInGrace},
	{word: "quarantined", means: posture.StatusQuarantined},
}

// The statuses of the v2 calls that describe devices.
const (
	v2Compliant    = 0
	v2NonCompliant = 1
	v2Incomplete   = 3 // no verdict, or none that is final
)

// numberStatuses are those of lists and details v2 to v2.5, which have numbers.
var numberStatuses = [posture.NumStatuses]int{
	posture.StatusUnknown:      v2Incomplete,
	posture.StatusInstalled:    v2Incomplete,
	posture.StatusPending:      v2Incomplete,
	posture.StatusCompliant:    v2Compliant,
	posture.StatusNonCompliant: v2NonCompliant,
	posture.StatusInGrace:      v2Incomplete,
	posture.StatusExempted:     v2Compliant,
	posture.StatusQuarantined:  v2NonCompliant,
	posture.StatusOutOfLicence: v2Incomplete,
	posture.StatusIgnored:      v2Incomplete,
}

// listSeverities are those of lists of devices, v3 to v3.7.
var listSeverities = []spelling[posture.IssueSeverity]{
	{word: "critical", means: posture.Critical},
	{word: "warning", means: posture.Warning},
	{word: "no_issues", means: posture.NoIssue},
}

// detailSeverities are those of device details and device information, v3 to v3.8: the words of account details.
var detailSeverities = accountSeverities

// deviceTypes are those of all calls.
var deviceTypes = []spelling[posture.DeviceType]{
	{word: "desktop", means: posture.Desktop},
	{word: "laptop", means: posture.Laptop},
	{word: "phone", means: posture.Phone},
	{word: "tablet", means: posture.Tablet},
	{word: "server", means: posture.Server},
	{word: "vm", means: posture.VM},
}

// filterSystems are the operating systems of filters.
var filterSystems = []spelling[posture.OSFamily]{
	{word: "windows", means: posture.Windows},
	{word: "mac", means: posture.MacOS},
	{word: "linux", means: posture.Linux},
	{word: "ios", means: posture.IOS},
	{word: "android", means: posture.Android},
}

// shownSystems are the same as os_info.family shows them. But for the letter case they are the words of filters.
var shownSystems = []spelling[posture.OSFamily]{
	{word: "Windows", means: posture.Windows},
	{word: "Mac", means: posture.MacOS},
	{word: "Linux", means: posture.Linux},
	{word: "iOS", means: posture.IOS},
	{word: "Android", means: posture.Android},
}

// listCategories are those of the filter of lists of devices and of device details, v3 to v3.8. What system means besides
// the updates, which have a word of their own, the reference does not say: it finds either.
var listCategories = []spelling[posture.Category]{
	{word: "antiphishing", means: posture.Antiphishing},
	{word: "anti_phishing", means: posture.Antiphishing, slip: true},
	{word: "antivirus", means: posture.Antimalware},
	{word: "anti_malware", means: posture.Antimalware, slip: true},
	{word: "backupclient", means: posture.Backup},
	{word: "backup", means: posture.Backup, slip: true},
	{word: "hard_disk_encryption", means: posture.Encryption},
	{word: "encryption", means: posture.Encryption, slip: true},
	{word: "firewall", means: posture.Firewall},
	{word: "patch_management", means: posture.PatchManagement},
	{word: "patch_mangement_agent", means: posture.PatchManagement, slip: true},
	{word: "patch_management_agent", means: posture.PatchManagement, slip: true},
	{word: "instant_messegener", means: posture.InstantMessenger},
	{word: "instant_messenger", means: posture.InstantMessenger, slip: true},
	{word: "cleaner_optimizer", means: posture.CleanerOptimizer},
	{word: "developer_tool", means: posture.DeveloperTool},
	{word: "cloud_storage", means: posture.CloudStorage},
	{word: "publicfilesharing", means: posture.PublicFileSharing},
	{word: "public_file_sharing", means: posture.PublicFileSharing, slip: true},
	{word: "remote_control", means: posture.RemoteControl},
	{word: "recording_web_meeting", means: posture.RecordingWebMeeting},
	{word: "uninstaller", means: posture.Uninstaller},
	{word: "toolbars", means: posture.Toolbars},
	{word: "media_player", means: posture.MediaPlayer},
	{word: "vpn_client", means: posture.VPNClient},
	{word: "unclassified_pua", means: posture.UnclassifiedUnwanted},
	{word: "osupdate", means: posture.OperatingSystem},
	{word: "system", means: posture.UserAuthentication},
	{word: "system", means: posture.OperatingSystem, slip: true},
	{word: "user_authentication", means: posture.UserAuthentication, slip: true},
	{word: "hard_drive", means: posture.HardDrive},
	{word: "operating_system", means: posture.OperatingSystem, slip: true},
	{word: "systemsecurity", means: posture.SystemSecurity},
	{word: "system_security", means: posture.SystemSecurity, slip: true},
	{word: "threat_antivirus", means: posture.Threats},
	{word: "threat_metascan", means: posture.Threats},
	{word: "threat_ip", means: posture.SuspiciousIPs},
}

// informationCategories are those of device information.
var informationCategories = []spelling[posture.Category]{
	{word: "vulnerabilities", means: posture.Vulnerabilities},
	{word: "patch_management", means: posture.PatchManagement},
	{word: "anti-malware", means: posture.Antimalware},
	{word: "encryption", means: posture.Encryption},
	{word: "user_authentication", means: posture.UserAuthentication},
	{word: "anti-phishing", means: posture.Antiphishing},
	{word: "backup", means: posture.Backup},
	{word: "firewall", means: posture.Firewall},
	{word: "hard_drive", means: posture.HardDrive},
	{word: "operating_system", means: posture.OperatingSystem},
	{word: "threats", means: posture.Threats},
	{word: "repeated_threats", means: posture.RepeatedThreats},
	{word: "suspicious_ips", means: posture.SuspiciousIPs},
	{word: "custom_check", means: posture.CustomCheck},
	{word: "instant_messenger", means: posture.InstantMessenger},
	{word: "cleaner_optimizer", means: posture.CleanerOptimizer},
	{word: "developer_tool", means: posture.DeveloperTool},
	{word: "cloud_storage", means: posture.CloudStorage},
	{word: "public_file_sharing", means: posture.PublicFileSharing},
	{word: "remote_control", means: posture.RemoteControl},
	{word: "recording_web_meeting", means: posture.RecordingWebMeeting},
	{word: "uninstaller", means: posture.Uninstaller},
	{word: "toolbars", means: posture.Toolbars},
	{word: "media_player", means: posture.MediaPlayer},
	{word: "vpn_client", means: posture.VPNClient},
	{word: "unclassified_pua", means: posture.UnclassifiedUnwanted},
	{word: "system_security", means: posture.SystemSecurity},
}

// categoryLabels are the names of categories, wherever one is shown. The first ten are the headings of device details v2.
var categoryLabels = []spelling[posture.Category]{
	{word: "Antivirus", means: posture.Antimalware},
	{word: "Firewall", means: posture.Firewall},
	{word: "Encryption", means: posture.Encryption},
	{word: "Operating System", means: posture.OperatingSystem},
	{word: "3rd Party Patch Mgmt.", means: posture.PatchManagement},
	{word: "User Authentication", means: posture.UserAuthentication},
	{word: "Antiphishing", means: posture.Antiphishing},
	{word: "Backup", means: posture.Backup},
	{word: "Hard Drive", means: posture.HardDrive},
	{word: "Public File Sharing", means: posture.PublicFileSharing},
	{word: "Vulnerabilities", means: posture.Vulnerabilities},
	{word: "Instant Messenger", means: posture.InstantMessenger},
	{word: "Cloud Storage", means: posture.CloudStorage},
	{word: "Remote Control", means: posture.RemoteControl},
	{word: "Web Meeting Recording", means: posture.RecordingWebMeeting},
	{word: "Toolbars", means: posture.Toolbars},
	{word: "Media Player", means: posture.MediaPlayer},
	{word: "VPN Client", means: posture.VPNClient},
	{word: "Cleaner and Optimizer", means: posture.CleanerOptimizer},
	{word: "Developer Tool", means: posture.DeveloperTool},
	{word: "Uninstaller", means: posture.Uninstaller},
	{word: "Unclassified PUA", means: posture.UnclassifiedUnwanted},
	{word: "System Security", means: posture.SystemSecurity},
	{word: "Browser", means: posture.Browser},
	{word: "Virtual Machine", means: posture.VirtualMachine},
	{word: "Data Loss Prevention", means: posture.DataLossPrevention},
}

// labelledCategories are the headings of device details v2 to v2.5, in the order of its answer. Everything else is under
// otherLabel from v2.3 on.
var labelledCategories = categoryLabels[:10]

const otherLabel = "Other"

// categoryLabel gives what a category is called; one without a name of its own is Other.
func categoryLabel(c posture.Category) string { return cmp.Or(wordFor(categoryLabels, c), otherLabel) }

// wordFor gives the word that a table writes, "" where it has none.
func wordFor[T comparable](table []spelling[T], means T) string {
	for i := range table {
		if table[i].means == means && !table[i].slip {
			return table[i].word
		}
	}
	return ""
}
