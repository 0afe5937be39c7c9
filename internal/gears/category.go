package gears

import "muster/internal/posture"

// categories maps both vocabularies of the reference (the newer one of the device list, and the older one of its
// filter, misspellings included) and a few plain words to the categories that Muster knows. Names stand without
// hyphens, underscores and blanks.
var categories = map[string]posture.Category{
	"antimalware": posture.Antimalware, "antivirus": posture.Antimalware, "antispyware": posture.Antimalware,
	"firewall":   posture.Firewall,
	"encryption": posture.Encryption, "harddiskencryption": posture.Encryption, "diskencryption": posture.Encryption,
	"operatingsystem": posture.OperatingSystem, "osupdate": posture.OperatingSystem, "system": posture.OperatingSystem,
	"patchmanagement": posture.PatchManagement, "patchmanagementagent": posture.PatchManagement,
	"patchmangementagent": posture.PatchManagement,
	"userauthentication":  posture.UserAuthentication,
	"vulnerabilities":     posture.Vulnerabilities,
	"antiphishing":        posture.Antiphishing,
	"backup":              posture.Backup, "backupclient": posture.Backup,
	"instantmessenger": posture.InstantMessenger, "instantmessegener": posture.InstantMessenger,
	"cloudstorage":        posture.CloudStorage,
	"publicfilesharing":   posture.PublicFileSharing,
	"remotecontrol":       posture.RemoteControl,
	"recordingwebmeeting": posture.RecordingWebMeeting,
	"toolbars":            posture.Toolbars, "toolbar": posture.Toolbars,
	"mediaplayer": posture.MediaPlayer,
	"vpnclient":   posture.VPNClient, "vpn": posture.VPNClient,
	"cleaneroptimizer": posture.CleanerOptimizer,
	"developertool":    posture.DeveloperTool,
	"uninstaller":      posture.Uninstaller,
	"unclassifiedpua":  posture.UnclassifiedUnwanted,
	"harddrive":        posture.HardDrive,
	"systemsecurity":   posture.SystemSecurity,
	"browser":          posture.Browser, "webbrowser": posture.Browser,
	"virtualmachine":     posture.VirtualMachine,
	"datalossprevention": posture.DataLossPrevention, "dlp": posture.DataLossPrevention,
	"threats": posture.Threats, "threatantivirus": posture.Threats, "threatmetascan": posture.Threats,
	"repeatedthreats": posture.RepeatedThreats,
	"suspiciousips":   posture.SuspiciousIPs, "threatip": posture.SuspiciousIPs,
	"customcheck": posture.CustomCheck,
}

// category reads the name of a category; "" for one that Muster does not know, so that its products are kept as
// ordinary software.
func category(name string) posture.Category {
	if name == "" || len(name) > 40 {
		return ""
	}
	var squeezed [40]byte
	n := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '_' || c == ' ':
		case 'A' <= c && c <= 'Z':
			squeezed[n] = c + 'a' - 'A'
			n++
		default:
			squeezed[n] = c
			n++
		}
	}
	return categories[string(squeezed[:n])]
}
