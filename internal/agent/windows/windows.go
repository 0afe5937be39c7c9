// Package windows is the collectors of Windows. They see the machine through package host alone, so they build, and
// are tested, everywhere. What the registry or a call of Windows knows is asked there; only for what neither has is
// PowerShell started, once for all of it, with scripts that are always the same.
package windows

import (
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/common/psutil"
	"muster/internal/agent/host"
)

// Collectors are the collectors of Windows, in the order in which they are run.
func Collectors(h *host.Host) []collect.Collector {
	m := &machine{h: h}
	readers := psutil.Readers()
	readers.Users, readers.CPU = m.users, m.cpu
	return append(m.own(), common.Collectors(h, readers)...)
}

// own are those that only Windows has.
func (m *machine) own() []collect.Collector {
	return []collect.Collector{
		{Subject: "operating system", Light: true, Collect: m.system},
		{Subject: "machine", Light: true, Collect: m.hardware},
		{Subject: "network", Light: true, Collect: m.adapters},
		{Subject: "software", Collect: m.software},
		{Subject: "software", Light: true, Collect: m.watchSoftware},
		{Subject: "screen lock", Light: true, Collect: m.screenLock},
		{Subject: "protection", Collect: m.protection},
		{Subject: "protection", Light: true, Collect: m.watchProtection},
		{Subject: "updates", Collect: m.updates},
		{Subject: "neighbours", Collect: m.neighbours}, // runs only where that is switched on
	}
}

// machine is what the collectors look at.
type machine struct {
	h *host.Host
	// When Windows Update was last asked, and under which version of Windows.
	searched    time.Time
	searchedFor string
	// What was cheap to see when software and protection were last looked at as a whole.
	softwareMarks, protectionMarks string
}
