// Package macos is the collectors of macOS. They see the machine through package host alone, so they build, and
// are tested, everywhere.
package macos

import (
	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// Collectors are the collectors of macOS, in the order in which they are run.
func Collectors(_ *host.Host) []collect.Collector {
	return nil
}
