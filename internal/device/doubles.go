package device

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"muster/internal/page"
	"muster/internal/posture"
)

// ClashKind says by what several devices look like one machine.
type ClashKind string

const (
	// SameHardware is a conflict: several devices with an agent claim one hardware id. They are clones of one machine, or
	// one machine twice.
	SameHardware ClashKind = "hardware_id"
	// SameSerial is a duplicate: several devices have one serial number.
	SameSerial ClashKind = "serial_number"
	// SameAdapters is a duplicate: several devices have the same burnt-in addresses, all of them.
	SameAdapters ClashKind = "adapters"
)

// clashKinds are the kinds in the order of a walk.
var clashKinds = []ClashKind{SameHardware, SameSerial, SameAdapters}

// Clash is several live devices that look like one machine.
type Clash struct {
	Kind  ClashKind
	Value string // the number or address that they have in common; of several addresses the lowest
	// Devices are in the order of their ids, at most MaxDoubles of them.
	Devices []Device
	// More says that there are others.
	More bool
}

// MaxDoubles is how many devices of a clash are told.
const MaxDoubles = 50

// Double is a value that several devices have.
type Double struct {
	Value string
	IDs   []string // in order, at most MaxDoubles
	More  bool
}

// Doubles finds what several devices have in common.
type Doubles interface {
	// Doubles gives values of a kind that several devices have, in the order of the values, after one of them. It looks at
	// no more than so many devices, and gives behind which value it goes on, "" at the end. Some of the devices may be gone;
	// SameAdapters gives single addresses.
	Doubles(ctx context.Context, account posture.AccountID, kind ClashKind, after string, limit int) (list []Double, next string, err error)
	// HardwareHolders gives the ids of devices, live and gone, with a hardware id, in their order, at most so many.
	HardwareHolders(ctx context.Context, account posture.AccountID, hardwareID string, limit int) ([]string, error)
}

const (
	// doublesAtOnce is how many devices are looked at in one query, and looksAtOnce how many queries one part of a walk takes.
	doublesAtOnce = 2000
	looksAtOnce   = 25
)

// Conflicts gives a part of the clashes of an account: first the conflicts, then the duplicates. A part may have fewer than
// the limit, even none, and yet not be the last: it ends after so much work. Devices that clash in several ways are told
// of once, by the first. Invalid: w.After is not a position.
func (s *Service) Conflicts(ctx context.Context, account posture.AccountID, w page.Window) (list []Clash, next string, err error) {
	kind, after, err := splitClash(w.After)
	if err != nil {
		return nil, "", err
	}
	list = []Clash{}
	for range looksAtOnce {
		doubles, behind, err := s.store.Doubles(ctx, account, clashKinds[kind], after, doublesAtOnce)
		if err != nil {
			return nil, "", err
		}
		for i := range doubles {
			clashes, err := s.clashes(ctx, account, clashKinds[kind], &doubles[i])
			if err != nil {
				return nil, "", err
			}
			list = append(list, clashes...)
			after = doubles[i].Value
			if len(list) >= w.Limit {
				return list, joinClash(kind, after), nil
			}
		}
		after = behind
		if behind == "" {
			kind++
		}
		if kind == len(clashKinds) {
			return list, "", nil
		}
	}
	return list, joinClash(kind, after), nil
}

// A position among clashes is the number of the kind and the value behind which the walk goes on.
func joinClash(kind int, after string) string { return string(rune('0'+kind)) + after }

func splitClash(position string) (kind int, after string, err error) {
	if position == "" {
		return 0, "", nil
	}
	kind = int(position[0]) - '0'
	if kind < 0 || kind >= len(clashKinds) || hasControl(position) || clipBytes(position, len(position)) != position {
		return 0, "", errNoPosition()
	}
	if _, ok := posture.ParseMAC(position[1:]); clashKinds[kind] == SameAdapters && position[1:] != "" && !ok {
		return 0, "", errNoPosition()
	}
	return kind, position[1:], nil
}

// clashes gives what devices that have a value in common make of it: nothing where they are told of by another kind.
func (s *Service) clashes(ctx context.Context, account posture.AccountID, kind ClashKind, double *Double) ([]Clash, error) {
	devices, err := s.store.DevicesByID(ctx, account, double.IDs)
	if err != nil {
		return nil, err
	}
	if kind == SameHardware {
		devices = slices.DeleteFunc(devices, func(d Device) bool { return !d.Managed })
	}
	slices.SortFunc(devices, func(a, b Device) int { return strings.Compare(a.ID, b.ID) })
	for i := range devices {
		s.seen.overlay(&devices[i])
	}
	if kind != SameAdapters {
		return clash(kind, double, devices), nil
	}
	bySet := make(map[string][]Device)
	for i := range devices {
		set, err := s.burntIn(ctx, &devices[i])
		if err != nil {
			return nil, err
		}
		if set != "" && strings.HasPrefix(set, double.Value) { // else it is told of under another address
			bySet[set] = append(bySet[set], devices[i])
		}
	}
	var out []Clash
	for _, same := range bySet {
		out = append(out, clash(kind, double, same)...)
	}
	slices.SortFunc(out, func(a, b Clash) int { return cmp.Compare(a.Devices[0].ID, b.Devices[0].ID) })
	return out, nil
}

// clash gives one clash, or none where fewer than two devices are left of it, or all of them clash by an earlier kind.
func clash(kind ClashKind, double *Double, devices []Device) []Clash {
	told := len(devices) > 0
	for i := range devices {
		first, d := &devices[0], &devices[i]
		earlier := first.HardwareID != "" && d.HardwareID == first.HardwareID && d.Conflict ||
			kind == SameAdapters && first.Serial != "" && d.Serial == first.Serial
		told = told && earlier && kind != SameHardware
	}
	if len(devices) < 2 || told {
		return nil
	}
	return []Clash{{kind, double.Value, devices, double.More}}
}

// burntIn gives the current burnt-in addresses of a device as one text, the lowest first; "" for none.
func (s *Service) burntIn(ctx context.Context, d *Device) (string, error) {
	claims, err := s.store.Adapters(ctx, d.Account, d.ID)
	if err != nil {
		return "", err
	}
	var macs []string
	for i := range claims {
		if claims[i].Current && claims[i].MAC.Identifies() {
			macs = append(macs, claims[i].MAC.String())
		}
	}
	slices.Sort(macs)
	return strings.Join(macs, " "), nil
}
