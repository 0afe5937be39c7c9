package report

import (
	"cmp"
	"maps"
	"slices"

	"muster/internal/agent/collect"
	"muster/internal/posture"
)

// applicationsOf lists the products that guard the machine, then everything that is installed, in a fixed order.
func applicationsOf(s *collect.Snapshot) []application {
	out := []application{}
	for _, of := range []struct {
		category posture.Category
		products []collect.Product
	}{{posture.Antimalware, s.Antimalware.Value}, {posture.Firewall, s.Firewalls.Value}, {posture.Encryption, s.Encryption.Value}} {
		guards := make([]application, 0, len(of.products))
		for i := range of.products {
			guards = append(guards, productOf(of.category, &of.products[i]))
		}
		slices.SortStableFunc(guards, byName)
		out = append(out, guards...)
	}
	for _, source := range slices.Sorted(maps.Keys(s.Software)) {
		list := s.Software[source].Value
		start := len(out)
		for i := range list {
			a := &list[i]
			out = append(out, application{
				Name: a.Name, Vendor: a.Vendor, Version: a.Version, PURL: a.PURL,
				Category: string(a.Category),
			})
		}
		slices.SortStableFunc(out[start:], byName)
	}
	return out
}

func byName(a, b application) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.PURL, b.PURL))
}

func productOf(c posture.Category, p *collect.Product) application {
	out := application{
		Name: p.Name, Vendor: p.Vendor, Version: p.Version, Category: string(c),
		Running: fact(p.Running), Enabled: fact(p.Enabled),
		Definitions: when(p.Definitions.Value), LastScan: when(p.LastScan.Value),
	}
	for _, v := range p.Volumes {
		out.Volumes = append(out.Volumes, volume{v.Name, fact(v.Encrypted), v.System})
	}
	slices.SortFunc(out.Volumes, func(a, b volume) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func updatesOf(f collect.Fact[collect.Updates]) *updates {
	u, ok := f.Get()
	if !ok {
		return nil
	}
	return &updates{u.Pending, u.Security, when(u.Checked.Value)}
}

func screenLockOf(f collect.Fact[collect.ScreenLock]) *screenLock {
	l, ok := f.Get()
	if !ok {
		return nil
	}
	return &screenLock{l.Enabled, int64(l.After.Seconds())}
}

func disksOf(list []collect.Disk) []disk {
	out := make([]disk, 0, len(list))
	for _, d := range list {
		out = append(out, disk{d.Name, min(d.Total/mega, maxDisk), min(d.Free/mega, maxDisk), d.System})
	}
	slices.SortFunc(out, func(a, b disk) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func patchesOf(s *collect.Snapshot) *patches {
	list, ok := s.Patches.Get()
	if !ok {
		return nil
	}
	out := &patches{Patches: []patch{}}
	if u, known := s.Updates.Get(); known {
		out.Checked = when(u.Checked.Value)
	}
	for i := range list {
		p := &list[i]
		out.Patches = append(out.Patches, patch{p.KB, p.Title, p.Product, p.Vendor, p.Severity, p.Category, when(p.Released)})
	}
	slices.SortFunc(out.Patches, func(a, b patch) int { return cmp.Or(cmp.Compare(a.KB, b.KB), cmp.Compare(a.Title, b.Title)) })
	return out
}

func threatsOf(f collect.Fact[collect.Threats]) *threats {
	t, ok := f.Get()
	if !ok {
		return nil
	}
	out := &threats{Scanned: when(t.Scanned), Found: []threat{}}
	for i := range t.Found {
		f := &t.Found[i]
		w := threat{
			Source: "local", Name: f.Name, File: f.File, Hash: f.Hash, Found: when(f.Found), Severity: f.Severity, Action: f.Action,
			Existing: flagOf(f.Existing),
		}
		if f.Product != "" {
			w.Product = &product{f.Product}
		}
		out.Found = append(out.Found, w)
	}
	return out
}

func customOf(list []collect.CustomResult) []custom {
	out := make([]custom, 0, len(list))
	for _, c := range list {
		out = append(out, custom{c.ID, string(c.Outcome), c.Output, when(c.At)})
	}
	slices.SortFunc(out, func(a, b custom) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func neighboursOf(list []collect.Neighbour) []neighbour {
	out := make([]neighbour, 0, len(list))
	for _, n := range list {
		out = append(out, neighbour{n.MAC.String(), addressOf(n.Address), n.Adapter})
	}
	slices.SortFunc(out, func(a, b neighbour) int { return cmp.Or(cmp.Compare(a.MAC, b.MAC), cmp.Compare(a.IP, b.IP)) })
	return out[:min(len(out), maxNeighbours)]
}
