package act

import (
	"context"
	"errors"
	"strings"

	"muster/internal/agent/host"
)

// renewMac has the adapters that have a lease renew it. Setting one to DHCP that has an address of its own would take it
// off its network, so that is not done.
func renewMac(ctx context.Context, h *host.Host) (string, error) {
	out, err := h.Run(ctx, "networksetup", "-listallhardwareports")
	if err != nil {
		return "", err
	}
	var failed []error
	renewed := ""
	for line := range strings.Lines(string(out)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "Device: en")
		if !ok {
			continue
		}
		if lease, err := h.Run(ctx, "ipconfig", "getpacket", "en"+name); err != nil || len(lease) == 0 {
			continue
		}
		if _, err := h.Run(ctx, "ipconfig", "set", "en"+name, "DHCP"); err != nil {
			failed = append(failed, err)
			continue
		}
		renewed += " en" + name
	}
	if renewed == "" {
		return "", errors.Join(append(failed, errors.New("no adapter has a lease to renew"))...)
	}
	return "asked" + renewed, nil
}

// scanMac is not possible: XProtect scans when it thinks fit.
func scanMac() (string, error) {
	return "", errors.New("XProtect cannot be asked to scan")
}
