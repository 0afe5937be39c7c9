package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// joinRule is a rule for tests: devices join whose host name begins with the text; of those whose begins with ? it cannot
// be told.
type joinRule string

// Holds implements device.JoinRule.
func (r joinRule) Holds(report *posture.Report) (bool, error) {
	if strings.HasPrefix(report.HostName, "?") {
		return false, errors.New("cannot be told")
	}
	return strings.HasPrefix(report.HostName, string(r)), nil
}

// CompileJoin is a device.CompileJoin for tests. A rule is a text that begins with a letter.
func CompileJoin(rule string) (device.JoinRule, error) {
	if strings.Trim(rule[:1], "abcdefghijklmnopqrstuvwxyz") != "" {
		return nil, errs.New(errs.Invalid, "a rule begins with a letter")
	}
	return joinRule(rule), nil
}

// joinable makes a group that devices join by a rule or a domain.
func (b *bench) joinable(t *testing.T, name, rule, domain string, order int) posture.GroupID {
	t.Helper()
	g, err := b.svc.CreateGroup(t.Context(), b.account, device.GroupChange{Name: &name, JoinRule: &rule, Domain: &domain, JoinOrder: &order}, "")
	check(t, err)
	b.clock.advance(2 * time.Second)
	return g.ID
}

// testJoiningAtEnrolment: which of the ways into a group counts for most.
func testJoiningAtEnrolment(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	open := b.group(t, "Open", true)
	late, early := b.joinable(t, "Late", "lab", "", 5), b.joinable(t, "Early", "lab-1", "", -5)
	domain := b.joinable(t, "Domain", "", "Corp.Example", 0)
	for i, c := range []struct {
		name   string
		reg    device.Registration
		group  posture.GroupID
		pinned bool
	}{
		{"nothing wants it", device.Registration{HostName: "office-1"}, posture.DefaultGroup, false},
		{"one rule", device.Registration{HostName: "lab-2"}, late, false},
		{"two rules: the order decides", device.Registration{HostName: "lab-1"}, early, false},
		{"a domain, whatever the letter case", device.Registration{HostName: "office-2", Domain: "CORP.example"}, domain, false},
		{"a rule counts for more than a domain", device.Registration{HostName: "lab-3", Domain: "corp.example"}, late, false},
		{"the domain of a user", device.Registration{HostName: "pc", Users: []posture.User{{Name: "kari", Domain: "corp.example"}}}, domain, false},
		{"a user of the machine itself", device.Registration{HostName: "corp.example", Users: []posture.User{{Name: "kari", Domain: "CORP.EXAMPLE"}}}, posture.DefaultGroup, false},
		{"the domain of the machine counts for more than its users'", device.Registration{HostName: "pc", Domain: "else", Users: []posture.User{{Name: "kari", Domain: "corp.example"}}}, posture.DefaultGroup, false},
		{"what the agent names counts for more than a rule", device.Registration{HostName: "lab-4", GroupID: fmt.Sprint(open)}, open, true},
		{"it cannot be told", device.Registration{HostName: "?"}, posture.DefaultGroup, false},
	} {
		c.reg.HardwareID = fmt.Sprintf("HW-%04d", i)
		d := b.device(t, b.enrol(t, c.reg).DeviceID)
		if d.Cell.Group != c.group || d.Pinned != c.pinned {
			t.Errorf("%s: in group %d, want %d, pinned %v", c.name, d.Cell.Group, c.group, d.Pinned)
		}
	}
	// One that comes back is asked again, unless somebody chose its group.
	for name, back := range map[string]struct {
		hardware string
		want     posture.GroupID
	}{"chosen": {"HW-0008", open}, "not chosen": {"HW-0000", late}} {
		check(t, b.svc.Delete(ctx, b.account, b.device(t, back.hardware).ID))
		d := b.device(t, b.enrol(t, device.Registration{HardwareID: back.hardware, HostName: "lab-9"}).DeviceID)
		if d.Cell.Group != back.want {
			t.Errorf("%s and back: in group %d", name, d.Cell.Group)
		}
	}
	for name, c := range map[string]device.GroupChange{"create": {Name: new("x"), JoinRule: new("9")}, "update": {JoinRule: new(" 9")}} {
		err := second(b.svc.UpdateGroup(ctx, b.account, open, c, ""))
		if name == "create" {
			err = second(b.svc.CreateGroup(ctx, b.account, c, ""))
		}
		if wrong, ok := errors.AsType[*errs.Error](err); !ok || wrong.Code != errs.Invalid || wrong.Field != "join_rule" {
			t.Errorf("%s with a rule that is none: %v", name, err)
		}
	}
	b.members(t)
}

// testJoiningByReport moves devices by what they come to report.
func testJoiningByReport(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	plain := b.group(t, "Plain", false)
	lab := b.joinable(t, "Lab", "lab", "", 0)
	domain := b.joinable(t, "Domain", "", "corp.example", 0)
	both := b.joinable(t, "Both", "both", "both.example", 0)
	b.svc = judgedBy(b.Store, b.clock, &strict{group: lab})
	id := b.enrol(t, device.Registration{}).DeviceID
	ref := device.Ref{Account: b.account, ID: id}
	n := 0
	report := func(host, domain string) {
		t.Helper()
		n++
		r := posture.Report{OS: posture.OS{Name: "3/0/0"}, HostName: host, Domain: domain}
		check(t, b.svc.Report(ctx, ref, Submission(r, fmt.Sprint("3/0/0||", host, n))))
		b.clock.advance(2 * time.Second)
	}
	for _, step := range []struct {
		host, domain string
		want         posture.GroupID
	}{
		{"pc", "", posture.DefaultGroup}, {"lab-1", "", lab}, {"?", "", lab}, {"pc", "", posture.DefaultGroup},
		{"pc", "corp.example", domain}, {"pc", "", domain}, {"pc", "other.example", posture.DefaultGroup},
		{"both-1", "", both}, {"pc", "", both}, {"?", "other.example", both}, {"pc", "both.example", both}, {"pc", "other.example", posture.DefaultGroup},
		{"lab-2", "corp.example", lab}, {"pc", "corp.example", domain},
	} {
		report(step.host, step.domain)
		d := b.device(t, id)
		status := posture.StatusCompliant
		if step.want == lab {
			status = posture.StatusNonCompliant
		}
		if d.Cell.Group != step.want || d.Cell.Status != status {
			t.Errorf("%s in %q: in group %d, want %d; %v", step.host, step.domain, d.Cell.Group, step.want, d.Cell.Status)
		}
		CheckCounts(ctx, t, b.Store, b.account)
	}
	b.act(t, device.ActAssignGroup, id) // to the default group: now it is pinned
	report("lab-3", "corp.example")
	if d := b.device(t, id); d.Cell.Group != posture.DefaultGroup {
		t.Errorf("a rule took a device that somebody had put into group %d", d.Cell.Group)
	}
	wantCode(t, b.svc.Unpin(ctx, Account(t, b.Store, "other", 10), id), errs.NotFound)
	check(t, b.svc.Unpin(ctx, b.account, id))
	report("lab-4", "corp.example")
	if d := b.device(t, id); d.Cell.Group != lab || d.Pinned {
		t.Errorf("no longer pinned: in group %d", d.Cell.Group)
	}
	other := b.enrol(t, device.Registration{}).DeviceID
	check(t, second(b.svc.UpdateGroup(ctx, b.account, plain, device.GroupChange{JoinRule: new("pc"), JoinOrder: new(-1)}, "")))
	check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: other}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}, HostName: "pc"}, "3/0/0||pc")))
	if d := b.device(t, other); d.Cell.Group != plain {
		t.Errorf("a rule that was made just now: in group %d", d.Cell.Group)
	}
	got := b.recorded(t, id)
	if !slices.Contains(got, "moved  Lab, by its rule") || !slices.Contains(got, "moved  Domain, by its domain") ||
		!slices.Contains(got, "moved  Default, since no group wants it any more") {
		t.Errorf("recorded: %v", got)
	}
	CheckRecord(ctx, t, b.svc, b.account)
}

// testApplyingRules moves the devices that are there when a rule is changed.
func testApplyingRules(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	id := map[string]string{}
	for _, host := range []string{"lab-1", "lab-2", "lab-pinned", "pc", "lab-installed", "lab-unreadable"} {
		id[host] = b.enrol(t, device.Registration{}).DeviceID
		body := "3/0/0||" + host
		switch host {
		case "lab-installed":
			continue
		case "lab-unreadable":
			body = "nonsense"
		case "lab-pinned":
			b.act(t, device.ActAssignGroup, id[host])
		}
		check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id[host]}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}, HostName: host}, body)))
	}
	lab := b.joinable(t, "Lab", "lab", "", 0)
	b.svc = judgedBy(b.Store, b.clock, &strict{group: lab})
	if d := b.device(t, id["lab-1"]); d.Cell.Group != posture.DefaultGroup {
		t.Error("it did not wait")
	}
	// What it reported before it reports again: that says nothing new, and is not looked at.
	check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id["lab-1"]}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}, HostName: "lab-1"}, "3/0/0||lab-1")))
	if d := b.device(t, id["lab-1"]); d.Cell.Group != posture.DefaultGroup {
		t.Error("an unchanged report was looked at")
	}
	if n, err := b.svc.ApplyRules(ctx, other); err != nil || n != 0 {
		t.Errorf("another account: %d moved, %v", n, err)
	}
	if n, err := b.svc.ApplyRules(ctx, b.account); err != nil || n != 2 {
		t.Errorf("%d moved, %v", n, err)
	}
	for host, id := range id {
		want, status := posture.DefaultGroup, posture.StatusCompliant
		switch host {
		case "lab-1", "lab-2":
			want, status = lab, posture.StatusNonCompliant
		case "lab-installed":
			status = posture.StatusInstalled
		}
		if d := b.device(t, id); d.Cell.Group != want || d.Cell.Status != status {
			t.Errorf("%s: in group %d, %v", host, d.Cell.Group, d.Cell.Status)
		}
	}
	if tally, next, err := b.svc.ApplyRulesTo(ctx, b.account, ""); err != nil || next != "" || tally != (device.Tally{Done: 6}) {
		t.Errorf("once more: %+v, %q, %v", tally, next, err)
	}
	wantCode(t, third(b.svc.ApplyRulesTo(ctx, b.account, "nowhere")), errs.Invalid)
	if n, err := b.svc.ApplyRules(ctx, b.account); err != nil || n != 0 {
		t.Errorf("once more: %d moved, %v", n, err)
	}
	CheckCounts(ctx, t, b.Store, b.account)
}

// testJoiningAtOnce has devices report themselves into groups while those come and go.
func testJoiningAtOnce(t *testing.T, e Engine) {
	o := e.New(t)
	b := &bench{Store: Open(t, o), clock: &clock{time.Now()}}
	b.svc, b.account = service(b.Store, time.Now), Account(t, b.Store, "acme", 1000)
	services := []*device.Service{b.svc}
	if b.SharedLimits() {
		services = append(services, service(Open(t, o), time.Now))
	}
	var id []string
	for range 6 {
		id = append(id, b.enrol(t, device.Registration{}).DeviceID)
	}
	ctx := t.Context()
	var wg sync.WaitGroup
	for worker := range len(id) {
		svc := services[worker%len(services)]
		wg.Go(func() {
			for i := range 15 {
				rule := fmt.Sprintf("host-%d-%d", worker, i)
				g, err := svc.CreateGroup(ctx, b.account, device.GroupChange{Name: &rule, JoinRule: &rule}, "")
				if err != nil {
					t.Error(err)
					return
				}
				r := posture.Report{OS: posture.OS{Name: "3/0/0"}, HostName: rule}
				err = svc.Report(ctx, device.Ref{Account: b.account, ID: id[worker]}, Submission(r, "3/0/0||"+rule))
				if err != nil {
					t.Error(err)
				}
				if d := b.device(t, id[worker]); d.Cell.Group != g.ID {
					t.Errorf("in group %d, want %d", d.Cell.Group, g.ID)
				}
				_, err = services[i%len(services)].DissolveGroup(ctx, b.account, g.ID, posture.DefaultGroup, nil, "")
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := b.members(t); len(got) != 1 || got[posture.DefaultGroup] != int64(len(id)) {
		t.Errorf("left: %v", got)
	}
	CheckRecord(ctx, t, b.svc, b.account)
}
