package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
	"muster/internal/agent/report"
	"muster/internal/agent/settings"
)

// enrol registers a machine with the code or the licence key of the settings. The id is that of the device which it was
// before, if any. The machine is looked at once the server has answered: looking takes its time, and a wrong address or
// code is told without it.
func enrol(ctx context.Context, c *protocol.Client, s *settings.Settings, look func() *collect.Snapshot, deviceID string) (protocol.Credentials, error) {
	if s.Code == "" && s.LicenseKey == "" {
		return protocol.Credentials{}, errors.New("this machine is not enrolled: give a registration code (--code) or a licence key (--license-key)")
	}
	private, err := c.FetchPrivacy(ctx, s.Code, s.LicenseKey)
	if err != nil {
		return protocol.Credentials{}, err
	}
	about := report.About{Version: Version, DeviceName: s.DeviceName, Privacy: private}
	body, err := report.Registration(look(), about, s.LicenseKey, s.Group, deviceID)
	if err != nil {
		return protocol.Credentials{}, err
	}
	if s.Code != "" {
		return c.RegisterWithCode(ctx, s.Code, body)
	}
	return c.Register(ctx, body)
}

// identityFile holds what the user of the machine answered who they are. It is a file of its own so that it can be
// written while an agent runs.
func identityFile(stateDir string) string { return filepath.Join(stateDir, "identity") }

const maxIdentity = 512 // bytes

func userIdentity(stateDir string) string {
	raw, err := os.ReadFile(identityFile(stateDir))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw[:min(len(raw), maxIdentity)]))
}
