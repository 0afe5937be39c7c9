package app

import (
	"context"
	"strconv"
	"time"

	"muster/internal/device"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/vuln"
)

// judge puts the policies and the vulnerability catalogue together.
type judge struct {
	policy    *policy.Compiled
	catalogue *vuln.Catalogue
}

func newJudge() (*judge, error) {
	catalogue, err := vuln.Builtin()
	if err != nil {
		return nil, err
	}
	p, err := policy.Compile(policy.Default(), posture.PolicyRef{ID: posture.DefaultPolicy})
	if err != nil {
		return nil, err
	}
	return &judge{policy: p, catalogue: catalogue}, nil
}

// Version implements device.Judge.
func (j *judge) Version(p posture.PolicyRef, group posture.GroupID) string {
	return p.String() + "/" + strconv.FormatInt(int64(group), 10) + "+" + j.catalogue.Version()
}

// Judge implements device.Judge.
func (j *judge) Judge(_ context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	var findings []posture.Finding
	var levels posture.Levels
	if s.SameReport && s.Before != nil && s.Before.Catalogue == j.catalogue.Version() {
		findings, levels = s.Before.Findings, s.Before.Levels
	} else {
		findings, levels = j.catalogue.Match(s.Report)
	}
	subject := policy.Subject{
		Report: s.Report, Findings: findings, Levels: levels, User: s.User, LastReport: s.LastReport, FailingSince: s.FailingSince,
	}
	if s.Before != nil {
		subject.Before = s.Before.Issues
	}
	v := j.policy.Evaluate(&subject, now)
	v.Findings, v.Levels, v.Catalogue = findings, levels, j.catalogue.Version()
	return v, nil
}
