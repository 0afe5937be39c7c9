package store

import "muster/internal/posture"

// facetKind is what sort of thing a facet is: something that a live device has, and is found by. The numbers are stored.
type facetKind int64

const (
	facetCategory       facetKind = 1 // the device has an issue in the category
	facetProduct        facetKind = 2
	facetProductVersion facetKind = 3
	facetVulnerability  facetKind = 4
	facetPatch          facetKind = 5 // the device lacks it
	facetAccepted       facetKind = 6 // a vulnerability that does not count on the device; its id is that of facetVulnerability
)

// facetIDs is what ids stay below: a larger one would be that of another kind of thing.
const facetIDs = 1 << 48

// facetOf gives the number under which device_facets holds a thing. ids are below facetIDs.
func facetOf(kind facetKind, id int64) int64 { return int64(kind)<<48 | id }

// categoryNumbers are the ids of categories as facets. They are stored: only ever add to the end.
var categoryNumbers = map[posture.Category]int64{
	posture.Antimalware: 1, posture.Firewall: 2, posture.Encryption: 3, posture.OperatingSystem: 4,
	posture.PatchManagement: 5, posture.UserAuthentication: 6, posture.Vulnerabilities: 7, posture.Antiphishing: 8,
	posture.Backup: 9, posture.InstantMessenger: 10, posture.CloudStorage: 11, posture.PublicFileSharing: 12,
	posture.RemoteControl: 13, posture.RecordingWebMeeting: 14, posture.Toolbars: 15, posture.MediaPlayer: 16,
	posture.VPNClient: 17, posture.CleanerOptimizer: 18, posture.DeveloperTool: 19, posture.Uninstaller: 20,
	posture.UnclassifiedUnwanted: 21, posture.HardDrive: 22, posture.SystemSecurity: 23, posture.Browser: 24,
	posture.VirtualMachine: 25, posture.DataLossPrevention: 26,
	posture.Threats: 27, posture.RepeatedThreats: 28, posture.SuspiciousIPs: 29, posture.CustomCheck: 30,
}

// categoryNumber gives the id of a category as a facet; no device has an issue in one that has none.
func categoryNumber(c posture.Category) (int64, bool) {
	n, ok := categoryNumbers[c]
	return n, ok
}
