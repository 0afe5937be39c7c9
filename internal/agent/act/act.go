// Package act is what an agent does to its machine when the server asks: renew its network leases, and have it scanned.
package act

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
)

// RenewLeases has the network adapters renew their DHCP leases, and says what did it.
func RenewLeases(ctx context.Context, h *host.Host) (string, error) {
	switch runtime.GOOS {
	case "windows":
		return renewWindows(ctx, h)
	case "darwin":
		return renewMac(ctx, h)
	default:
		return renewLinux(ctx, h)
	}
}

// Scan has the machine's antimalware scan it, or a part of it, and says what came of it. It may take hours.
func Scan(ctx context.Context, h *host.Host, p protocol.Params) (string, error) {
	switch runtime.GOOS {
	case "windows":
		return scanWindows(ctx, h, p)
	case "darwin":
		return scanMac()
	default:
		return scanLinux(ctx, h, p)
	}
}

// attempt is one way of doing something: a program and its arguments.
type attempt []string

// first runs what is there of several ways, until one succeeds.
func first(ctx context.Context, run host.Programs, ways []attempt, none string) (string, error) {
	var failed []error
	for _, w := range ways {
		_, err := run.Run(ctx, w[0], w[1:]...)
		switch {
		case err == nil:
			return "done by " + w[0], nil
		case !errors.Is(err, host.ErrNoProgram):
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return "", errors.Join(failed...)
	}
	return "", errors.New(none)
}

// Parts of a machine, as commands name them.
const (
	scanMemory = iota
	scanSystemVolume
	scanPortableVolumes
	scanOtherVolumes
	scanPath
	scanBootRecords
)

// wanted says what a scan command asks for: everything, a path, or the system volume.
func wanted(p protocol.Params) (full bool, folder string, err error) {
	if p.FullScan != 0 {
		return true, "", nil
	}
	if slices.Contains(p.ScanTypes, scanPath) && p.Path != "" {
		// It becomes an argument of a program: it must be taken for nothing else, and be one place.
		if strings.HasPrefix(p.Path, "-") || strings.ContainsAny(p.Path, "\x00\n\r*?\"") {
			return false, "", fmt.Errorf("%q is no path that can be scanned", p.Path)
		}
		return false, p.Path, nil
	}
	for _, t := range p.ScanTypes {
		if t < scanMemory || t > scanBootRecords {
			return false, "", fmt.Errorf("there is no part %d of a machine to scan", t)
		}
	}
	if slices.Contains(p.ScanTypes, scanOtherVolumes) || slices.Contains(p.ScanTypes, scanPortableVolumes) {
		return true, "", nil
	}
	return false, "", nil
}
