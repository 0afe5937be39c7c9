package windows

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"muster/internal/agent/category"
	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

const (
	uninstall = `Software\Microsoft\Windows\CurrentVersion\Uninstall`
	appx      = localMachine + `SOFTWARE\Microsoft\Windows\CurrentVersion\Appx\AppxAllUserStore`
)

// maxPrograms bounds each list: users write to theirs what they like. One that is longer is not cut, since a part of it would
// pass for the whole.
const maxPrograms = 10_000

var errTooMany = errors.New("more programs are listed than there can be")

// software collects the installed programs: those of the list of the Control Panel, and those of the Store.
func (m *machine) software(_ context.Context, s *collect.Snapshot) error {
	m.softwareMarks = m.marksOfSoftware()
	s.Software = map[string]collect.Fact[[]collect.Application]{
		"registry": collect.Of(m.programs()),
		"store":    collect.Of(m.storePackages()),
	}
	return nil
}

// machineLists are the uninstall keys of the machine, in both views of the registry.
func machineLists() []string {
	return []string{
		localMachine + uninstall,
		localMachine + `SOFTWARE\WOW6432Node\` + strings.TrimPrefix(uninstall, `Software\`),
	}
}

// programs are those with an uninstall key: of the machine, in both views of the registry, and of the people whose hives
// are loaded.
func (m *machine) programs() ([]collect.Application, error) {
	keys := machineLists()
	hives, err := m.hives()
	if err != nil {
		return nil, err
	}
	for _, hive := range hives {
		keys = append(keys, hive+`\`+uninstall)
	}
	var out []collect.Application
	for _, key := range keys {
		names, err := m.subkeys(key)
		if err != nil {
			return nil, err
		}
		if len(names) > maxPrograms {
			return nil, errTooMany
		}
		for _, name := range names {
			if app, ok := m.program(key + `\` + name); ok {
				out = append(out, app)
			}
		}
	}
	return collect.Tidy(out), nil
}

// program reads an uninstall key; false for one that the Control Panel does not list either: parts and updates of others.
func (m *machine) program(key string) (collect.Application, bool) {
	k, err := m.h.Registry.Open(key)
	if err != nil {
		return collect.Application{}, false // it has gone meanwhile
	}
	defer k.Close() //nolint:errcheck // it was only read
	app := collect.Application{
		Name: registryText(k, "DisplayName"), Version: registryText(k, "DisplayVersion"), Vendor: registryText(k, "Publisher"),
	}
	hidden, _ := k.Integer("SystemComponent")
	switch {
	case app.Name == "", hidden == 1, registryText(k, "ParentKeyName") != "", slices.Contains(updateKinds, registryText(k, "ReleaseType")):
		return collect.Application{}, false
	}
	app.Category = category.Of(posture.Windows, app.Name)
	return app, true
}

var updateKinds = []string{"Update", "Hotfix", "Security Update", "Update Rollup", "ServicePack"}

// registryText reads a text, "" where there is none.
func registryText(k host.Key, value string) string {
	s, _ := k.String(value)
	return collect.Plain(s)
}

// storePackages are those of the Store that are installed for somebody, each in the newest version that is there.
func (m *machine) storePackages() ([]collect.Application, error) {
	people, err := m.subkeys(appx)
	if err != nil {
		return nil, err
	}
	if people == nil {
		return nil, collect.NotApplicableError("this Windows has no Store")
	}
	newest := map[string]collect.Application{}
	for _, sid := range people {
		if !strings.HasPrefix(sid, "S-1-") {
			continue
		}
		packages, err := m.subkeys(appx + `\` + sid)
		if err != nil {
			return nil, err
		}
		if len(packages) > maxPrograms {
			return nil, errTooMany
		}
		for _, full := range packages {
			app, ok := parsePackage(full)
			if old, known := newest[app.Name]; ok && (!known || olderVersion(old.Version, app.Version)) {
				newest[app.Name] = app
			}
		}
	}
	out := make([]collect.Application, 0, len(newest))
	for _, app := range newest {
		out = append(out, app)
	}
	return collect.Tidy(out), nil
}

// parsePackage reads the full name of a package: Name_Version_Architecture_ResourceId_PublisherId. Those with a resource
// hold pictures or words of another; ~ is a bundle of all that make up one.
func parsePackage(full string) (collect.Application, bool) {
	parts := strings.Split(full, "_")
	if len(parts) != 5 || parts[0] == "" || parts[3] != "" && parts[3] != "~" && parts[3] != "neutral" {
		return collect.Application{}, false
	}
	if _, ok := numbers(parts[1]); !ok {
		return collect.Application{}, false
	}
	name := collect.Plain(parts[0])
	return collect.Application{Name: name, Version: parts[1], Category: category.Of(posture.Windows, name)}, name != ""
}

func olderVersion(a, b string) bool {
	x, _ := numbers(a)
	y, _ := numbers(b)
	return slices.Compare(x[:], y[:]) < 0
}

// numbers reads the four numbers of a package's version.
func numbers(version string) ([4]uint16, bool) {
	var out [4]uint16
	parts := strings.Split(version, ".")
	if len(parts) != len(out) {
		return out, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return out, false
		}
		out[i] = uint16(n)
	}
	return out, true
}
