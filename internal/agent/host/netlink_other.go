//go:build !linux

package host

// netlink is there on Linux alone.
var netlink func(request uint16) ([]byte, error)
