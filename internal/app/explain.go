package app

import (
	"context"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// explain tells what each check of the policy of a device, which has reported, finds now.
func (s *services) explain(ctx context.Context, account posture.AccountID, d *device.Device) ([]posture.CheckResult, error) {
	report, _, err := s.devices.LastReport(ctx, account, d.ID)
	if err != nil {
		return nil, err
	}
	p, err := s.policies.Compiled(ctx, account, d.Policy)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	of := device.SubjectOf(d, report)
	found, err := s.judge.vulnerabilities(ctx, of, now)
	if err != nil {
		return nil, err
	}
	subject, err := s.judge.subject(ctx, p, of, &found)
	if err != nil {
		return nil, err
	}
	return p.Explain(&subject, now), nil
}
