package app

import (
	"context"

	"muster/internal/admin"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/vuln"
)

// said gives what feeds say of vulnerabilities.
func (s *services) said(ctx context.Context, ids []string) (map[string]vuln.Joined, error) {
	out := make(map[string]vuln.Joined, len(ids))
	view, err := s.catalogue.View(ctx)
	if err != nil {
		return nil, err
	}
	known, err := view.Said(ctx, ids)
	for id, j := range known {
		out[id] = *j
	}
	return out, err
}

// explainVulnerability tells what was found on a device, and looks at what it last reported once more, by what is known now.
func (s *services) explainVulnerability(ctx context.Context, account posture.AccountID, d *device.Device, id string) (admin.Explained, error) {
	var out admin.Explained
	verdict, err := s.devices.Verdict(ctx, account, d.ID)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return out, err
	}
	out.Findings = verdict.Findings
	view, err := s.catalogue.View(ctx)
	if err != nil {
		return out, err
	}
	known, err := view.Said(ctx, []string{id})
	if err != nil {
		return out, err
	}
	out.Known = known[id] != nil
	report, at, err := s.devices.LastReport(ctx, account, d.ID)
	if errs.Is(err, errs.NotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Reported = at
	report = device.SubjectOf(d, report).Report
	groups, err := view.Groups(ctx, vuln.ConsideredKeys(report))
	if err != nil {
		return out, err
	}
	out.Considered = vuln.Consider(report, func(k vuln.Key) *vuln.Group { return groups[k] }, id)
	out.Known = out.Known || len(out.Considered) > 0
	return out, nil
}
