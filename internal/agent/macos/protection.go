package macos

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

var (
	noDefinitions = collect.DoesNotApply[time.Time]("it has no definitions")
	noScans       = collect.DoesNotApply[time.Time]("it does not scan")
)

// encryption collects FileVault and the volumes of this installation and of other disks.
func (m *machine) encryption(ctx context.Context, s *collect.Snapshot) error {
	on, onErr := m.fileVault(ctx)
	volumes, err := m.apfsVolumes(ctx)
	if err != nil || !slices.ContainsFunc(volumes, func(v collect.Volume) bool { return v.System }) {
		if onErr != nil {
			s.Encryption = collect.CouldNotRead[[]collect.Product](cmp.Or(err, onErr))
			return nil
		}
		volumes = append(volumes, collect.Volume{Name: "/", Encrypted: collect.Known(on), System: true})
	}
	slices.SortFunc(volumes, func(a, b collect.Volume) int { return strings.Compare(a.Name, b.Name) })
	s.Encryption = collect.Known([]collect.Product{{
		Name: "FileVault", Vendor: "Apple Inc.", Running: collect.Known(true), Enabled: collect.Of(on, onErr),
		Definitions: noDefinitions, LastScan: noScans, Volumes: slices.CompactFunc(volumes, func(a, b collect.Volume) bool { return a.Name == b.Name }),
	}})
	return nil
}

// fileVault asks whether the volume with the system is encrypted.
func (m *machine) fileVault(ctx context.Context) (bool, error) {
	out, err := m.h.Run(ctx, "fdesetup", "status")
	var exit *host.ExitError
	if errors.As(err, &exit) && len(out) > 0 { // of some states it makes an exit code
		err = nil
	}
	if err != nil {
		return false, err
	}
	return parseFileVault(out)
}

// parseFileVault reads what `fdesetup status` prints. While it is at work, not all is encrypted.
func parseFileVault(out []byte) (bool, error) {
	text := string(out)
	switch {
	case strings.Contains(text, "Encryption in progress"), strings.Contains(text, "Decryption in progress"):
		return false, nil
	case strings.Contains(text, "FileVault is On"):
		return true, nil
	case strings.Contains(text, "FileVault is Off"):
		return false, nil
	default:
		return false, errors.New("fdesetup does not tell whether FileVault is on")
	}
}

func (m *machine) apfsVolumes(ctx context.Context) ([]collect.Volume, error) {
	out, err := m.h.Run(ctx, "diskutil", "apfs", "list", "-plist")
	if err != nil {
		return nil, err
	}
	var mounted []host.Volume
	if m.h.Volumes != nil {
		if mounted, err = m.h.Volumes(); err != nil {
			return nil, err
		}
	}
	return parseAPFS(out, mounted)
}

// parseAPFS gives the volumes, of what `diskutil apfs list -plist` prints, that are mounted, and those with the system and its
// data in the container from which macOS was started. Volumes for starting up, recovery and swapped memory, and those of
// simulators and disk images, are none of its users' data.
func parseAPFS(out []byte, mounted []host.Volume) ([]collect.Volume, error) {
	d, err := parseDict(out)
	if err != nil {
		return nil, err
	}
	var all []collect.Volume
	for _, container := range d.dicts("Containers") {
		own := startedFrom(container.text("ContainerReference"), mounted)
		for _, v := range container.dicts("Volumes") {
			name, system := "", false
			switch roles := v.list("Roles"); {
			case own && slices.Contains(roles, any("System")):
				name, system = "/", true
			case own && slices.Contains(roles, any("Data")):
				name = "/System/Volumes/Data"
			case len(roles) == 0:
				name = mountedAs(v.text("DeviceIdentifier"), mounted)
			}
			if name != "" {
				all = append(all, collect.Volume{Name: name, Encrypted: fileVaultOf(v), System: system})
			}
		}
	}
	return all, nil
}

// startedFrom reports whether macOS was started from a container. Where nothing is known of what is mounted, each will do.
func startedFrom(container string, mounted []host.Volume) bool {
	return mounted == nil || container != "" && slices.ContainsFunc(mounted, func(v host.Volume) bool {
		return v.System && strings.HasPrefix(v.Device, "/dev/"+container+"s")
	})
}

func mountedAs(device string, mounted []host.Volume) string {
	for _, v := range mounted {
		if device != "" && v.Device == "/dev/"+device {
			return v.Name
		}
	}
	return ""
}

// fileVaultOf: diskutil calls a volume that asks for a password so, on other disks as well. While it is converted, not all
// is encrypted.
func fileVaultOf(v dict) collect.Fact[bool] {
	on, told := v.number("FileVault")
	if !told {
		return collect.CouldNotReadf[bool]("diskutil does not tell whether the volume is encrypted")
	}
	moving, _ := v.number("CryptoMigrationOn")
	return collect.Known(on == 1 && moving != 1)
}

// firewall collects the application firewall.
func (m *machine) firewall(ctx context.Context, s *collect.Snapshot) error {
	on := collect.Of(m.firewallOn(ctx))
	s.Firewalls = collect.Known([]collect.Product{{
		Name: "Application Firewall", Vendor: "Apple Inc.", Running: on, Enabled: on, Definitions: noDefinitions, LastScan: noScans,
	}})
	return nil
}

// firewallOn asks the firewall's own program or, where that does not answer, reads its settings, as they were up to macOS 14.
func (m *machine) firewallOn(ctx context.Context) (bool, error) {
	out, err := m.h.Run(ctx, "/usr/libexec/ApplicationFirewall/socketfilterfw", "--getglobalstate")
	if err == nil {
		return parseFirewall(out)
	}
	if d, bad := m.plist("Library/Preferences/com.apple.alf.plist"); bad == nil {
		if state, ok := d.number("globalstate"); ok {
			return state > 0, nil
		}
	}
	return false, err
}

// parseFirewall reads `Firewall is enabled. (State = 1)`; 2 is to let nothing in.
func parseFirewall(out []byte) (bool, error) {
	_, rest, ok := strings.Cut(string(out), "(State = ")
	text, _, closed := strings.Cut(rest, ")")
	state, err := strconv.Atoi(text)
	if !ok || !closed || err != nil {
		return false, errors.New("the firewall does not tell its state")
	}
	return state > 0, nil
}

// Folders of what macOS itself has against malware. From macOS 15 on the definitions lie where updates can change them.
var (
	xprotect = []string{
		"private/var/protected/xprotect/XProtect.bundle",
		"Library/Apple/System/Library/CoreServices/XProtect.bundle",
		"System/Library/CoreServices/XProtect.bundle",
	}
	removers = []struct{ path, name string }{
		{"Library/Apple/System/Library/CoreServices/XProtect.app", "XProtect Remediator"},
		{"Library/Apple/System/Library/CoreServices/MRT.app", "Malware Removal Tool"},
	}
)

// antimalware collects what macOS itself has, and known products of others by the services that they registered with launchd.
func (m *machine) antimalware(ctx context.Context, s *collect.Snapshot) error {
	s.Threats = collect.DoesNotApply[collect.Threats]("macOS keeps no list of the malware that it found")
	var out []collect.Product
	own, err := m.xprotect(ctx)
	if err == nil {
		out = append(out, own)
	}
	for _, r := range removers {
		if d, err := m.plist(r.path + "/Contents/Info.plist"); err == nil {
			out = append(out, collect.Product{
				Name: r.name, Vendor: "Apple Inc.", Version: d.text("CFBundleShortVersionString"),
				Running: collect.Known(true), Enabled: collect.Known(true), // launchd starts it by the clock
				Definitions: m.modified(r.path + "/Contents/Info.plist"),
				LastScan:    collect.CouldNotReadf[time.Time]("macOS does not tell when it scanned"),
			})
		}
	}
	others, othersErr := m.knownServices(ctx)
	if len(out) == 0 && othersErr != nil {
		s.Antimalware = collect.CouldNotRead[[]collect.Product](cmp.Or(err, othersErr))
		return nil
	}
	out = append(out, others...)
	slices.SortStableFunc(out, func(a, b collect.Product) int { return strings.Compare(a.Name, b.Name) })
	s.Antimalware = collect.Known(out)
	return nil
}

// xprotect is part of macOS and runs when programs are started; it can be switched off only with Gatekeeper, which asks it.
func (m *machine) xprotect(ctx context.Context) (collect.Product, error) {
	var err error
	for _, path := range xprotect {
		var d dict
		if d, err = m.plist(path + "/Contents/Info.plist"); err != nil {
			continue
		}
		return collect.Product{
			Name: "XProtect", Vendor: "Apple Inc.", Version: d.text("CFBundleShortVersionString"),
			Running: collect.Known(true), Enabled: collect.Of(m.gatekeeper(ctx)),
			Definitions: m.modified(path + "/Contents/Info.plist"), LastScan: collect.DoesNotApply[time.Time]("it looks at programs as they are started"),
		}, nil
	}
	return collect.Product{}, err
}

// modified is when definitions were written.
func (m *machine) modified(path string) collect.Fact[time.Time] {
	info, err := fs.Stat(m.h.Files, path)
	if err != nil {
		return collect.CouldNotRead[time.Time](err)
	}
	return collect.Known(info.ModTime().UTC().Truncate(time.Second))
}

func (m *machine) gatekeeper(ctx context.Context) (bool, error) {
	out, err := m.h.Run(ctx, "spctl", "--status")
	var exit *host.ExitError
	if errors.As(err, &exit) && len(out) > 0 { // disabled is an exit code
		err = nil
	}
	if err != nil {
		return false, err
	}
	switch strings.TrimSpace(string(out)) {
	case "assessments enabled":
		return true, nil
	case "assessments disabled":
		return false, nil
	default:
		return false, errors.New("spctl does not tell whether Gatekeeper is on")
	}
}

// services are the beginnings of names under which products register with launchd.
var services = []struct{ label, name, vendor string }{
	{"com.crowdstrike.falcon", "CrowdStrike Falcon", "CrowdStrike"},
	{"com.sentinelone.sentineld", "SentinelOne", "SentinelOne"},
	{"com.microsoft.fresno", "Microsoft Defender for Endpoint", "Microsoft Corporation"},
	{"com.microsoft.wdav", "Microsoft Defender for Endpoint", "Microsoft Corporation"},
	{"com.carbonblack.", "VMware Carbon Black Cloud", "VMware"},
	{"com.vmware.carbonblack.", "VMware Carbon Black Cloud", "VMware"},
	{"com.cylance.", "CylancePROTECT", "Cylance"},
	{"com.sophos.", "Sophos Endpoint", "Sophos"},
	{"com.jamf.protect", "Jamf Protect", "Jamf"},
	{"com.eset.", "ESET Endpoint Security", "ESET"},
	{"com.paloaltonetworks.cortex", "Cortex XDR", "Palo Alto Networks"},
	{"com.trendmicro.", "Trend Micro Apex One", "Trend Micro"},
	{"com.bitdefender.", "Bitdefender Endpoint Security Tools", "Bitdefender"},
	{"com.malwarebytes.", "Malwarebytes", "Malwarebytes"},
	{"com.symantec.", "Symantec Endpoint Protection", "Broadcom"},
	{"com.mcafee.", "Trellix Endpoint Security", "Trellix"},
	{"com.kaspersky.", "Kaspersky Endpoint Security", "Kaspersky"},
	{"com.webroot.", "Webroot SecureAnywhere", "Webroot"},
	{"co.elastic.endpoint", "Elastic Defend", "Elastic"},
	{"com.f-secure.", "WithSecure Elements Agent", "WithSecure"},
	{"com.avast.", "Avast Security", "Avast"},
}

func (m *machine) knownServices(ctx context.Context) ([]collect.Product, error) {
	out, err := m.h.Run(ctx, "launchctl", "list")
	if err != nil {
		return nil, err
	}
	return parseServices(out), nil
}

// parseServices reads what `launchctl list` prints: the number of the process, or -, the last exit status, and the label. A
// product runs if one of its services does.
func parseServices(out []byte) []collect.Product {
	found := map[string]collect.Product{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) != 3 {
			continue
		}
		for _, s := range services {
			if !strings.HasPrefix(strings.ToLower(words[2]), s.label) {
				continue
			}
			running := words[0] != "-" || found[s.name].Running.Value
			found[s.name] = collect.Product{
				Name: s.name, Vendor: s.vendor, Running: collect.Known(running),
				Enabled:     collect.CouldNotReadf[bool]("its service does not tell what it guards"),
				Definitions: collect.CouldNotReadf[time.Time]("its service does not tell the date of its definitions"),
				LastScan:    collect.CouldNotReadf[time.Time]("its service does not tell when it scanned"),
			}
		}
	}
	all := make([]collect.Product, 0, len(found))
	for _, p := range found {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b collect.Product) int { return strings.Compare(a.Name, b.Name) })
	return all
}
