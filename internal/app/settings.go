package app

import (
	"context"

	"muster/internal/gears"
	"muster/internal/posture"
)

// agentSettings is what the agents of an account are told.
func (s *services) agentSettings(ctx context.Context, account posture.AccountID) (gears.Settings, error) {
	now, err := s.identity.Settings(ctx, account)
	if err != nil {
		return gears.Settings{}, err
	}
	p, a := now.Privacy, now.Agents
	return gears.Settings{
		PingEvery: a.PingEvery(), ReportEvery: a.ReportEvery(), NotifyInstall: a.NotifyInstall,
		Privacy: gears.Privacy{
			SerialNumber: p.SerialNumber, LocalIP: p.LocalIP, HostName: p.HostName, PublicIP: p.PublicIP,
			MAC: p.MACAddress, Username: p.UserName,
		},
		UserIdentity: gears.UserIdentity{Ask: a.AskUser.Enabled, Pattern: a.AskUser.Pattern, Message: a.AskUser.Message},
	}, nil
}
