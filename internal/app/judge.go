package app

import (
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"time"

	"muster/internal/catalogue"
	"muster/internal/device"
	"muster/internal/policies"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/vuln"
)

// judge puts together the policies of accounts, the vulnerability catalogue, and what accounts say of vulnerabilities.
type judge struct {
	policies  *policies.Service
	groups    groupNames
	catalogue *catalogue.Service
	risks     *risk.Service
	// builtin tells the default policy of this program from that of another.
	builtin string
}

func newJudge(p *policies.Service, groups groupNames, c *catalogue.Service, r *risk.Service) (*judge, error) {
	text, err := policy.Default().YAML()
	return &judge{policies: p, groups: groups, catalogue: c, risks: r, builtin: fmt.Sprintf("%08x", crc32.ChecksumIEEE(text))}, err
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
	return ref + "/" + strconv.FormatInt(int64(group), 10)
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
	found, err := j.vulnerabilities(ctx, s, now)
	if err != nil {
		return posture.Verdict{}, err
	}
	subject, err := j.subject(ctx, p, s, &found)
	if err != nil {
		return posture.Verdict{}, err
	}
	v := p.Evaluate(&subject, now)
	v.Findings, v.Levels, v.Catalogue = found.Findings, found.Levels, found.by.String()
	if !found.Lapses.IsZero() && (v.NextChange.IsZero() || found.Lapses.Before(v.NextChange)) {
		v.NextChange = found.Lapses
	}
	return v, nil
}

// subject gives a device as policies see it, which leave out of its vulnerabilities those that do not count.
func (j *judge) subject(ctx context.Context, p *policy.Compiled, s *device.Subject, found *found) (policy.Subject, error) {
	out := policy.Subject{
		Report: s.Report, User: s.User, LastReport: s.LastReport, FailingSince: s.FailingSince,
		Findings: found.Findings, Levels: found.Levels,
	}
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
	return out, nil
}

// found is what a device has, with what its account says of that.
type found struct {
	risk.Applied
	by posture.Knowledge
}

func isAccepted(f posture.Finding) bool { return f.Accepted != nil }

// vulnerabilities finds those of a device. The findings of the last verdict hold where it was about the same report, and
// nothing is known that was not known then; but where some are accepted: they may be parts, which are scored otherwise.
func (j *judge) vulnerabilities(ctx context.Context, s *device.Subject, now time.Time) (found, error) {
	view, set, err := j.knowledge(ctx, s)
	if err != nil {
		return found{}, err
	}
	out := found{by: posture.Knowledge{Generation: view.Generation(), Revision: set.Revision()}}
	levels := vuln.Thresholds(set.Thresholds())
	var findings []posture.Finding
	if s.SameReport && s.Before != nil && s.Before.Catalogue == out.by.String() && !slices.ContainsFunc(s.Before.Findings, isAccepted) {
		findings = s.Before.Findings
	} else {
		findings, err = match(ctx, view, s.Report, levels)
		if err != nil {
			return found{}, err
		}
	}
	place := risk.Place{Device: s.ID, Group: s.Group}
	facts, err := factsOf(ctx, view, set, findings)
	out.Applied = set.Apply(findings, place, now, func(f *posture.Finding) { vuln.Rescore(f, facts, levels) })
	return out, err
}

// knowledge gives the catalogue and what the account says, both at least as new as the subject asks for.
func (j *judge) knowledge(ctx context.Context, s *device.Subject) (*catalogue.View, *risk.Set, error) {
	view, err := j.catalogue.ViewSince(ctx, s.Known.Generation)
	if err != nil {
		return nil, nil, err
	}
	set, err := j.risks.Active(ctx, s.Account)
	if err == nil && set.Revision() < s.Known.Revision {
		j.risks.Forget(s.Account)
		set, err = j.risks.Active(ctx, s.Account)
	}
	return view, set, err
}

// match finds and scores the vulnerabilities of a report.
func match(ctx context.Context, view *catalogue.View, r *posture.Report, levels vuln.Thresholds) ([]posture.Finding, error) {
	inventory := vuln.Take(r)
	groups, err := view.Groups(ctx, inventory.Keys())
	if err != nil {
		return nil, err
	}
	hits := inventory.Match(func(k vuln.Key) *vuln.Group { return groups[k] })
	facts, err := view.Facts(ctx, vuln.CVEsOf(hits))
	if err != nil {
		return nil, err
	}
	findings, _ := vuln.Score(hits, facts, levels)
	return findings, nil
}

// factsOf gives what is known of the CVEs of findings that may be scored apart, because not all of their CVEs count.
func factsOf(ctx context.Context, view *catalogue.View, set *risk.Set, findings []posture.Finding) (func(string) vuln.Facts, error) {
	var cves []string
	for i := range findings {
		if f := &findings[i]; len(f.CVEs) > 1 && !set.Empty() {
			cves = append(cves, f.CVEs...)
		}
	}
	slices.Sort(cves)
	return view.Facts(ctx, slices.Compact(cves))
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
