package policy

import (
	"fmt"
	"slices"

	"muster/internal/posture"
)

var encryptionArea = area{judge: judgeEach, checks: []definition{{
	id: "disk_encryption", category: posture.Encryption, title: "The system disk or device storage is encrypted",
	fact:   "encryption",
	params: []string{"volumes"},
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

// encryptionAsked says what the policy asks for.
func encryptionAsked(c *Check) string {
	is := " is encrypted"
	if len(c.Volumes) > 1 && !slices.Contains(c.Volumes, allVolumes) {
		is = " are encrypted"
	}
	return "the policy asks that " + volumeWords(c.Volumes) + is
}

// diskEncryption looks at the whole-device answer of phones and tablets, and at the volumes of everything else. A
// computer that names no volumes may give the whole-device answer too.
func diskEncryption(s *subject, c *Check) finding {
	volumes := volumesOf(s.products[posture.Encryption])
	if mobile(s.report) || len(volumes) == 0 && s.report.StorageEncrypted != posture.NotReported {
		return factFinding(s.report.StorageEncrypted, "the storage of the device", "encrypted")
	}
	if len(volumes) > 0 {
		return volumesEncrypted(volumes, c)
	}
	if s.report.Looked(posture.Encryption) {
		return finding{outcome: posture.Fail,
			evidence: "The agent looked for encrypted volumes and found none; " + encryptionAsked(c) + "."}
	}
	return finding{outcome: posture.Unknown,
		evidence: "The agent did not say whether the disk is encrypted; " + encryptionAsked(c) + "."}
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

// volumesEncrypted judges the volumes that the entry means. Where none is marked as that of the system any of them may
// be, so all must agree.
func volumesEncrypted(volumes []posture.Volume, c *Check) finding {
	marked := slices.ContainsFunc(volumes, func(v posture.Volume) bool { return v.System })
	sure := marked || len(c.Volumes) > 0 && !slices.Contains(c.Volumes, systemVolumes)
	var chosen []posture.Volume
	for _, v := range volumes {
		if meant(c.Volumes, v.Name, v.System, marked) {
			chosen = append(chosen, v)
		}
	}
	plain, silent := namesWith(chosen, posture.No), append(namesWith(chosen, posture.NotReported), c.missing(volumes)...)
	switch {
	case len(plain) == 0 && len(silent) == 0:
		return passed
	case len(plain) > 0 && (sure || len(plain) == len(chosen)):
		return finding{outcome: posture.Fail, product: plain[0],
			evidence: fmt.Sprintf("Reported as not encrypted: %s; %s.", list(plain), encryptionAsked(c))}
	case sure:
		return finding{outcome: posture.Unknown, product: silent[0],
			evidence: fmt.Sprintf("The agent did not say whether %s is encrypted; %s.", list(silent), encryptionAsked(c))}
	default:
		return finding{outcome: posture.Unknown, evidence: fmt.Sprintf(
			"The agent did not say which volume holds the system, and not all are known to be encrypted; %s.", encryptionAsked(c))}
	}
}

// missing lists the volumes that the entry names and the agent does not.
func (c *Check) missing(volumes []posture.Volume) []string {
	var out []string
	for _, name := range c.Volumes {
		if name != systemVolumes && name != allVolumes &&
			!slices.ContainsFunc(volumes, func(v posture.Volume) bool { return sameVolume(name, v.Name) }) {
			out = append(out, named(name))
		}
	}
	return out
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
