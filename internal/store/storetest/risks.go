package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/run"
	"muster/internal/store"
)

// risks gives what the accounts of a store say of vulnerabilities.
func risks(s *store.Store, now func() time.Time, judge func(context.Context, posture.AccountID, string) error) *risk.Service {
	return risk.New(risk.Options{Store: s, Now: now, Random: rand.Reader, Wake: func() {}, Judge: judge})
}

func (b *bench) risks() *risk.Service { return risks(b.Store, b.clock.now, b.svc.JudgeNow) }

// openRuns gives what the open runs of an account are about.
func (b *bench) openRuns(t *testing.T) []run.Params {
	t.Helper()
	list, err := b.OpenRuns(t.Context(), run.Reevaluate)
	check(t, err)
	var out []run.Params
	for _, r := range list {
		if r.Account == b.account {
			out = append(out, r.Params)
		}
	}
	return out
}

func testRisks(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	svc := b.risks()
	other := Account(t, b.Store, "other", 10)
	lab := b.group(t, "Lab", false)
	one := b.enrol(t, device.Registration{}).DeviceID
	b.report(t, one, "3/0/0", posture.Report{})
	set, err := svc.Active(ctx, b.account)
	if err != nil || set.Revision() != 0 || set.Thresholds() != (risk.Thresholds{Critical: 75, Important: 50, Moderate: 25}) {
		t.Fatalf("a new account has %+v, %v", set, err)
	}
	until := b.clock.at.Add(time.Hour)
	r, err := svc.Accept(ctx, b.account, &risk.Acceptance{
		Vulnerability: "cve-2024-0001", Product: risk.Product{Name: "lib", Ecosystem: "Debian:12", Versions: []string{"1", "2"}}, Group: lab,
		Reason: " it is behind a wall ", Author: "Anna", Actor: "app-1", Until: until,
	})
	check(t, err)
	want := risk.Risk{
		Account: b.account, ID: r.ID, Source: risk.Accepted, Vulnerability: "CVE-2024-0001",
		Product: risk.Product{Name: "lib", Ecosystem: "Debian:12", Versions: []string{"1", "2"}}, Group: lab, Reason: "it is behind a wall", Author: "Anna",
		CreatedAt: b.clock.at, Until: until,
	}
	got, err := svc.Get(ctx, b.account, r.ID)
	if diff := cmp.Diff(want, got) + cmp.Diff(want, r); err != nil || diff != "" {
		t.Fatalf("%s, %v", diff, err)
	}
	if diff := cmp.Diff([]run.Params{{Group: lab, Anew: true, CVEs: []string{"CVE-2024-0001"}}}, b.openRuns(t)); diff != "" {
		t.Errorf("runs: %s", diff)
	}
	set, err = svc.Active(ctx, b.account)
	f := posture.Finding{ID: "D-1", CVEs: []string{"CVE-2024-0001"}, Product: "lib", Ecosystem: "Debian:12", Version: "2"}
	if a, ok := set.Accept(&f, "CVE-2024-0001", risk.Place{Group: lab}, b.clock.at); err != nil || !ok || a.ID != r.ID || !a.Until.Equal(until) || set.Revision() != 1 {
		t.Errorf("accepted by %+v at revision %d, %v, %v", a, set.Revision(), ok, err)
	}
	b.refusedRisks(t, svc, one)
	b.revokedRisks(t, svc, r, one)
	b.aloneRisks(t, svc, other, r.ID)
}

// refusedRisks: what makes no sense is refused, with the name of what is wrong, and nothing is stored.
func (b *bench) refusedRisks(t *testing.T, svc *risk.Service, device string) {
	t.Helper()
	for name, c := range map[string]struct {
		a     risk.Acceptance
		field string
	}{
		"no id":            {risk.Acceptance{Vulnerability: "CVE-1", Reason: "x"}, "vulnerability"},
		"no reason":        {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: " "}, "reason"},
		"a long reason":    {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: strings.Repeat("x", 1<<20)}, "reason"},
		"two lines":        {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "a\nb"}, "reason"},
		"turned around":    {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "a\u202eb"}, "reason"},
		"no UTF-8":         {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "\xff"}, "reason"},
		"nobody":           {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Author: "a\x00"}, "author"},
		"any product":      {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Product: risk.Product{Name: "**"}}, "product"},
		"over already":     {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Until: b.clock.at}, "until"},
		"almost for good":  {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Until: b.clock.at.AddDate(10, 0, 1)}, "until"},
		"no device":        {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Device: "nobody\x00"}, "device"},
		"no group":         {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Group: 77}, "group"},
		"group and device": {risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Group: 1, Device: device}, "device"},
	} {
		_, err := svc.Accept(t.Context(), b.account, &c.a)
		wantCode(t, err, errs.Invalid)
		if known, _ := err.(*errs.Error); known == nil || known.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if revision, err := b.RiskRevision(t.Context(), b.account); err != nil || revision != 1 {
		t.Errorf("what was refused was counted: %d, %v", revision, err)
	}
	wantCode(t, second(svc.Accept(t.Context(), 99, &risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x"})), errs.NotFound)
}

// revokedRisks: an entry ends once, stays on record, and what ends it has devices judged anew.
func (b *bench) revokedRisks(t *testing.T, svc *risk.Service, r risk.Risk, device string) {
	t.Helper()
	ctx := t.Context()
	wantCode(t, second(svc.Revoke(ctx, b.account, r.ID, "", "app-2", nil)), errs.Invalid)
	wantCode(t, second(svc.Revoke(ctx, b.account, r.ID, "x", "app-2", new(int64(2)))), errs.Stale)
	b.clock.advance(time.Minute)
	ended, err := svc.Revoke(ctx, b.account, r.ID, "the wall fell", "app-2", new(int64(1)))
	if err != nil || ended.Revoked != (risk.Revocation{At: b.clock.at, By: "app-2", Reason: "the wall fell"}) || ended.StateAt(b.clock.at) != risk.Revoked {
		t.Errorf("revoked: %+v, %v", ended, err)
	}
	wantCode(t, second(svc.Revoke(ctx, b.account, r.ID, "again", "app-2", nil)), errs.Conflict)
	b.clock.advance(time.Second)
	// One about a single device has no run; the device is due at once, whatever becomes of judging it.
	own, err := svc.Accept(ctx, b.account, &risk.Acceptance{Vulnerability: "CVE-2024-0002", Device: device, Reason: "x", Actor: "app-3", Until: b.clock.at.Add(time.Hour)})
	if err != nil || own.Author != "app-3" || len(b.openRuns(t)) != 1 {
		t.Errorf("%+v, %v", own, err)
	}
	b.clock.advance(time.Second)
	broken := risks(b.Store, b.clock.now, func(context.Context, posture.AccountID, string) error {
		return errs.New(errs.Unavailable, "out of order")
	})
	_, err = broken.Accept(ctx, b.account, &risk.Acceptance{Vulnerability: "CVE-2024-0003", Device: device, Reason: "x", Actor: "app-3"})
	check(t, err)
	if due, err := b.Due(ctx, b.account, b.clock.at, 10); err != nil || !slices.Equal(due, []string{device}) {
		t.Errorf("due: %v, %v", due, err)
	}
	b.clock.at = own.Until
	wantCode(t, second(svc.Revoke(ctx, b.account, own.ID, "too late", "app-2", nil)), errs.Conflict)
	if revision, err := b.RiskRevision(ctx, b.account); err != nil || revision != 4 {
		t.Errorf("revision %d, %v", revision, err)
	}
	events := allEvents(ctx, t, b.svc, b.account, deviceEvents(event.RiskAccepted, event.RiskRevoked))
	var words []string
	for _, x := range events {
		words = append(words, fmt.Sprintf("%s %s: %s", x.Kind, x.Actor, strings.ReplaceAll(x.Detail, device, "ID")))
	}
	slices.Sort(words)
	if diff := cmp.Diff([]string{
		"risk_accepted app-1: CVE-2024-0001 in lib in group 2: it is behind a wall", "risk_accepted app-3: CVE-2024-0002 on device ID: x",
		"risk_accepted app-3: CVE-2024-0003 on device ID: x", "risk_revoked app-2: CVE-2024-0001 in lib in group 2: the wall fell",
	}, words); diff != "" {
		t.Error(diff)
	}
}

func deviceEvents(kinds ...event.Kind) device.EventQuery {
	return device.EventQuery{Kinds: kinds, Window: page.Window{Limit: 50}}
}

// aloneRisks: lists tell by state, and no account sees anything of another.
func (b *bench) aloneRisks(t *testing.T, svc *risk.Service, other posture.AccountID, id string) {
	t.Helper()
	ctx := t.Context()
	list := func(account posture.AccountID, q risk.Query) string {
		var out []string
		for q.Limit = 1; ; {
			part, next, err := svc.List(ctx, account, q)
			check(t, err)
			for i := range part {
				out = append(out, strings.TrimPrefix(part[i].Vulnerability, "CVE-2024-000"))
			}
			if next == "" {
				return strings.Join(out, "")
			}
			q.After = next
		}
	}
	for _, c := range []struct {
		q    risk.Query
		want string
	}{
		{risk.Query{}, "321"}, {risk.Query{State: risk.Active}, "3"}, {risk.Query{State: risk.Lapsed}, "2"}, {risk.Query{State: risk.Revoked}, "1"},
		{risk.Query{Vulnerability: "CVE-2024-0002"}, "2"}, {risk.Query{Group: 2}, "1"}, {risk.Query{Group: 3}, ""}, {risk.Query{Source: risk.VEX}, ""},
		{risk.Query{Device: "\xff"}, ""}, {risk.Query{Source: risk.Accepted, State: risk.Active}, "3"},
	} {
		if got := list(b.account, c.q); got != c.want {
			t.Errorf("%+v gives %s, want %s", c.q, got, c.want)
		}
		if got := list(other, c.q); got != "" {
			t.Errorf("%+v gives %s to another account", c.q, got)
		}
	}
	wantCode(t, second(svc.Get(ctx, other, id)), errs.NotFound)
	wantCode(t, second(svc.Get(ctx, b.account, "\x00")), errs.NotFound)
	wantCode(t, second(svc.Revoke(ctx, other, id, "x", "y", nil)), errs.NotFound)
	own, _, err := svc.List(ctx, b.account, risk.Query{State: risk.Active, Window: page.Window{Limit: 1}})
	check(t, err)
	_, err = svc.Accept(ctx, other, &risk.Acceptance{Vulnerability: "CVE-2024-0001", Device: own[0].Device, Reason: "x"})
	wantCode(t, err, errs.Invalid)
	_, err = svc.Active(ctx, 99)
	wantCode(t, err, errs.NotFound)
	set, err := svc.Active(ctx, other)
	if err != nil || set.Revision() != 0 {
		t.Errorf("another account is at revision %d, %v", set.Revision(), err)
	}
}

// testStatements takes over VEX documents: the newest statement about a vulnerability and product holds, in whichever order
// they come.
func testStatements(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	svc, began := b.risks(), b.clock.at
	doc := func(day int, status risk.Status, products ...string) *risk.Document {
		return &risk.Document{ID: fmt.Sprint("doc-", day), Author: "Vendor", Statements: []risk.Said{{
			Vulnerability: "GHSA-aaaa-bbbb-cccc", Aliases: []string{"CVE-2024-0001"}, Products: products, Status: status,
			Justification: "vulnerable_code_not_present", Text: "we\tlooked\n", At: began.AddDate(0, 0, day-10),
		}}}
	}
	take := func(want string, d *risk.Document) {
		t.Helper()
		revision, err := b.RiskRevision(ctx, b.account)
		check(t, err)
		got, err := svc.Import(ctx, b.account, []*risk.Document{d}, "app-1")
		if text := fmt.Sprintf("%d added, %d lifted, %d unchanged, %d skipped", got.Added, got.Lifted, got.Unchanged, len(got.Skipped)); err != nil || text != want {
			t.Errorf("%s: %s, %v", d.ID, text, err)
		}
		after, err := b.RiskRevision(ctx, b.account)
		if err != nil || (after != revision) != (got.Added+got.Lifted > 0) {
			t.Errorf("%s: revision %d after %d, %v", d.ID, after, revision, err)
		}
		b.clock.advance(time.Second)
	}
	holds := func(want string) {
		t.Helper()
		set, err := svc.Active(ctx, b.account)
		check(t, err)
		var out []string
		for _, product := range []string{"lib", "tool"} {
			f := posture.Finding{ID: "D-1", CVEs: []string{"CVE-2024-0001"}, Product: product, Ecosystem: "npm", Version: "1"}
			if a, ok := set.Accept(&f, "CVE-2024-0001", risk.Place{}, b.clock.at); ok {
				out = append(out, product+" "+a.Reason+" by "+a.By)
			}
		}
		if got := strings.Join(out, ", "); got != want {
			t.Errorf("what holds is %q, want %q", got, want)
		}
	}
	take("2 added, 0 lifted, 0 unchanged, 1 skipped", doc(3, risk.NotAffected, "pkg:npm/lib", "tool", "pkg:oci/image"))
	holds("lib not_affected: vulnerable_code_not_present: we looked by Vendor, tool not_affected: vulnerable_code_not_present: we looked by Vendor")
	if diff := cmp.Diff([]run.Params{{Anew: true, CVEs: []string{"CVE-2024-0001", "GHSA-aaaa-bbbb-cccc"}}}, b.openRuns(t)); diff != "" {
		t.Errorf("runs: %s", diff)
	}
	take("0 added, 0 lifted, 2 unchanged, 1 skipped", doc(3, risk.NotAffected, "pkg:npm/lib", "tool", "pkg:oci/image"))
	take("0 added, 0 lifted, 1 unchanged, 0 skipped", doc(2, risk.Affected, "pkg:npm/lib"))
	take("0 added, 1 lifted, 0 unchanged, 0 skipped", doc(3, risk.Affected, "pkg:npm/lib"))
	take("0 added, 0 lifted, 1 unchanged, 0 skipped", doc(3, risk.NotAffected, "pkg:npm/lib"))
	holds("tool not_affected: vulnerable_code_not_present: we looked by Vendor")
	take("1 added, 0 lifted, 0 unchanged, 0 skipped", doc(4, risk.Fixed, "pkg:npm/LIB"))
	take("0 added, 1 lifted, 0 unchanged, 0 skipped", doc(5, risk.UnderInvestigation, "tool"))
	holds("lib fixed: vulnerable_code_not_present: we looked by Vendor")
	// Somebody knows better than the document, which does not come back by being read again.
	list, _, err := svc.List(ctx, b.account, risk.Query{State: risk.Active, Source: risk.VEX, Window: page.Window{Limit: 50}})
	check(t, err)
	for i := range list {
		if list[i].Accepts() {
			check(t, second(svc.Revoke(ctx, b.account, list[i].ID, "not so", "app-2", nil)))
		}
	}
	holds("")
	take("0 added, 0 lifted, 1 unchanged, 0 skipped", doc(4, risk.Fixed, "pkg:npm/lib"))
	holds("")
	take("1 added, 0 lifted, 0 unchanged, 0 skipped", doc(6, risk.NotAffected, "pkg:npm/lib"))
	holds("lib not_affected: vulnerable_code_not_present: we looked by Vendor")
	for name, bad := range map[string]*risk.Document{
		"empty": {ID: "x"}, "no product": doc(9, risk.Fixed), "no status": doc(9, "unknown", "lib"), "to come": doc(20, risk.Fixed, "lib"),
		"no id": {Statements: []risk.Said{{Vulnerability: "?", Products: []string{"lib"}, Status: risk.Fixed, At: b.clock.at}}},
	} {
		if _, err := svc.Import(ctx, b.account, []*risk.Document{bad}, "app-1"); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantCode(t, second(svc.Import(ctx, 99, []*risk.Document{doc(9, risk.Fixed, "lib")}, "app-1")), errs.NotFound)
	if history, _, err := svc.List(ctx, b.account, risk.Query{Window: page.Window{Limit: 50}}); err != nil || len(history) != 6 {
		t.Errorf("%d entries are on record, %v", len(history), err)
	}
}

// testRisksAtOnce has many revoke and accept at once: each entry ends once, and every change is counted.
func testRisksAtOnce(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	svc := b.risks()
	r, err := svc.Accept(ctx, b.account, &risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x"})
	check(t, err)
	var all sync.WaitGroup
	var ended atomic.Int64
	for i := range 8 {
		all.Go(func() {
			_, err := svc.Revoke(ctx, b.account, r.ID, fmt.Sprint("caller ", i), "app", nil)
			if err == nil {
				ended.Add(1)
			} else if !errs.Is(err, errs.Conflict) {
				t.Error(err)
			}
			_, err = svc.Accept(ctx, b.account, &risk.Acceptance{Vulnerability: fmt.Sprint("CVE-2024-100", i), Reason: "x"})
			if err != nil {
				t.Error(err)
			}
			_, err = svc.Active(ctx, b.account)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	set, err := svc.Active(ctx, b.account)
	if err != nil || ended.Load() != 1 || set.Revision() != 10 {
		t.Errorf("ended %d times, revision %d, %v", ended.Load(), set.Revision(), err)
	}
	// What another server changed shows within a second.
	far := b.risks()
	check(t, second(far.Accept(ctx, b.account, &risk.Acceptance{Vulnerability: "CVE-2024-0009", Reason: "x"})))
	b.clock.advance(time.Second)
	set, err = svc.Active(ctx, b.account)
	if err != nil || set.Revision() != 11 {
		t.Errorf("revision %d after a second, %v", set.Revision(), err)
	}
}

// testVulnerabilityLevels: other levels move the revision with the settings, and have everything judged anew, once.
func testVulnerabilityLevels(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	var told int
	ids := identity.New(identity.Options{
		Accounts: b.Store, Applications: b.Store, Tokens: b.Store, Settings: b.Store, Codes: b.Store, Now: b.clock.now,
		Rejudging: func(posture.AccountID) { told++ },
	})
	set := func(change func(*identity.Settings)) error {
		return second3(ids.UpdateSettings(ctx, b.account, nil, func(s *identity.Settings) error { change(s); return nil }))
	}
	check(t, set(func(s *identity.Settings) { s.Vulnerabilities.Levels.Critical = 75 })) // says what holds already
	check(t, set(func(s *identity.Settings) { s.Privacy.HostName = true }))
	wantCode(t, set(func(s *identity.Settings) { s.Vulnerabilities.Levels.Important = 80 }), errs.Invalid)
	if revision, err := b.RiskRevision(ctx, b.account); err != nil || revision != 0 || told != 0 || len(b.openRuns(t)) != 0 {
		t.Errorf("nothing is judged otherwise, and revision is %d, told %d, %v", revision, told, err)
	}
	check(t, set(func(s *identity.Settings) { s.Vulnerabilities.Levels.Critical = 90 }))
	got, err := b.risks().Active(ctx, b.account)
	if err != nil || got.Revision() != 1 || told != 1 || got.Thresholds() != (risk.Thresholds{Critical: 90, Important: 50, Moderate: 25}) {
		t.Errorf("%+v, told %d, %v", got, told, err)
	}
	runs, err := b.OpenRuns(ctx, run.Rematch)
	if err != nil || len(runs) != 1 || !cmp.Equal(runs[0].Params, run.Params{}) || len(b.openRuns(t)) != 0 {
		t.Errorf("runs: %+v, %v", runs, err)
	}
}

// exerciseRisks uses every statement about accepted risks.
func exerciseRisks(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID, device string) {
	t.Helper()
	svc := risks(s, time.Now, func(context.Context, posture.AccountID, string) error { return nil })
	r, err := svc.Accept(ctx, account, &risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Group: posture.DefaultGroup})
	check(t, err)
	check(t, second(svc.Accept(ctx, account, &risk.Acceptance{Vulnerability: "CVE-2024-0001", Reason: "x", Device: device})))
	check(t, second(svc.Revoke(ctx, account, r.ID, "x", "y", nil)))
	check(t, second(svc.Import(ctx, account, []*risk.Document{{Statements: []risk.Said{{
		Vulnerability: "CVE-2024-0001", Products: []string{"lib"}, Status: risk.Fixed, At: time.Now(),
	}}}}, "y")))
	check(t, second(svc.Active(ctx, account)))
	check(t, second(svc.Get(ctx, account, r.ID)))
	for _, q := range []risk.Query{
		{}, {State: risk.Active}, {State: risk.Lapsed}, {State: risk.Revoked}, {Vulnerability: "CVE-2024-0001"}, {Group: 1}, {Device: device}, {Source: risk.VEX},
	} {
		q.Window = page.Window{Limit: 5, After: r.ID}
		check(t, second3(svc.List(ctx, account, q)))
		q.After = ""
		check(t, second3(svc.List(ctx, account, q)))
	}
}
