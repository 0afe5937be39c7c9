package windows

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"muster/internal/agent/collect"
)

// updatesAge is how long the answer of Windows Update is good for. The search goes through a database on disk, for which
// the service of Windows Update takes many seconds, and new updates come once a day at most.
const updatesAge = 4 * time.Hour

// search is what was found in what the last search of Windows Update left behind.
type search struct {
	Checked string       `json:"checked"`
	Updates list[update] `json:"updates"`
}

type update struct {
	Title      string               `json:"title"`
	KB         list[string]         `json:"kb"`
	Severity   string               `json:"severity"`
	Kind       int                  `json:"kind"` // 1 software, 2 a driver
	Optional   bool                 `json:"optional"`
	Published  string               `json:"published"`
	Categories list[updateCategory] `json:"categories"`
}

type updateCategory struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// kinds of updates by the ids of their categories, which have the same in every language.
var kinds = map[string]string{
	"0fa1201d-4330-4fa8-8ae9-b877473b6441": "security",
	"e6cf1350-c01b-414d-a61f-263d14d133b4": "critical",
	"28bc880e-0592-4cbf-8f95-c79b17911d5f": "rollup",
	"68c5b0a3-d1a6-4553-ae49-01d3a7827828": "service pack",
	"b54e7d24-7add-428f-8b75-90a396fa584f": "feature pack",
	"3689bdc8-b205-4af4-8d4a-a63924c5e9d5": "upgrade",
	"cd5ffd1e-e932-4e3a-bf74-18bf0b1bbd83": "update",
	"b4832bd8-e735-4761-8daf-37f882276dab": "tool",
	"ebfc1fc5-71a4-4f7b-9aca-3b9a503104a0": "driver",
	"e0789628-ce08-4437-be74-2495b842f43b": definitions,
}

const definitions = "definitions"

// updates collects what Windows Update has waiting.
func (m *machine) updates(ctx context.Context, s *collect.Snapshot) error {
	installed := s.OS.Version.Value
	if s.Updates.State == collect.IsKnown && m.searchedFor == installed && m.h.Now().Sub(m.searched) < updatesAge {
		return nil // what was found stays
	}
	found, err := m.powershell(ctx, updatesScript)
	all, err := valuesOf[search](found, err, "updates")
	if err == nil && len(all) == 0 {
		err = errors.New("no answer came from Windows Update")
	}
	if err != nil {
		s.Updates, s.Patches = collect.CouldNotRead[collect.Updates](err), collect.CouldNotRead[[]collect.Patch](err)
		return nil
	}
	waiting, patches, err := all[0].result()
	s.Updates, s.Patches = collect.Of(waiting, err), collect.Of(patches, err)
	m.searched, m.searchedFor = m.h.Now(), installed
	return nil
}

// result leaves out the definitions of antimalware: they come several times a day, and have a date of their own.
func (f search) result() (collect.Updates, []collect.Patch, error) {
	checked := stamp(f.Checked)
	if checked.IsZero() {
		return collect.Updates{}, nil, errors.New("it is not told when Windows Update searched for updates, if it ever did")
	}
	waiting := collect.Updates{Checked: collect.Known(checked)}
	var patches []collect.Patch
	for _, u := range f.Updates {
		p := u.patch()
		if p.Category == definitions {
			continue
		}
		waiting.Pending++
		if p.Category == "security" || p.Category == "critical" || p.Severity != "" {
			waiting.Security++
		}
		if u.Kind != 2 && !u.Optional && (p.KB != "" || p.Title != "") { // no drivers, and nothing that people have to choose
			patches = append(patches, p)
		}
	}
	slices.SortFunc(patches, func(a, b collect.Patch) int {
		return cmp.Or(strings.Compare(a.KB, b.KB), strings.Compare(a.Title, b.Title))
	})
	return waiting, patches, nil
}

func (u update) patch() collect.Patch {
	p := collect.Patch{
		Title: collect.Plain(u.Title), Vendor: "Microsoft Corporation", Severity: strings.ToLower(collect.Plain(u.Severity)), Released: stamp(u.Published),
	}
	if len(u.KB) > 0 && u.KB[0] != "" {
		p.KB = "KB" + strings.TrimPrefix(collect.Plain(u.KB[0]), "KB")
	}
	for _, c := range u.Categories {
		kind := kinds[strings.ToLower(c.ID)]
		if p.Category == "" || kind == definitions {
			p.Category = cmp.Or(kind, p.Category)
		}
		if c.Kind == "Product" && p.Product == "" {
			p.Product = collect.Plain(c.Name)
		}
	}
	return p
}
