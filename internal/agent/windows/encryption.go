package windows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/internal/agent/collect"
)

// volume is an instance of Win32_EncryptableVolume.
type volume struct {
	Drive      string `json:"drive"`
	Kind       *int   `json:"kind"`       // 0 of the system, 1 fixed, 2 removable
	Protection *int   `json:"protection"` // 0 off, 1 on, 2 unknown, as of a volume that is locked
	Conversion *int   `json:"conversion"` // 0 decrypted, 1 encrypted, the rest is on the way
}

const removable = 2

// encryption gives BitLocker and its volumes: as WMI has them, or else as manage-bde prints them.
func (m *machine) encryption(ctx context.Context, found answers, err error) ([]collect.Product, error) {
	volumes, err := valuesOf[volume](found, err, "volumes")
	if isMissing(err) {
		return nil, nil // a server on which BitLocker is not installed, so that it encrypts nothing
	}
	var out []collect.Volume
	if err == nil {
		out = m.volumesOf(volumes)
	} else {
		raw, alsoBad := m.h.Run(ctx, "manage-bde", "-status")
		if alsoBad == nil {
			out, alsoBad = parseManageBDE(raw)
		}
		if alsoBad != nil {
			return nil, m.why(err)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	slices.SortFunc(out, func(a, b collect.Volume) int { return strings.Compare(a.Name, b.Name) })
	return []collect.Product{{
		Name: "BitLocker Drive Encryption", Vendor: "Microsoft Corporation",
		Running: collect.Known(true), Enabled: enabled(out),
		Definitions: noDefinitions, LastScan: noScans, Volumes: out,
	}}, nil
}

// why says that rights are missing, where they are, before anything else.
func (m *machine) why(err error) error {
	if m.h.Privileged {
		return err
	}
	return fmt.Errorf("needs administrator rights: %w", err)
}

func (m *machine) volumesOf(all []volume) []collect.Volume {
	var out []collect.Volume
	for _, v := range all {
		name := strings.ToUpper(collect.Plain(v.Drive))
		if name == "" || v.Kind != nil && *v.Kind == removable {
			continue
		}
		out = append(out, collect.Volume{
			Name: name, Encrypted: v.encrypted(), System: v.Kind != nil && *v.Kind == 0,
		})
	}
	return out
}

// encrypted: the volume is encrypted, and its key does not lie in the clear beside it, as it does while protection is
// suspended.
func (v volume) encrypted() collect.Fact[bool] {
	switch {
	case v.Protection == nil:
		return collect.CouldNotReadf[bool]("BitLocker says nothing of the volume")
	case *v.Protection == 0:
		return collect.Known(false)
	case *v.Protection != 1:
		return collect.CouldNotReadf[bool]("BitLocker does not know the state of the volume: it may be locked")
	case v.Conversion != nil && *v.Conversion != 1:
		return collect.Known(false)
	default:
		return collect.Known(true)
	}
}

// enabled: one volume at least is encrypted.
func enabled(all []collect.Volume) collect.Fact[bool] {
	unknown := false
	for _, v := range all {
		yes, known := v.Encrypted.Get()
		if yes && known {
			return collect.Known(true)
		}
		unknown = unknown || !known
	}
	if unknown {
		return collect.CouldNotReadf[bool]("the state of a volume is not known")
	}
	return collect.Known(false)
}

// parseManageBDE reads what `manage-bde -status` prints in English. Windows prints it in its own language, and of other
// languages nothing is guessed.
func parseManageBDE(raw []byte) ([]collect.Volume, error) {
	var out []collect.Volume
	var current volume
	system, blank := false, true
	end := func() {
		if current.Drive != "" && !blank {
			out = append(out, collect.Volume{Name: strings.ToUpper(current.Drive), Encrypted: current.encrypted(), System: system})
		}
		current, blank, system = volume{}, true, false
	}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "Volume "); ok && len(rest) >= 2 && rest[1] == ':' {
			end()
			current.Drive = rest[:2]
			continue
		}
		if line == "[OS Volume]" {
			system = true
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		switch value = strings.TrimSpace(value); name {
		case "Protection Status":
			current.Protection, blank = stateOf(value, "Protection Off", "Protection On"), false
		case "Conversion Status":
			current.Conversion, blank = stateOf(value, "Fully Decrypted", "Fully Encrypted"), false
		}
	}
	end()
	if len(out) == 0 {
		return nil, errors.New("manage-bde names no volume, or not in English")
	}
	return out, nil
}

// stateOf gives 0 or 1 for one of two words, and 2 for another. `Used Space Only Encrypted` and the like go with their word.
func stateOf(value, off, on string) *int {
	state := 2
	switch value {
	case off:
		state = 0
	case on, "Used Space Only Encrypted":
		state = 1
	}
	return &state
}
