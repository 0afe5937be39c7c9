// Package macos is the collectors of macOS. They see the machine through package host alone, so they build, and
// are tested, everywhere.
package macos

import (
	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/common/psutil"
	"muster/internal/agent/host"
)

// machine is what the collectors look at.
type machine struct {
	h *host.Host
	// The adapters that are built in or plugged in, and the names of all for which they were listed.
	ports    map[string]string
	portsFor string
}

// Collectors are the collectors of macOS, in the order in which they are run.
func Collectors(h *host.Host) []collect.Collector {
	m := &machine{h: h}
	readers := psutil.Readers()
	readers.Users = psutil.LoggedOn
	return append(m.own(), common.Collectors(h, readers)...)
}

// own are those that only macOS has.
func (m *machine) own() []collect.Collector {
	return []collect.Collector{
		{Subject: "operating system", Light: true, Collect: m.system},
		{Subject: "machine", Collect: m.hardware},
		{Subject: "identity", Collect: m.identity},
		{Subject: "network", Light: true, Collect: m.network},
		{Subject: "software", Collect: m.software},
		{Subject: "encryption", Collect: m.encryption},
		{Subject: "firewall", Light: true, Collect: m.firewall},
		{Subject: "anti-malware", Collect: m.antimalware},
		{Subject: "updates", Light: true, Collect: m.updates},
		{Subject: "password", Collect: m.password},
		{Subject: "screen lock", Collect: m.screenLock},
		{Subject: "neighbours", Collect: m.neighbours}, // runs only where that is switched on
	}
}
