package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host"
)

// identity reads what tells the machine from others.
func identity(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "identity", Collect: func(_ context.Context, s *collect.Snapshot) error {
		m := machine{h}
		s.Identity = collect.Identity{
			HostName: collect.Of(m.hostName()), Domain: collect.Of(m.domain()), Serial: collect.Of(m.serial()),
			HardwareID: collect.Of(m.hardwareID()), MachineID: collect.Of(m.machineID()),
		}
		return nil
	}}
}

func (m machine) hostName() (string, error) {
	name, err := m.line("proc/sys/kernel/hostname")
	if err == nil && (name == "" || name == "(none)") {
		err = collect.NotApplicableError("the machine has no name")
	}
	return name, err
}

func (m machine) machineID() (string, error) {
	raw, err := m.line("etc/machine-id")
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = m.line("var/lib/dbus/machine-id") // without systemd
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", collect.NotApplicableError("the system has no machine id")
	}
	if err != nil {
		return "", err
	}
	id, ok := common.MachineID(raw)
	if !ok {
		return "", collect.NotApplicableError("the system has no machine id yet")
	}
	return id, nil
}

// hardwareID is made of the firmware's UUID. What has none, or one that thousands have, is known by the id of the installed
// system, and has the same id twice in its report, which says so; so has a container, which sees the firmware of the machine
// around it. That the firmware may not be read is another matter: a machine must not have one id today and another one
// tomorrow.
func (m machine) hardwareID() (string, error) {
	if m.container() == "" {
		uuid, err := m.firmware("product_uuid")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if id, ok := common.HardwareID(uuid); ok && err == nil {
			return id, nil
		}
	}
	id, err := m.machineID()
	if err != nil {
		return "", fmt.Errorf("the firmware has no id of its own, and: %w", err)
	}
	return id, nil
}

// firmware reads a text of the firmware that only root may.
func (m machine) firmware(name string) (string, error) {
	text, err := m.line(dmi + name)
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("needs root: /%s%s", dmi, name)
	}
	return text, err
}

func (m machine) serial() (string, error) {
	if name := m.container(); name != "" {
		return "", collect.NotApplicableError("the serial number is that of the machine around this " + name + " container")
	}
	text, err := m.firmware("product_serial")
	if errors.Is(err, fs.ErrNotExist) {
		text, err = m.line(deviceTree + "serial-number")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", collect.NotApplicableError("the machine has no serial number")
	}
	if err == nil && !common.IsSerial(text) {
		err = collect.NotApplicableError("the firmware has no serial number")
	}
	return text, err
}

// domain reads which directory domain the machine is a member of. A member has a key of its own, which is what is looked
// for first: a domain in resolv.conf, or of a mere client, is no membership.
func (m machine) domain() (string, error) {
	for _, keytab := range []string{"etc/krb5.keytab", "var/lib/samba/private/secrets.tdb"} {
		if !m.Exists(keytab) {
			continue
		}
		for _, where := range []struct {
			file string
			read func([]byte) string
		}{{"etc/sssd/sssd.conf", sssdDomain}, {"etc/samba/smb.conf", sambaRealm}, {"etc/ipa/default.conf", ipaDomain}} {
			raw, err := m.ReadFile(where.file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if errors.Is(err, fs.ErrPermission) {
				return "", fmt.Errorf("needs root: /%s", where.file)
			}
			if err != nil {
				return "", err
			}
			if name := where.read(raw); name != "" {
				return name, nil
			}
		}
	}
	return "", collect.NotApplicableError("the machine is no member of a domain")
}

// sssdDomain gives the first domain of sssd.conf whose users come from a directory.
func sssdDomain(raw []byte) string {
	sections := parseINI(raw)
	for name := range strings.SplitSeq(sections["sssd"]["domains"], ",") {
		name = strings.TrimSpace(name)
		section := sections["domain/"+strings.ToLower(name)]
		switch section["id_provider"] {
		case "ad":
			return lower(section["ad_domain"], name)
		case "ipa":
			return lower(section["ipa_domain"], name)
		}
	}
	return ""
}

// sambaRealm gives the realm of smb.conf of a machine that joined one by winbind.
func sambaRealm(raw []byte) string {
	global := parseINI(raw)["global"]
	if strings.EqualFold(global["security"], "ads") {
		return lower(global["realm"])
	}
	return ""
}

func ipaDomain(raw []byte) string { return lower(parseINI(raw)["global"]["domain"]) }

// lower gives the first text that says something, as domains are written.
func lower(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return strings.ToLower(strings.ToValidUTF8(t, "\uFFFD"))
		}
	}
	return ""
}

// parseINI reads sections of key = value; names are told in lower case.
func parseINI(raw []byte) map[string]map[string]string {
	out := map[string]map[string]string{}
	section := ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' && line[len(line)-1] == ']' {
			section = strings.ToLower(strings.TrimSpace(line[1 : len(line)-1]))
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		if out[section] == nil {
			out[section] = map[string]string{}
		}
		out[section][strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	return out
}
