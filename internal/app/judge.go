package app

import (
	"context"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"muster/internal/device"
	"muster/internal/policies"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/vuln"
)

// judge puts the policies of accounts and the vulnerability catalogue together.
type judge struct {
	policies  *policies.Service
	groups    groupNames
	catalogue *vuln.Catalogue
	// builtin tells the default policy of this program from that of another.
	builtin string
}

func newJudge(p *policies.Service, groups groupNames, catalogue *vuln.Catalogue) (*judge, error) {
	text, err := policy.Default().YAML()
	return &judge{policies: p, groups: groups, catalogue: catalogue, builtin: fmt.Sprintf("%08x", crc32.ChecksumIEEE(text))}, err
}

// groupNames gives the names of an account's groups, for reading only.
type groupNames interface {
	GroupNames(ctx context.Context, account posture.AccountID) (map[posture.GroupID]string, error)
}

// Version implements device.Judge.
func (j *judge) Version(p posture.PolicyRef, group posture.GroupID) string {
	ref := p.String()
	if p.Version == 0 {
		ref += ":" + j.builtin
	}
	return ref + "/" + strconv.FormatInt(int64(group), 10) + "+" + j.catalogue.Version()
}

// Judge implements device.Judge.
func (j *judge) Judge(ctx context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	p, err := j.policies.Compiled(ctx, s.Account, s.Policy)
	if err != nil {
		return posture.Verdict{}, err
	}
	return j.by(ctx, p, s, now)
}

// by judges by a policy.
func (j *judge) by(ctx context.Context, p *policy.Compiled, s *device.Subject, now time.Time) (posture.Verdict, error) {
	subject, err := j.subject(ctx, p, s)
	if err != nil {
		return posture.Verdict{}, err
	}
	v := p.Evaluate(&subject, now)
	v.Findings, v.Levels, v.Catalogue = subject.Findings, subject.Levels, j.catalogue.Version()
	return v, nil
}

// subject gives a device as policies see it. The findings of the last verdict hold where it was about the same report.
func (j *judge) subject(ctx context.Context, p *policy.Compiled, s *device.Subject) (policy.Subject, error) {
	out := policy.Subject{Report: s.Report, User: s.User, LastReport: s.LastReport, FailingSince: s.FailingSince}
	if p.AsksGroup() {
		names, err := j.groups.GroupNames(ctx, s.Account)
		if err != nil {
			return out, err
		}
		out.Group = names[s.Group]
	}
	if s.Before != nil {
		out.Before = s.Before.Issues
	}
	if s.SameReport && s.Before != nil && s.Before.Catalogue == j.catalogue.Version() {
		out.Findings, out.Levels = s.Before.Findings, s.Before.Levels
	} else {
		out.Findings, out.Levels = j.catalogue.Match(s.Report)
	}
	return out, nil
}

// trial judges by one policy, whatever policy a device has.
type trial struct {
	*judge
	policy *policy.Compiled
}

// Judge implements device.Judge.
func (t trial) Judge(ctx context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	return t.by(ctx, t.policy, s, now)
}
