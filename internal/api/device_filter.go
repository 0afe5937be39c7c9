package api

import (
	"math"
	"slices"

	"muster/internal/device"
	"muster/internal/posture"
)

const (
	// maxIDs is how many devices one call may name.
	maxIDs = 50
	// maxID is how long the name of a device may be, in characters.
	maxID = 128
	// maxWanted is how many groups, products or vulnerabilities a filter may name.
	maxWanted = 100
)

// deviceFilter chooses devices of a list.
type deviceFilter struct {
	device.Filter
	// Nothing: what was asked for cannot be, and the list is empty.
	Nothing bool
}

var filterContacts = []spelling[device.Contact]{
	{word: "connected", means: device.Connected},
	{word: "disconnected", means: device.Disconnected},
	{word: "unseen", means: device.Unseen},
	{word: "out_of_date", means: device.OutOfDate},
}

// readDeviceFilter reads the members filter and search. All of them are understood in all versions.
func readDeviceFilter(p *params) deviceFilter {
	in := p.object("filter")
	f := deviceFilter{Filter: device.Filter{
		Types:      words(in, "device_type", deviceTypes),
		OS:         words(in, "os", filterSystems),
		Statuses:   words(in, "device_status", listStatuses),
		Severities: words(in, "severity", listSeverities),
		Categories: words(in, "category", listCategories),
		Contacts:   words(in, "agent_status", filterContacts),
		Products:   in.numbers("product_ids", maxWanted, 0, math.MaxInt64),
	}}
	f.CVEs, _ = in.texts("cve_ids", maxWanted, maxID)
	for _, name := range []string{"group_id", "group_ids"} {
		for _, id := range in.numbers(name, maxWanted, 0, math.MaxInt64) {
			f.Groups = append(f.Groups, posture.GroupID(id))
		}
	}
	for _, name := range []string{"cve_severity", "vulnerability_severity"} {
		f.Levels = append(f.Levels, words(in, name, accountLevels[posture.ScoreOpswat])...)
	}
	f.Search = p.search()
	// There used to be several types of agent to choose from. Now whatever is asked for means all that are monitored.
	if kinds, _ := in.texts("agent_type", maxWanted, maxID); len(kinds) > 0 {
		f.onlyMonitored()
	}
	return f
}

// onlyMonitored leaves only devices that use a licence.
func (f *deviceFilter) onlyMonitored() {
	if len(f.Statuses) == 0 {
		f.Statuses = slices.Clone(posture.Statuses[:])
	}
	f.Statuses = slices.DeleteFunc(f.Statuses, func(s posture.Status) bool { return !s.Monitored() })
	f.Nothing = f.Nothing || len(f.Statuses) == 0
}

// readIDs reads the members ids and, where the version has it, opt, which says whose ids they are: 0 those of Muster or MAC
// addresses, 1 the integrator's own.
func readIDs(p *params, withOpt bool) []device.Selector {
	ids, there := p.texts("ids", maxIDs, maxID)
	if !there {
		p.wrong("ids", "is required")
	}
	own := withOpt && p.number("opt", inBody, 0, 0, 1) == 1
	out := make([]device.Selector, len(ids))
	for i, id := range ids {
		if out[i] = device.SelectorOf(id); own {
			out[i] = device.Selector{Linked: id}
		}
	}
	return out
}
