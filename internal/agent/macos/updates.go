package macos

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"muster/internal/agent/collect"
)

// updates collects what macOS found at its last search for updates, as it noted it: to search anew is its own business.
func (m *machine) updates(_ context.Context, s *collect.Snapshot) error {
	d, err := m.plist("Library/Preferences/com.apple.SoftwareUpdate.plist")
	if missingFile(err) {
		err = errors.New("macOS has noted no search for updates")
	}
	if err != nil {
		s.Updates, s.Patches = collect.CouldNotRead[collect.Updates](err), collect.CouldNotRead[[]collect.Patch](err)
		return nil
	}
	waiting, patches, err := updatesOf(d)
	s.Updates, s.Patches = collect.Of(waiting, err), collect.Of(patches, err)
	return nil
}

func updatesOf(d dict) (collect.Updates, []collect.Patch, error) {
	checked := d.time("LastFullSuccessfulDate")
	for _, key := range []string{"LastSuccessfulDate", "LastBackgroundSuccessfulDate"} {
		if at := d.time(key); at.After(checked) {
			checked = at
		}
	}
	if checked.IsZero() {
		return collect.Updates{}, nil, errors.New("macOS does not tell when it searched for updates, if it ever did")
	}
	waiting := collect.Updates{Checked: collect.Known(checked)}
	var patches []collect.Patch
	for _, u := range d.dicts("RecommendedUpdates") {
		name := u.text("Display Name")
		if name == "" {
			continue
		}
		waiting.Pending++
		p := collect.Patch{Title: name, Product: "macOS", Vendor: "Apple Inc.", Category: "update"}
		if version := u.text("Display Version"); version != "" && !strings.Contains(name, version) {
			p.Title += " " + version
		}
		if mendsSecurity(name, u.text("Identifier")) {
			waiting.Security++
			p.Category = "security"
		}
		patches = append(patches, p)
	}
	slices.SortFunc(patches, func(a, b collect.Patch) int { return cmp.Compare(a.Title, b.Title) })
	return waiting, slices.Compact(patches), nil
}

// mendsSecurity: Apple marks no update so. It lists security content for every release of macOS and Safari, so all of them
// count, rather than none.
func mendsSecurity(name, identifier string) bool {
	for _, word := range []string{"macOS", "Security", "Safari", "XProtect"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return strings.HasPrefix(identifier, "MSU_")
}
