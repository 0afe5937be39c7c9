package device

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// JoinRule says which devices join a group by themselves. Many goroutines may ask it at once.
type JoinRule interface {
	// Holds reports whether a device joins by what it reported. An error says that this cannot be told.
	Holds(r *posture.Report) (bool, error)
}

// CompileJoin reads a joining rule. Invalid: it is none.
type CompileJoin func(rule string) (JoinRule, error)

// joinLife is how long the rules of an account are believed without looking again: changes made by another process take
// effect after it, those made by this one at once.
const joinLife = time.Second

// joiner knows by which rules the devices of each account join groups. An account whose groups have neither rules nor
// domains costs a look into a map.
type joiner struct {
	groups  Groups
	compile CompileJoin
	now     func() time.Time
	log     *slog.Logger

	mu       sync.Mutex
	accounts map[posture.AccountID]*joinRules
	// changes counts what made rules wrong that are being loaded.
	changes uint64
}

// joinRules are those of one account. They are never changed once made.
type joinRules struct {
	until  time.Time
	groups []joinable
}

// joinable is a group that devices join by themselves.
type joinable struct {
	id     posture.GroupID
	text   string
	rule   JoinRule // nil for none
	domain string   // in lower case; "" for none
}

func newJoiner(groups Groups, compile CompileJoin, now func() time.Time, log *slog.Logger) *joiner {
	return &joiner{groups: groups, compile: compile, now: now, log: log, accounts: make(map[posture.AccountID]*joinRules)}
}

// rules gives those of an account, from memory where they are fresh.
func (j *joiner) rules(ctx context.Context, account posture.AccountID) (*joinRules, error) {
	now := j.now()
	j.mu.Lock()
	known, changes := j.accounts[account], j.changes
	j.mu.Unlock()
	if known != nil && now.Before(known.until) && !now.Add(joinLife).Before(known.until) {
		return known, nil
	}
	list, err := j.groups.Joinable(ctx, account)
	if err != nil {
		return nil, err
	}
	fresh := &joinRules{until: now.Add(joinLife), groups: j.prepare(list, known)}
	j.mu.Lock()
	if j.changes == changes {
		j.accounts[account] = fresh
	}
	j.mu.Unlock()
	return fresh, nil
}

// forget makes a change of rules take effect at once.
func (j *joiner) forget(account posture.AccountID) {
	j.mu.Lock()
	delete(j.accounts, account)
	j.changes++
	j.mu.Unlock()
}

// prepare puts groups into the order in which they are asked, and compiles the rules that were not known before. A rule
// that cannot be read lets nobody in.
func (j *joiner) prepare(list []Group, known *joinRules) []joinable {
	slices.SortFunc(list, func(a, b Group) int { return cmp.Or(cmp.Compare(a.JoinOrder, b.JoinOrder), cmp.Compare(a.ID, b.ID)) })
	out := make([]joinable, 0, len(list))
	for i := range list {
		g := joinable{id: list[i].ID, text: list[i].JoinRule, domain: strings.ToLower(list[i].Domain)}
		if g.text != "" {
			g.rule = known.compiled(g.text)
		}
		if g.text != "" && g.rule == nil {
			rule, err := j.compile(g.text)
			if err != nil {
				j.log.Error("a joining rule cannot be read; nobody joins by it", "group", g.id, "error", err)
			} else {
				g.rule = rule
			}
		}
		out = append(out, g)
	}
	return out
}

func (r *joinRules) compiled(text string) JoinRule {
	if r == nil {
		return nil
	}
	for i := range r.groups {
		if r.groups[i].text == text {
			return r.groups[i].rule
		}
	}
	return nil
}

// choice is a group and why a device is in it.
type choice struct {
	group posture.GroupID
	why   string
}

// choose gives the group in which a device is to be by what it reports: the first whose rule holds; else the first that
// has its domain. A group that wanted it no longer, by rule or domain, sends it to the default one. Group 0 leaves it
// where it is: nothing wants it elsewhere, or it cannot be told whether its own group still does.
func (r *joinRules) choose(report *posture.Report, now posture.GroupID) choice {
	stays := true
	for i := range r.groups {
		g := &r.groups[i]
		if g.rule == nil {
			continue
		}
		holds, err := g.rule.Holds(report)
		switch {
		case err == nil && holds:
			return choice{g.id, "by its rule"}
		case g.id == now:
			stays = err != nil
		}
	}
	domains := domainsOf(report)
	for i := range r.groups {
		g := &r.groups[i]
		if g.domain == "" {
			continue
		}
		if slices.Contains(domains, g.domain) {
			return choice{g.id, "by its domain"}
		}
		if g.id == now {
			stays = len(domains) == 0 || g.rule != nil && stays
		}
	}
	if stays || now == posture.DefaultGroup {
		return choice{}
	}
	return choice{posture.DefaultGroup, "since no group wants it any more"}
}

// domainsOf gives the directory domains that a machine is known to be in, in lower case: its own, or, of agents that do
// not say that, those of its users that are not the machine itself.
func domainsOf(r *posture.Report) []string {
	if r.Domain != "" {
		return []string{strings.ToLower(r.Domain)}
	}
	var out []string
	for i := range r.Users {
		domain := strings.ToLower(r.Users[i].Domain)
		if domain != "" && !strings.EqualFold(domain, r.HostName) && !slices.Contains(out, domain) {
			out = append(out, domain)
		}
	}
	return out
}

// report gives what a registration says as a report, which says more.
func (r *Registration) report() *posture.Report {
	return &posture.Report{
		HardwareID: r.HardwareID, Serial: r.Serial, DeviceName: r.Name, HostName: r.HostName, AgentVersion: r.AgentVersion,
		DeviceType: r.Type, OS: r.OS, Adapters: r.Adapters, Domain: r.Domain, Users: r.Users,
	}
}

// joinByReport moves a device to the group that it is to be in by what it reports, and says whether it did. One whose
// group somebody chose stays.
func (s *Service) joinByReport(ctx context.Context, ref Ref, d *Device, report *posture.Report) (moved bool, err error) {
	if d.Pinned {
		return false, nil
	}
	rules, err := s.joins.rules(ctx, ref.Account)
	if err != nil || len(rules.groups) == 0 {
		return false, err
	}
	to := rules.choose(report, d.Cell.Group)
	if to.group == 0 || to.group == d.Cell.Group {
		return false, nil
	}
	moved, err = s.relocate(ctx, ref, relocation{group: to.group, note: note{at: s.clock(), kind: event.Moved, detail: to.why}})
	if errs.Is(err, errs.NotFound) {
		s.joins.forget(ref.Account) // the device or the group has gone meanwhile; who reports finds out which
		return false, nil
	}
	return moved, err
}

// applyPage is how many devices ApplyRulesTo looks at.
const applyPage = 200

// ApplyRules moves every device of an account that is in another group than it is to be by what it last reported, as its
// next new report would, and says how many that were. If it breaks off, those that were moved stay so, and doing it again
// does the rest. Reports wait for none of it longer than for one move.
func (s *Service) ApplyRules(ctx context.Context, account posture.AccountID) (int, error) {
	total := 0
	for position := ""; ; {
		t, next, err := s.ApplyRulesTo(ctx, account, position)
		total += int(t.Changed)
		if err != nil || next == "" {
			return total, err
		}
		position = next
	}
}

// ApplyRulesTo is ApplyRules for the few devices behind a position, which may be stored; next is "" at the end.
func (s *Service) ApplyRulesTo(ctx context.Context, account posture.AccountID, position string) (t Tally, next string, err error) {
	if position == "" {
		s.joins.forget(account) // they may have been changed a moment ago, by another process
	}
	list, next, err := s.store.Select(ctx, account, Query{
		Filter: Filter{Managed: posture.Yes}, Window: page.Window{After: position, Limit: applyPage},
	})
	if err != nil {
		return Tally{}, "", err
	}
	var changed atomic.Int64
	err = allAtOnce(list, func(d Device) error {
		moved, err := s.applyRules(ctx, &d)
		if moved {
			changed.Add(1)
		}
		return cmp.Or(err, ctx.Err())
	})
	return Tally{Done: int64(len(list)), Changed: changed.Load()}, next, err
}

func (s *Service) applyRules(ctx context.Context, d *Device) (bool, error) {
	if d.Pinned || !d.Monitored() || d.ReportedAt.IsZero() {
		return false, nil
	}
	ref := Ref{Account: d.Account, ID: d.ID}
	body, err := s.store.Report(ctx, d.Account, d.ID)
	if err != nil {
		return false, unlessGone(err)
	}
	report, err := s.storedReport(d, body)
	if err != nil {
		s.log.Error("a stored report cannot be read; the device stays in its group until the next one", "device", d.ID, "error", err)
		return false, nil
	}
	moved, err := s.joinByReport(ctx, ref, d, report)
	if err != nil || !moved {
		return false, err
	}
	return true, s.judgeMoved(ctx, ref)
}

// checkJoinRule refuses a rule that nobody could join by.
func (s *Service) checkJoinRule(c GroupChange) error {
	if c.JoinRule == nil || strings.TrimSpace(*c.JoinRule) == "" {
		return nil
	}
	_, err := s.joins.compile(strings.TrimSpace(*c.JoinRule))
	if errs.Is(err, errs.Invalid) {
		return errs.InvalidField("join_rule", "join_rule: %v", err)
	}
	return err
}
