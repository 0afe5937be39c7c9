package windows

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/posture"
)

const (
	currentVersion = localMachine + `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	control        = localMachine + `SYSTEM\CurrentControlSet\Control`
	tcpip          = localMachine + `SYSTEM\CurrentControlSet\Services\Tcpip\Parameters`
)

// system collects the operating system, and what tells the installation from others.
func (m *machine) system(_ context.Context, s *collect.Snapshot) error {
	s.OS = collect.OS{
		Family:       posture.Windows,
		Vendor:       collect.Known("Microsoft Corporation"),
		Name:         collect.Of(m.productName()),
		Version:      collect.Of(m.version()),
		Build:        collect.Of(m.build()),
		Architecture: collect.Of(m.architecture()),
		Language:     collect.Of(m.language()),
		Distribution: collect.DoesNotApply[string]("Windows is no distribution of packages"),
	}
	s.Identity.HostName = collect.Of(m.text(tcpip, "Hostname"))
	s.Identity.Domain = collect.Of(m.domain())
	s.Identity.MachineID = collect.Of(m.machineID())
	return nil
}

// productName is the name with the edition. Windows 11 calls itself Windows 10 in the registry.
func (m *machine) productName() (string, error) {
	name, err := m.text(currentVersion, "ProductName")
	if err != nil {
		return "", err
	}
	build, err := m.buildNumber()
	if err != nil {
		return "", err
	}
	rest, ten := strings.CutPrefix(name, "Windows 10")
	if n, bad := strconv.Atoi(build); bad == nil && n >= 22000 && ten && !m.isServer() {
		name = "Windows 11" + rest
	}
	return collect.Plain(name), nil
}

// isServer reports whether it is an edition for servers. ProductType says so since the first Windows NT.
func (m *machine) isServer() bool {
	kind, err := m.text(control+`\ProductOptions`, "ProductType")
	return err == nil && !strings.EqualFold(kind, "WinNT")
}

func (m *machine) buildNumber() (string, error) { return m.text(currentVersion, "CurrentBuildNumber") }

// build is the number of the build and that of its last update, of which Windows before 10 knows nothing.
func (m *machine) build() (string, error) {
	build, err := m.buildNumber()
	if err != nil {
		return "", err
	}
	switch update, err := m.number(currentVersion, "UBR"); {
	case errors.Is(err, fs.ErrNotExist):
		return build, nil
	case err != nil:
		return "", err
	default:
		return build + "." + strconv.FormatUint(update, 10), nil
	}
}

// version is such as 10.0.26100.2314.
func (m *machine) version() (string, error) {
	build, err := m.build()
	if err != nil {
		return "", err
	}
	major, err := m.number(currentVersion, "CurrentMajorVersionNumber")
	if errors.Is(err, fs.ErrNotExist) { // before Windows 10
		old, err := m.text(currentVersion, "CurrentVersion")
		return old + "." + build, err
	}
	if err != nil {
		return "", err
	}
	minor, err := m.number(currentVersion, "CurrentMinorVersionNumber")
	return fmt.Sprintf("%d.%d.%s", major, minor, build), err
}

// architecture is that of the machine. The agent may be of another, which Windows then emulates.
func (m *machine) architecture() (string, error) {
	name, err := m.text(control+`\Session Manager\Environment`, "PROCESSOR_ARCHITECTURE")
	if strings.EqualFold(name, "x86") {
		return "386", err
	}
	return strings.ToLower(name), err // AMD64, ARM64
}

// language is that in which Windows was installed. Its number is in one place, and what its name is in another.
func (m *machine) language() (string, error) {
	const languages = control + `\MUI\UILanguages`
	number, err := m.text(control+`\Nls\Language`, "InstallLanguage")
	if err != nil {
		return "", err
	}
	wanted, err := strconv.ParseUint(number, 16, 32)
	if err != nil {
		return "", fmt.Errorf("InstallLanguage is %q", collect.Plain(number))
	}
	names, err := m.subkeys(languages)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if n, err := m.number(languages+`\`+name, "LCID"); err == nil && n == wanted {
			return collect.Plain(name), nil
		}
	}
	return "", fmt.Errorf("no name is known of language %#04x", wanted)
}

// domain is the directory domain, by its name in DNS where it has one.
func (m *machine) domain() (string, error) {
	if m.h.Native == nil {
		return "", errNoCalls
	}
	flat, err := m.h.Native.Domain()
	if err != nil {
		return "", err
	}
	if flat == "" {
		return "", collect.NotApplicableError("the machine is a member of no directory domain")
	}
	full, err := m.text(tcpip, "Domain")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return collect.Plain(cmp.Or(full, flat)), err
}

var errNoCalls = errors.New("the system cannot be asked")

func (m *machine) machineID() (string, error) {
	guid, err := m.text(localMachine+`SOFTWARE\Microsoft\Cryptography`, "MachineGuid")
	if err != nil {
		return "", err
	}
	if id, ok := common.MachineID(guid); ok {
		return id, nil
	}
	return "", errors.New("MachineGuid identifies nothing")
}
