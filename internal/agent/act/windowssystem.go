package act

import (
	"context"

	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
)

// renewWindows has the network adapters renew their DHCP leases.
func renewWindows(ctx context.Context, h *host.Host) (string, error) {
	return first(ctx, h.Programs, []attempt{{"ipconfig", "/renew"}}, "there is no ipconfig")
}

// scanWindows has Microsoft Defender scan the machine, or a part of it.
func scanWindows(ctx context.Context, h *host.Host, p protocol.Params) (string, error) {
	full, folder, err := wanted(p)
	if err != nil {
		return "", err
	}
	const defender = `C:\Program Files\Windows Defender\MpCmdRun.exe`
	what := attempt{defender, "-Scan", "-ScanType", "1"}
	switch {
	case full:
		what[3] = "2"
	case folder != "":
		what = attempt{defender, "-Scan", "-ScanType", "3", "-File", folder}
	}
	return first(ctx, h.Slow, []attempt{what}, "there is no Microsoft Defender on this machine")
}
