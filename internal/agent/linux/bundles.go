package linux

import (
	"context"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// Snaps and flatpaks have no package URLs: there is no type for them.

func snapMarks(h *host.Host) []string {
	// A refresh changes the first, and going back to an older revision the folder of the snap.
	return append([]string{"var/lib/snapd/snaps"}, subfolders(h, "snap", 500)...)
}

func readSnap(ctx context.Context, h *host.Host, _ distribution) ([]collect.Application, error) {
	out, err := h.Run(ctx, "snap", "list", "--unicode=never", "--color=never")
	if err != nil {
		return nil, notHere(err, "snap is not installed")
	}
	return parseSnap(out), nil
}

// parseSnap reads the table of `snap list`: name, version, and more.
func parseSnap(out []byte) []collect.Application {
	var apps []collect.Application
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "Name" {
			continue
		}
		apps = append(apps, collect.Application{Name: f[0], Version: f[1]})
	}
	return apps
}

func flatpakMarks(*host.Host) []string {
	return []string{"var/lib/flatpak/.changed", "var/lib/flatpak/app", "var/lib/flatpak/runtime"}
}

func readFlatpak(ctx context.Context, h *host.Host, _ distribution) ([]collect.Application, error) {
	if !h.Exists("var/lib/flatpak") {
		return nil, collect.NotApplicableError("there are no flatpaks of the system")
	}
	out, err := h.Run(ctx, "flatpak", "list", "--system", "--columns=application,version,branch")
	if err != nil {
		return nil, notHere(err, "flatpak is not installed")
	}
	return parseFlatpak(out), nil
}

// parseFlatpak reads identifier, version and branch, with tabs between. Runtimes have often no version but their branch.
func parseFlatpak(out []byte) []collect.Application {
	var apps []collect.Application
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(f) < 3 || !strings.Contains(f[0], ".") {
			continue // also the headings, where it writes some
		}
		version := strings.TrimSpace(f[1])
		if version == "" {
			version = strings.TrimSpace(f[2])
		}
		apps = append(apps, collect.Application{Name: f[0], Version: version})
	}
	return apps
}
