package policy

import (
	"fmt"
	"slices"
	"strings"

	"muster/internal/posture"
)

var disksArea = area{judge: judgeEach, checks: []definition{{
	id: "disk_space", category: posture.HardDrive, title: "Enough space is free",
	fact: "disks", moot: posture.Pass,
	params: []string{"min_free", "min_free_percent", "volumes"}, needs: []string{"min_free", "min_free_percent"}, named: true,
	device: diskSpace,
	remedy: advice{
		"":              "Free space on the disk: empty the bin, and remove what is not needed.",
		posture.Windows: "Open Settings, System, Storage, and remove what is not needed.",
		posture.MacOS:   "Open System Settings, General, Storage, and remove what is not needed.",
	},
}}}

// The words for volumes that are not names.
const (
	systemVolumes = "system"
	allVolumes    = "all"
)

// diskSpace looks at each disk that the entry names. Where an agent marks none as that of the system, any may be.
func diskSpace(s *subject, c *Check) finding {
	asked := "the policy asks for " + c.freeWords() + " on " + volumeWords(c.Volumes)
	chosen, missing := chosenDisks(s.report.Disks, c.Volumes)
	if len(chosen) == 0 && len(missing) == 0 {
		return finding{outcome: posture.Unknown, evidence: "The agent did not say how much of the disks is free; " + asked + "."}
	}
	var full, names []string
	for i := range chosen {
		d := &chosen[i]
		switch {
		case d.Total <= 0:
			missing = append(missing, named(d.Name))
		case c.tooFull(d):
			names = append(names, named(d.Name))
			full = append(full, fmt.Sprintf("%s has %s of %s free", named(d.Name), Size(d.Free).roughly(), Size(d.Total).roughly()))
		}
	}
	switch {
	case len(full) > 0:
		return finding{outcome: posture.Fail, product: names[0], evidence: list(full) + "; " + asked + "."}
	case len(missing) > 0:
		return finding{outcome: posture.Unknown, product: missing[0], evidence: fmt.Sprintf(
			"The agent did not say how much of %s is free; %s.", list(missing), asked)}
	default:
		return passed
	}
}

// tooFull reports whether less is free than the entry asks for: by bytes, or by percent.
func (c *Check) tooFull(d *posture.Disk) bool {
	return Size(d.Free) < c.MinFree || float64(d.Free)*100 < float64(d.Total)*float64(c.MinFreePercent)
}

func (c *Check) freeWords() string {
	var and []string
	if c.MinFree > 0 {
		and = append(and, "at least "+c.MinFree.String()+" free")
	}
	if c.MinFreePercent > 0 {
		and = append(and, fmt.Sprintf("at least %d %% free", c.MinFreePercent))
	}
	return strings.Join(and, " and ")
}

// volumeWords says which volumes an entry means.
func volumeWords(volumes []string) string {
	switch {
	case len(volumes) == 0 || slices.Equal(volumes, []string{systemVolumes}):
		return "every volume that holds the system"
	case slices.Contains(volumes, allVolumes):
		return "every volume"
	}
	words := make([]string, len(volumes))
	for i, v := range volumes {
		words[i] = v
		if v == systemVolumes {
			words[i] = "every volume that holds the system"
		}
	}
	return list(words)
}

// chosenDisks lists the disks that an entry means, in the order of their names, and the names of those that the agent
// did not report.
func chosenDisks(disks []posture.Disk, volumes []string) (chosen []posture.Disk, missing []string) {
	for i := range disks {
		if meant(volumes, disks[i].Name, disks[i].System, anySystem(disks)) {
			chosen = append(chosen, disks[i])
		}
	}
	slices.SortFunc(chosen, func(a, b posture.Disk) int { return strings.Compare(a.Name, b.Name) })
	for _, v := range volumes {
		if v != systemVolumes && v != allVolumes && !slices.ContainsFunc(disks, func(d posture.Disk) bool { return sameVolume(v, d.Name) }) {
			missing = append(missing, named(v))
		}
	}
	return chosen, missing
}

func anySystem(disks []posture.Disk) bool {
	return slices.ContainsFunc(disks, func(d posture.Disk) bool { return d.System })
}

// meant reports whether an entry's list of volumes means a volume. Where none is marked as that of the system, each may be.
func meant(volumes []string, name string, system, marked bool) bool {
	if len(volumes) == 0 {
		return system || !marked
	}
	return slices.ContainsFunc(volumes, func(v string) bool {
		return v == allVolumes || v == systemVolumes && (system || !marked) || sameVolume(v, name)
	})
}

// sameVolume compares names of volumes: "C:" is "c:\".
func sameVolume(a, b string) bool {
	return strings.EqualFold(trimVolume(a), trimVolume(b))
}

func trimVolume(name string) string {
	name = strings.TrimSpace(name)
	if len(name) > 1 {
		name = strings.TrimRight(name, `\/`)
	}
	return name
}
