package macos

import (
	"cmp"
	"context"
	"io/fs"
	"net/url"
	"strings"

	"muster/internal/agent/category"
	"muster/internal/agent/collect"
	"muster/internal/posture"
)

// Bounds of what is listed: people put into their own folders what they like.
const (
	maxApps     = 5000
	maxReceipts = 10_000
	maxFormulae = 10_000
	maxVersions = 50 // of one formula
	maxPeople   = 500
)

// software collects applications, what installers left receipts of, and what Homebrew installed.
func (m *machine) software(_ context.Context, s *collect.Snapshot) error {
	s.Software = map[string]collect.Fact[[]collect.Application]{
		"applications": collect.Of(m.applications()),
		"receipts":     collect.Of(m.receipts()),
		"homebrew":     collect.Of(m.homebrew()),
	}
	return nil
}

// applications are the bundles in the folders for them: of the system, of all users, and of each of them.
func (m *machine) applications() ([]collect.Application, error) {
	if _, err := fs.Stat(m.h.Files, "Applications"); err != nil {
		return nil, err
	}
	folders := []string{"Applications", "System/Applications"}
	people, err := m.entries("Users", maxPeople)
	if err != nil {
		return nil, err
	}
	for _, person := range people {
		if person.IsDir() {
			folders = append(folders, "Users/"+person.Name()+"/Applications")
		}
	}
	var out []collect.Application
	for _, folder := range folders {
		found, err := m.bundles(folder, true)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return collect.Tidy(out), nil
}

// bundles are those in a folder and, as programs of one maker often share one, in those in it. A bundle is a real folder: a
// link may lead anywhere.
func (m *machine) bundles(folder string, deeper bool) ([]collect.Application, error) {
	entries, err := m.entries(folder, maxApps)
	if err != nil {
		return nil, err
	}
	var out []collect.Application
	for _, e := range entries {
		path := folder + "/" + e.Name()
		name, isBundle := strings.CutSuffix(e.Name(), ".app")
		switch {
		case !e.IsDir():
		case isBundle:
			if app, ok := m.bundle(path, name); ok {
				out = append(out, app)
			}
		case deeper:
			inner, err := m.bundles(path, false)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		}
		if len(out) > maxApps {
			return nil, errTooMany
		}
	}
	return out, nil
}

// bundle goes by the name of its folder, which is what people see.
func (m *machine) bundle(path, name string) (collect.Application, bool) {
	d, err := m.plist(path + "/Contents/Info.plist")
	if err != nil {
		return collect.Application{}, false
	}
	app := collect.Application{
		Name: collect.Plain(name), Version: cmp.Or(d.text("CFBundleShortVersionString"), d.text("CFBundleVersion")),
		Category: category.Of(posture.MacOS, name, d.text("CFBundleIdentifier")),
	}
	if strings.HasPrefix(path, "System/") {
		app.Vendor = "Apple Inc."
	}
	return app, app.Name != ""
}

// receipts are what the packages of installers left, but for those of macOS itself.
func (m *machine) receipts() ([]collect.Application, error) {
	const folder = "private/var/db/receipts"
	if _, err := fs.Stat(m.h.Files, folder); err != nil {
		if missingFile(err) {
			err = collect.NotApplicableError("there are no receipts of installers")
		}
		return nil, err
	}
	entries, err := m.entries(folder, maxReceipts)
	if err != nil {
		return nil, err
	}
	var out []collect.Application
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".plist") || strings.HasPrefix(e.Name(), "com.apple.") {
			continue
		}
		d, err := m.plist(folder + "/" + e.Name())
		if err != nil {
			continue
		}
		if id := d.text("PackageIdentifier"); id != "" {
			out = append(out, collect.Application{Name: id, Version: d.text("PackageVersion"), Category: category.Of(posture.MacOS, id)})
		}
	}
	return collect.Tidy(out), nil
}

// homebrew lists the formulae in both places where Homebrew puts them. Its own program is not run: it belongs to a user.
func (m *machine) homebrew() ([]collect.Application, error) {
	var out []collect.Application
	found := false
	for _, cellar := range []string{"opt/homebrew/Cellar", "usr/local/Cellar"} {
		if _, err := fs.Stat(m.h.Files, cellar); err != nil {
			continue
		}
		found = true
		formulae, err := m.entries(cellar, maxFormulae)
		if err != nil {
			return nil, err
		}
		for _, formula := range formulae {
			versions, err := m.entries(cellar+"/"+formula.Name(), maxVersions)
			if err != nil {
				return nil, err
			}
			for _, version := range versions {
				if version.IsDir() {
					out = append(out, formulaOf(formula.Name(), version.Name()))
				}
			}
		}
	}
	if !found {
		return nil, collect.NotApplicableError("Homebrew is not installed")
	}
	if len(out) > maxFormulae {
		return nil, errTooMany
	}
	return collect.Tidy(out), nil
}

func formulaOf(name, version string) collect.Application {
	name, version = collect.Plain(name), collect.Plain(version)
	return collect.Application{
		Name: name, Version: version, PURL: "pkg:brew/" + strings.ReplaceAll(url.PathEscape(name), "@", "%40") + "@" + url.PathEscape(version),
		Category: category.Of(posture.MacOS, name),
	}
}
