package app

import (
	"context"
	"slices"

	"muster/internal/api"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/policy"
	"muster/internal/posture"
)

// deviceRules tells the device service what accounts decide about their devices.
func deviceRules(ids *identity.Service) func(context.Context, posture.AccountID) (device.Rules, error) {
	return func(ctx context.Context, account posture.AccountID) (device.Rules, error) {
		now, err := ids.Settings(ctx, account)
		r := now.Removal
		return device.Rules{
			Privacy: device.Privacy(now.Privacy), Discover: discovers(&now), RefuseAtLimit: now.Licence.AtLimit == identity.RefuseAtLimit,
			Removal: device.Removal{
				Unseen: r.Unseen.After(), NonCompliant: r.NonCompliant.After(), WithoutAgent: r.WithoutAgent.After(),
				UninstallUnseen: r.Unseen.Uninstall, UninstallNonCompliant: r.NonCompliant.Uninstall, Erase: r.Erase,
			},
		}, err
	}
}

// discovers reports whether agents are to tell which machines they see. Who keeps addresses private wants none of others either.
func discovers(s *identity.Settings) bool {
	return s.Agents.DiscoverNeighbours && !s.Privacy.LocalIP && !s.Privacy.MACAddress
}

// private tells the API what an account keeps from those who call it.
func (s *services) private(ctx context.Context, account posture.AccountID) (api.Private, error) {
	now, err := s.identity.Settings(ctx, account)
	out := api.Private{Privacy: device.Privacy(now.Privacy)}
	if err != nil || !out.OtherApplications {
		return out, err
	}
	out.Looked, err = s.looked(ctx, account)
	return out, err
}

// looked gives the categories in which a policy of the account makes a check.
func (s *services) looked(ctx context.Context, account posture.AccountID) ([]posture.Category, error) {
	list, err := s.policies.List(ctx, account)
	if err != nil {
		return nil, err
	}
	var out []posture.Category
	for i := range list {
		c, err := s.policies.Compiled(ctx, account, list[i].Ref())
		if err != nil {
			return nil, err
		}
		out = append(out, covered(c)...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// covered gives the categories in which a policy makes a check on machines of whatever system and type.
func covered(c *policy.Compiled) (out []posture.Category) {
	for _, family := range []posture.OSFamily{posture.Windows, posture.MacOS, posture.Linux, posture.IOS, posture.Android} {
		for _, kind := range []posture.DeviceType{posture.Desktop, posture.Laptop, posture.Server, posture.VM, posture.Phone, posture.Tablet} {
			out = append(out, c.Covered(family, kind)...)
		}
	}
	return out
}

// agentChecks is what the policy of a device asks its agent to run. It costs reading the device.
func (s *services) agentChecks(ctx context.Context, ref device.Ref) ([]gears.CustomCheck, error) {
	d, err := s.store.Device(ctx, ref.Account, ref.ID)
	if errs.Is(err, errs.NotFound) {
		return nil, nil // it has gone since it showed its credentials
	}
	if err != nil {
		return nil, err
	}
	p, err := s.policies.Compiled(ctx, ref.Account, d.Policy)
	if err != nil {
		return nil, err
	}
	var out []gears.CustomCheck
	for _, a := range p.Scripts(d.OSFamily, d.Type) {
		out = append(out, gears.CustomCheck{
			ID: a.Check, Interpreter: a.Interpreter, Seconds: a.Seconds, Systems: a.Systems, Text: a.Text, Signature: a.Signature,
		})
	}
	return out, nil
}

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
		Neighbours:   discovers(&now),
		UserIdentity: gears.UserIdentity{Ask: a.AskUser.Enabled, Pattern: a.AskUser.Pattern, Message: a.AskUser.Message},
	}, nil
}
