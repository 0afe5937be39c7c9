package policy

import (
	"fmt"
	"slices"

	"muster/internal/posture"
)

var encryptionArea = area{judge: judgeEach, checks: []definition{{
	id: "disk_encryption", category: posture.Encryption, title: "The system disk or device storage is encrypted",
	device: diskEncryption,
	remedy: advice{
		"":              "Encrypt the disk; ask your administrator if you do not know how.",
		posture.Windows: "Open Settings, Privacy & security, Device encryption (or BitLocker in the Control Panel), and switch it on for the system drive.",
		posture.MacOS:   "Open System Settings, Privacy & Security, FileVault, and switch it on.",
		posture.Linux:   "The system disk must be encrypted with LUKS, which is chosen when the system is installed; ask your administrator.",
		posture.IOS:     "Set a passcode: it switches the encryption of the device on.",
		posture.Android: "Open Settings, Security, Encryption, and encrypt the device.",
	},
}}}

const encryptionAsked = "the policy asks that every volume that holds the system is encrypted"

// diskEncryption looks at the whole-device answer of phones and tablets, and at the volumes of everything else. A
// computer that names no volumes may give the whole-device answer too.
func diskEncryption(s *subject, _ *Check) finding {
	volumes := volumesOf(s.products[posture.Encryption])
	if mobile(s.report) || len(volumes) == 0 && s.report.StorageEncrypted != posture.NotReported {
		return factFinding(s.report.StorageEncrypted, "the storage of the device", "encrypted")
	}
	if len(volumes) > 0 {
		return volumesEncrypted(volumes)
	}
	if s.report.Looked(posture.Encryption) {
		return finding{outcome: posture.Fail,
			evidence: "The agent looked for encrypted volumes and found none; " + encryptionAsked + "."}
	}
	return finding{outcome: posture.Unknown,
		evidence: "The agent did not say whether the disk is encrypted; " + encryptionAsked + "."}
}

// mobile reports whether the machine has storage rather than volumes.
func mobile(r *posture.Report) bool {
	if r.DeviceType == posture.Phone || r.DeviceType == posture.Tablet {
		return true
	}
	return !knownType(r.DeviceType) && (r.OS.Family == posture.IOS || r.OS.Family == posture.Android)
}

// volumesOf merges what all encryption products say, by the name of the volume: one that any product encrypts is
// encrypted. They come in the order of their names.
func volumesOf(products []*posture.Application) []posture.Volume {
	merged := make(map[string]posture.Volume)
	for _, app := range products {
		for _, v := range app.Volumes {
			m := merged[v.Name]
			merged[v.Name] = posture.Volume{Name: v.Name, System: m.System || v.System, Encrypted: max(m.Encrypted, v.Encrypted)}
		}
	}
	out := make([]posture.Volume, 0, len(merged))
	for _, v := range merged {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b posture.Volume) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// volumesEncrypted judges the system volumes. Where none is marked as such any of them may be, so all must agree.
func volumesEncrypted(volumes []posture.Volume) finding {
	system := slices.DeleteFunc(slices.Clone(volumes), func(v posture.Volume) bool { return !v.System })
	marked := len(system) > 0
	if !marked {
		system = volumes
	}
	plain, silent := namesWith(system, posture.No), namesWith(system, posture.NotReported)
	switch {
	case len(plain) == 0 && len(silent) == 0:
		return passed
	case len(plain) > 0 && (marked || len(plain) == len(system)):
		return finding{outcome: posture.Fail, product: plain[0],
			evidence: fmt.Sprintf("Reported as not encrypted: %s; %s.", list(plain), encryptionAsked)}
	case marked:
		return finding{outcome: posture.Unknown, product: silent[0],
			evidence: fmt.Sprintf("The agent did not say whether %s is encrypted; %s.", list(silent), encryptionAsked)}
	default:
		return finding{outcome: posture.Unknown, evidence: fmt.Sprintf(
			"The agent did not say which volume holds the system, and not all are known to be encrypted; %s.", encryptionAsked)}
	}
}

// namesWith lists the volumes with the given answer.
func namesWith(volumes []posture.Volume, f posture.Fact) []string {
	var out []string
	for _, v := range volumes {
		if v.Encrypted == f {
			out = append(out, named(v.Name))
		}
	}
	return out
}
