package act

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
)

// renewLinux asks each adapter's DHCP client.
func renewLinux(ctx context.Context, h *host.Host) (string, error) {
	var ways []attempt
	for _, name := range adapters(h) {
		if h.Exists("run/systemd/netif/leases") {
			ways = append(ways, attempt{"networkctl", "renew", name})
		}
		if h.Exists("run/NetworkManager") {
			ways = append(ways, attempt{"nmcli", "device", "reapply", name})
		}
		if dhcpcdHas(h, name) {
			ways = append(ways, attempt{"dhcpcd", "--rebind", name})
		}
	}
	// Each adapter is asked by whoever has it, so that all ways are tried.
	var by []string
	var failed []error
	for _, w := range ways {
		_, err := h.Run(ctx, w[0], w[1:]...)
		if err == nil {
			by = append(by, w[0]+" "+w[len(w)-1])
		} else if !errors.Is(err, host.ErrNoProgram) {
			failed = append(failed, err)
		}
	}
	if len(by) > 0 {
		return "asked " + strings.Join(by, ", "), nil
	}
	return "", errors.Join(append(failed, errors.New("no DHCP client that can be asked to renew: systemd-networkd, NetworkManager, dhcpcd"))...)
}

// dhcpcdHas reports whether a dhcpcd runs that looks after an adapter: one of its own, or one for all. Where none does, to ask
// it would start one, which would give an address of its own to an adapter that has another, or is somebody else's.
func dhcpcdHas(h *host.Host, adapter string) bool {
	for _, file := range []string{
		"run/dhcpcd/pid", "run/dhcpcd/" + adapter + ".pid", // since version 9
		"run/dhcpcd.pid", "run/dhcpcd-" + adapter + ".pid",
	} {
		pid, err := h.ReadFile(file)
		if err != nil {
			continue
		}
		// It may have been killed, and its file is still there.
		name, err := h.ReadFile("proc/" + strings.TrimSpace(string(pid)) + "/comm")
		if err == nil && strings.TrimSpace(string(name)) == "dhcpcd" {
			return true
		}
	}
	return false
}

// adapters are the names of hardware adapters: those with a device behind them.
func adapters(h *host.Host) []string {
	entries, err := fs.ReadDir(h.Files, "sys/class/net")
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if h.Exists("sys/class/net/" + e.Name() + "/device") {
			out = append(out, e.Name())
		}
	}
	return out
}

// scanLinux has ClamAV scan the machine, or a part of it.
func scanLinux(ctx context.Context, h *host.Host, p protocol.Params) (string, error) {
	_, folder, err := wanted(p)
	if err != nil {
		return "", err
	}
	if folder == "" {
		folder = "/"
	}
	if !path.IsAbs(folder) {
		return "", fmt.Errorf("%q does not begin at the root", folder)
	}
	for _, w := range []attempt{
		{"clamdscan", "--fdpass", "--multiscan", "--infected", "--no-summary", "--", folder},
		{"clamscan", "--recursive", "--cross-fs=no", "--infected", "--no-summary", "--exclude-dir=^/(proc|sys|dev)", "--", folder},
	} {
		out, err := h.Slow.Run(ctx, w[0], w[1:]...)
		var exit *host.ExitError
		switch {
		case err == nil:
			return "nothing was found below " + folder, nil
		case errors.As(err, &exit) && exit.Code == 1:
			return fmt.Sprintf("%d infected files below %s; the next report names them", strings.Count(string(out), " FOUND"), folder), nil // names of users may be in their paths
		case errors.Is(err, host.ErrNoProgram):
		case w[0] == "clamdscan": // no daemon answers
		default:
			return "", err
		}
	}
	return "", errors.New("there is no antimalware on this machine that can be asked to scan: ClamAV")
}
