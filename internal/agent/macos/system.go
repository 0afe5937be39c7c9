package macos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/posture"
)

// system collects the operating system.
func (m *machine) system(_ context.Context, s *collect.Snapshot) error {
	d, err := m.plist("System/Library/CoreServices/SystemVersion.plist")
	text := func(key string) collect.Fact[string] {
		if err != nil {
			return collect.CouldNotRead[string](err)
		}
		if t := d.text(key); t != "" {
			return collect.Known(t)
		}
		return collect.CouldNotReadf[string]("SystemVersion.plist has no %s", key)
	}
	s.OS = collect.OS{
		Family: posture.MacOS, Vendor: collect.Known("Apple Inc."),
		Name: text("ProductName"), Version: text("ProductVersion"), Build: text("ProductBuildVersion"),
		Architecture: s.OS.Architecture, // of the machine: see hardware
		Language:     collect.Of(m.language()),
		Distribution: collect.DoesNotApply[string]("macOS is no distribution of packages"),
	}
	return nil
}

// language is the first of those that were chosen for the whole machine.
func (m *machine) language() (string, error) {
	d, err := m.plist("Library/Preferences/.GlobalPreferences.plist")
	if err != nil {
		return "", err
	}
	for _, v := range d.list("AppleLanguages") {
		if tag, ok := v.(string); ok && tag != "" {
			return collect.Plain(tag), nil
		}
	}
	return "", errors.New("no language is chosen for the whole machine")
}

// identity collects what tells the machine from others.
func (m *machine) identity(ctx context.Context, s *collect.Snapshot) error {
	s.Identity.HostName = collect.Of(m.hostName())
	s.Identity.Domain = collect.Of(m.domain(ctx))
	s.Identity.MachineID = collect.Of(m.machineID(ctx))
	d, err := m.platform(ctx)
	s.Identity.HardwareID = collect.Of(m.hardwareID(d, err, s.Identity.MachineID))
	if serial := d.text("IOPlatformSerialNumber"); err == nil && !common.IsSerial(serial) {
		s.Identity.Serial = collect.DoesNotApply[string]("the firmware tells no serial number")
	} else {
		s.Identity.Serial = collect.Of(serial, err)
	}
	return nil
}

// hostName is that which was given to the machine, not that which a DHCP server calls it by. Without one of its own it
// goes by its name on the local network.
func (m *machine) hostName() (string, error) {
	d, err := m.plist("Library/Preferences/SystemConfiguration/preferences.plist")
	if err != nil {
		return "", err
	}
	inner := func(d dict, key string) dict {
		out, _ := d[key].(dict)
		return out
	}
	system := inner(d, "System")
	if name := inner(system, "System").text("HostName"); name != "" {
		return name, nil
	}
	if name := inner(inner(system, "Network"), "HostNames").text("LocalHostName"); name != "" {
		return name + ".local", nil
	}
	return "", errors.New("the machine has no name")
}

// domain is the Active Directory domain that the machine is bound to.
func (m *machine) domain(ctx context.Context) (string, error) {
	out, err := m.h.Run(ctx, "dsconfigad", "-show", "-xml")
	if err != nil {
		return "", err
	}
	name, err := parseDomain(out)
	if err == nil && name == "" {
		err = collect.NotApplicableError("the machine is bound to no directory domain")
	}
	return name, err
}

// parseDomain reads what `dsconfigad -show -xml` prints: nothing where the machine is bound to no domain.
func parseDomain(out []byte) (string, error) {
	if len(bytes.TrimSpace(out)) == 0 {
		return "", nil
	}
	d, err := parseDict(out)
	if err != nil {
		return "", err
	}
	general, _ := d["General Info"].(dict)
	return general.text("Active Directory Domain"), nil
}

// platform is what the firmware says of the machine.
func (m *machine) platform(ctx context.Context) (dict, error) {
	out, err := m.h.Run(ctx, "ioreg", "-rd1", "-c", "IOPlatformExpertDevice", "-a")
	if err != nil {
		return nil, err
	}
	d, err := firstOf(out)
	if err == nil && d == nil {
		err = errors.New("ioreg names no platform")
	}
	return d, err
}

// firstOf reads a property list that is a list of dictionaries, as ioreg prints it; nil where it found none.
func firstOf(out []byte) (dict, error) {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, nil
	}
	v, err := parsePlist(out)
	if err != nil {
		return nil, err
	}
	all, ok := v.([]any)
	if !ok {
		return nil, errPlist
	}
	if len(all) == 0 {
		return nil, nil
	}
	first, ok := all[0].(dict)
	if !ok {
		return nil, errPlist
	}
	return first, nil
}

func (m *machine) hardwareID(d dict, err error, system collect.Fact[string]) (string, error) {
	if err != nil {
		return "", err
	}
	if id, ok := common.HardwareID(d.text("IOPlatformUUID")); ok {
		return id, nil
	}
	if id, ok := system.Get(); ok {
		return id, nil
	}
	return "", fmt.Errorf("the firmware has no id of its own, and: %s", system.Why)
}

// machineID is made of the id of the volumes with the system, which are made anew when macOS is installed on an erased disk.
func (m *machine) machineID(ctx context.Context) (string, error) {
	out, err := m.h.Run(ctx, "diskutil", "info", "-plist", "/")
	if err != nil {
		return "", err
	}
	d, err := parseDict(out)
	if err != nil {
		return "", err
	}
	if id, ok := common.MachineID(d.text("APFSVolumeGroupID")); ok {
		return id, nil
	}
	if id, ok := common.MachineID(d.text("VolumeUUID")); ok {
		return id, nil
	}
	return "", errors.New("the volume with the system has no id")
}

// missingFile reports whether there is no such file.
func missingFile(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// values reads lines of the form `name: value`.
func values(out []byte) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(line, ": "); ok {
			all[strings.TrimSpace(name)] = collect.Plain(value)
		}
	}
	return all
}
