// Package linux is the collectors of Linux systems. They see the machine through package host alone, so they build, and
// are tested, everywhere.
package linux

import (
	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host"
)

// Collectors are the collectors of a Linux system, in the order in which they are run.
func Collectors(h *host.Host) []collect.Collector {
	return append([]collect.Collector{
		system(h),
		hardware(h),
		identity(h),
		network(h),
		neighbours(h),
		softwareCollector(h),
		firewallCollector(h),
		antimalwareCollector(h),
		encryptionCollector(h),
		updatesCollector(h),
		passwordCollector(h),
		screenLockCollector(h),
	}, common.Collectors(h, readers(h))...)
}
