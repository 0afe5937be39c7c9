package gears

// zone says where in a report a member stands. A member is volatile by its name and its place: `battery` of an
// application would be news.
type zone uint8

const (
	zoneOther zone = iota
	zoneRoot
	zoneSOH     // "soh", the state of health
	zoneOSInfo  // an element of "os_info"
	zoneSystem  // "system"
	zoneMemory  // "memory" of system
	zoneDisk    // "disk_space" of system
	zonePower   // "battery" of system
	zoneAround  // "neighbours" of soh
	zoneAdapter // an element of a list of network adapters
)

// child gives the zone of a member's value. Names come quoted, as they stand in the body.
func (z zone) child(name []byte) zone {
	switch z {
	case zoneRoot:
		switch string(name) {
		case `"soh"`:
			return zoneSOH
		case `"os_info"`, `"os"`:
			return zoneOSInfo
		case `"system"`:
			return zoneSystem
		case `"network_adapter_info"`:
			return zoneAdapter
		}
	case zoneSOH:
		switch string(name) {
		case `"neighbours"`:
			return zoneAround
		case `"os_info"`:
			return zoneOSInfo
		case `"system"`:
			return zoneSystem
		}
	case zoneOSInfo:
		switch string(name) {
		case `"os"`:
			return zoneOSInfo
		case `"system"`:
			return zoneSystem
		case `"network_adapter_info"`, `"network_adapters"`:
			return zoneAdapter
		}
	case zoneSystem:
		switch string(name) {
		case `"memory"`:
			return zoneMemory
		case `"disk_space"`:
			return zoneDisk
		case `"battery"`:
			return zonePower
		}
	}
	return zoneOther
}

// volatile reports whether a member changes from one report to the next without anything having happened.
func (z zone) volatile(name []byte) bool {
	switch z {
	case zoneRoot:
		switch string(name) {
		case `"scan_time"`, `"last_time_ip_scanning"`:
			return true
		}
	case zoneSOH:
		switch string(name) {
		case `"last_time_ip_scanning"`, `"neighbours"`: // what other machines do is no news of this one
			return true
		}
	case zoneSystem:
		switch string(name) {
		case `"battery"`, `"device_up_time"`:
			return true
		}
	case zoneAdapter:
		switch string(name) {
		case `"dhcp_obtained"`, `"dhcp_expires"`: // a lease of an hour moves both every half an hour
			return true
		}
	case zoneMemory:
		return string(name) == `"available_memory_mb"`
	case zoneDisk:
		return string(name) == `"available_size_mb"`
	}
	return false
}
