// Package windows is the collectors of Windows. They see the machine through package host alone, so they build, and
// are tested, everywhere.
package windows

import (
	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// Collectors are the collectors of Windows, in the order in which they are run.
func Collectors(_ *host.Host) []collect.Collector {
	return nil
}
