package linux

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// Packages of languages, where they are installed for the whole machine: not those in the folders of its users, nor of
// one program in its own folder.

const (
	maxMetadata = 256 << 10 // of one package; read are the first lines
	maxFolders  = 64
)

// pythonFolders are where packages of Python are, and whether the distribution's own are there too.
func pythonFolders(h *host.Host) (folders []string, shared map[string]bool) {
	shared = map[string]bool{}
	for _, base := range []string{"usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64"} {
		for _, dir := range subfolders(h, base, 1000) {
			if !strings.HasPrefix(dir, base+"/python") || len(folders) >= maxFolders {
				continue
			}
			for _, kind := range []string{"/dist-packages", "/site-packages"} {
				if h.Exists(dir + kind) {
					folders = append(folders, dir+kind)
					shared[dir+kind] = !strings.HasPrefix(base, "usr/local")
				}
			}
		}
	}
	return folders, shared
}

func pipMarks(h *host.Host) []string {
	folders, _ := pythonFolders(h)
	return folders
}

// readPip lists what pip and its like installed. What the distribution's own packages brought is listed with those, under
// the distribution's name and with its corrections: as a package of PyPI it would pass for one that lacks them.
func readPip(_ context.Context, h *host.Host, _ distribution) ([]collect.Application, error) {
	folders, shared := pythonFolders(h)
	if len(folders) == 0 {
		return nil, collect.NotApplicableError("there is no Python")
	}
	var apps []collect.Application
	for _, dir := range folders {
		entries, err := fs.ReadDir(h.Files, dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name, version := pythonPackage(h, dir+"/"+e.Name(), shared[dir])
			if name == "" {
				continue
			}
			if len(apps) > maxModules {
				return nil, errTooMany
			}
			apps = append(apps, collect.Application{Name: name, Version: version, PURL: packageURL("pypi", "", pypiName(name), version)})
		}
	}
	return apps, nil
}

// pythonPackage reads one entry of a folder of packages; "" for what is none.
func pythonPackage(h *host.Host, path string, shared bool) (name, version string) {
	var file string
	switch {
	case strings.HasSuffix(path, ".dist-info"):
		file = path + "/METADATA"
	case strings.HasSuffix(path, ".egg-info"):
		file = path + "/PKG-INFO"
		if info, err := fs.Stat(h.Files, path); err == nil && !info.IsDir() {
			file = path
		}
	default:
		return "", ""
	}
	if shared && !installedByHand(h, path) {
		return "", ""
	}
	raw, err := readStart(h, file, maxMetadata)
	if err != nil {
		return "", ""
	}
	return parseMetadata(raw)
}

// installedByHand reports whether a package in a folder that the distribution's packages share came with pip or the like.
func installedByHand(h *host.Host, path string) bool {
	raw, err := readStart(h, path+"/INSTALLER", 64)
	if err != nil {
		return false
	}
	switch strings.TrimSpace(string(raw)) {
	case "pip", "uv", "poetry", "pdm", "conda":
		return true
	default:
		return false
	}
}

// parseMetadata reads name and version from the headings of a package of Python.
func parseMetadata(raw []byte) (name, version string) {
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); {
		case name == "" && strings.EqualFold(key, "Name"):
			name = value
		case version == "" && strings.EqualFold(key, "Version"):
			version = value
		}
	}
	return name, version
}

// pypiName writes the name of a package of Python in the one spelling that stands for all of them.
func pypiName(name string) string {
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	return strings.Join(parts, "-")
}

// npmFolders are where global packages of npm are.
var npmFolders = []string{"usr/lib/node_modules", "usr/local/lib/node_modules"}

// npmPackages lists the folders of global packages, those of organisations one level down.
func npmPackages(h *host.Host) []string {
	var out []string
	for _, dir := range npmFolders {
		for _, p := range subfolders(h, dir, maxModules) {
			if strings.HasPrefix(p, dir+"/@") {
				out = append(out, subfolders(h, p, maxModules)...)
			} else {
				out = append(out, p)
			}
		}
	}
	return out
}

func npmMarks(h *host.Host) []string {
	marks := slices.Clone(npmFolders)
	for _, p := range npmPackages(h) {
		marks = append(marks, p+"/package.json")
	}
	return marks
}

// readNPM lists the global packages of npm, not what they brought along for themselves.
func readNPM(_ context.Context, h *host.Host, _ distribution) ([]collect.Application, error) {
	if !anyExists(h, npmFolders) {
		return nil, collect.NotApplicableError("there are no global packages of npm")
	}
	var apps []collect.Application
	for _, p := range npmPackages(h) {
		raw, err := readStart(h, p+"/package.json", maxMetadata)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if a, ok := parsePackageJSON(raw); ok {
			apps = append(apps, a)
		}
	}
	return apps, nil
}

// parsePackageJSON reads name and version of a package of npm.
func parsePackageJSON(raw []byte) (collect.Application, bool) {
	var p struct{ Name, Version string }
	if json.Unmarshal(raw, &p) != nil || p.Name == "" || p.Version == "" {
		return collect.Application{}, false
	}
	scope, name, ok := strings.Cut(p.Name, "/")
	if !ok {
		scope, name = "", p.Name
	}
	return collect.Application{Name: p.Name, Version: p.Version, PURL: packageURL("npm", scope, name, p.Version)}, true
}
