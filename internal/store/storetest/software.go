package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/store"
)

// softJudge is a judge for tests of software. A version says how many vulnerabilities it has, each application has its
// own, and the worst is as bad as they are many. A device without patches to make has an issue.
type softJudge struct {
	catalogue atomic.Int64
	// accepted gives what does not count; nil for nothing.
	accepted func(posture.AccountID) *risk.Set
}

func (j *softJudge) Version(posture.PolicyRef, posture.GroupID) string {
	return fmt.Sprint(j.catalogue.Load())
}

func (j *softJudge) Judge(_ context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	r := s.Report
	v := posture.Verdict{Status: posture.StatusCompliant, Judged: now, Issues: []posture.Issue{}, Findings: []posture.Finding{}}
	v.Catalogue = "c" + j.Version(s.Policy, s.Group)
	for i := range r.Applications {
		app := &r.Applications[i]
		name := strings.TrimSpace(app.Name)
		if app.Source != "" {
			name = app.Source
		}
		for k := range len(app.Version) - 1 {
			level := posture.Level(min(k+1, 4))
			f := posture.Finding{
				ID: fmt.Sprintf("CVE-%04d-%04d", 2020+k, len(name)+int(name[0])), Product: name, Version: app.Version,
				KEV: k == 2, Scores: [...]float64{float64(10*k) + 2.5, -1, float64(k)}, Levels: posture.Levels{level, 0, level},
			}
			if k == 1 {
				f.CVEs, f.ID = []string{f.ID, "CVE-2000-0001"}, "GHSA-"+name
			}
			v.Findings = append(v.Findings, f)
			v.Levels = v.Levels.Worst(f.Levels)
		}
	}
	if j.accepted != nil {
		a := j.accepted(s.Account).Apply(v.Findings, risk.Place{Device: s.ID, Group: s.Group}, now, nil)
		v.Findings, v.Levels, v.NextChange = a.Findings, a.Levels, a.Lapses
	}
	if len(r.MissingPatches) == 0 {
		v.Issues = append(v.Issues, posture.Issue{Category: posture.PatchManagement, Severity: posture.Warning})
		v.Severity = posture.Warning
	}
	if !r.Reboot.IsZero() && now.Before(r.Reboot) && (v.NextChange.IsZero() || r.Reboot.Before(v.NextChange)) {
		v.NextChange = r.Reboot
	}
	return v, nil
}

// words are what a softBench's catalogue says.
type words map[string]string

func (w words) Describe(_ context.Context, ids []string) (map[string]device.Description, error) {
	out := make(map[string]device.Description)
	for _, id := range ids {
		if summary, ok := w[id]; ok {
			out[id] = device.Description{Summary: summary, CWE: "CWE-1"}
		}
	}
	return out, nil
}

// Rate knows nothing.
func (words) Rate(context.Context, posture.AccountID, []string) (map[string]device.Rating, error) {
	return nil, nil
}

// Keys gives each product one key, but for two that are looked up by the same.
func (words) Keys(os *posture.OS, app *posture.Application) []device.ProductKey {
	space := app.Ecosystem
	if space == "" {
		space = "Application:" + string(os.Family)
	}
	return []device.ProductKey{{Space: space, Name: strings.ToLower(strings.TrimSpace(app.Name)), ByVendor: app.Vendor != ""}}
}

func decodeJSON(body []byte) (*posture.Report, error) {
	var r posture.Report
	err := json.Unmarshal(body, &r)
	return &r, err
}

func softService(s device.Store, j *softJudge, now func() time.Time) *device.Service {
	return device.New(device.Options{
		Store: s, Judge: j, Decode: decodeJSON, Now: now, Log: slog.New(slog.DiscardHandler),
		Catalogue: words{"CVE-2000-0001": "A fault in Everything"},
	})
}

// softBench is a bench whose devices report software.
type softBench struct {
	*bench
	judge *softJudge
}

func newSoftBench(t *testing.T, e Engine) *softBench {
	b := &softBench{newBench(t, e), &softJudge{}}
	b.svc = softService(b.Store, b.judge, b.clock.now)
	return b
}

func softSubmission(r *posture.Report) device.Submission {
	body, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return device.Submission{Digest: sha256.Sum256(body), Body: body, Decode: func() (*posture.Report, error) { return decodeJSON(body) }}
}

func (b *softBench) reports(t *testing.T, id string, r *posture.Report) {
	t.Helper()
	check(t, b.svc.Report(t.Context(), device.Ref{Account: b.account, ID: id}, softSubmission(r)))
	b.clock.advance(time.Second)
}

// newReporting enrols a device that reports these applications.
func (b *softBench) newReporting(t *testing.T, apps ...posture.Application) string {
	t.Helper()
	id := b.enrol(t, device.Registration{}).DeviceID
	b.reports(t, id, &posture.Report{Applications: apps})
	return id
}

func app(name, vendor, version string) posture.Application {
	return posture.Application{Name: name, Vendor: vendor, Version: version}
}

// walkSoftware reads a list to its end in small parts.
func walkSoftware(t *testing.T, svc *device.Service, account posture.AccountID, q device.SoftwareQuery) []device.Software {
	t.Helper()
	return walk(t, &q.Window, func() ([]device.Software, string, error) { return svc.Software(t.Context(), account, q) })
}

func walkVulnerabilities(t *testing.T, svc *device.Service, account posture.AccountID, q device.VulnerabilityQuery) []device.Vulnerability {
	t.Helper()
	return walk(t, &q.Window, func() ([]device.Vulnerability, string, error) { return svc.Vulnerabilities(t.Context(), account, q) })
}

func walk[T any](t *testing.T, w *page.Window, read func() ([]T, string, error)) []T {
	t.Helper()
	var all []T
	for w.Limit = 2; ; {
		part, next, err := read()
		check(t, err)
		all = append(all, part...)
		if next == "" {
			return all
		}
		if len(part) != w.Limit {
			t.Fatalf("a part of %d, and more to come", len(part))
		}
		w.After = next
	}
}

func shown(list []device.Software) string {
	var out []string
	for i := range list {
		s := &list[i]
		out = append(out, fmt.Sprintf("%s/%s/%s %d %d %d", s.Name, s.Vendor, s.Version, s.Devices, s.CVEs, s.Levels[0]))
	}
	return strings.Join(out, ", ")
}

func testSoftware(t *testing.T, e Engine) {
	b := newSoftBench(t, e)
	browser := posture.Application{Name: "Zoo 100%", Vendor: "Ünit", Version: "11", Category: posture.Browser}
	one := b.newReporting(t, browser, app("alpha", "b_c", "1"), app("alpha", "b_c", "1"), app(" alpha ", "b_c", "2222"))
	two := b.newReporting(t, browser, app("alpha", "bxc", "1"), posture.Application{Name: "libz", Source: "zlib", Ecosystem: "Debian:12", Version: "333"})
	const (
		zoo, alpha1, alpha2, alphaX, libz = "Zoo 100%/Ünit/11 2 1 1", "alpha/b_c/1 1 0 0", "alpha/b_c/2222 1 4 3", "alpha/bxc/1 1 0 0", "libz//333 1 3 2"
	)
	for _, c := range []struct {
		name string
		q    device.SoftwareQuery
		want []string
	}{
		{"by name", device.SoftwareQuery{}, []string{zoo, alpha1, alpha2, alphaX, libz}},
		{"backwards", device.SoftwareQuery{Descending: true}, []string{libz, alphaX, alpha2, alpha1, zoo}},
		{"by devices", device.SoftwareQuery{Sort: device.SoftwareByDevices}, []string{alpha1, alpha2, alphaX, libz, zoo}},
		{"by vendor", device.SoftwareQuery{Sort: device.SoftwareByVendor}, []string{libz, alpha1, alpha2, alphaX, zoo}},
		{"by version", device.SoftwareQuery{Sort: device.SoftwareByVersion}, []string{alpha1, alphaX, zoo, alpha2, libz}},
		{"by category", device.SoftwareQuery{Sort: device.SoftwareByCategory, Descending: true}, []string{zoo, libz, alphaX, alpha2, alpha1}},
		{"by level", device.SoftwareQuery{Sort: device.SoftwareByLevel, Descending: true}, []string{alpha2, libz, zoo, alphaX, alpha1}},
		{"by vulnerabilities", device.SoftwareQuery{Sort: device.SoftwareByCVEs, Descending: true}, []string{alpha2, libz, zoo, alphaX, alpha1}},
		{"search", device.SoftwareQuery{Search: "LPH"}, []string{alpha1, alpha2, alphaX}},
		{"search for a vendor", device.SoftwareQuery{Search: "ÜNIT"}, []string{zoo}},
		{"other letters have no case", device.SoftwareQuery{Search: "ünit"}, nil},
		{"nothing is a wildcard", device.SoftwareQuery{Search: "B_"}, []string{alpha1, alpha2}},
		{"nor is this", device.SoftwareQuery{Search: "0%"}, []string{zoo}},
		{"nor this", device.SoftwareQuery{Search: `\`}, nil},
		{"a zero byte", device.SoftwareQuery{Search: "\x00"}, nil},
		{"levels", device.SoftwareQuery{Levels: []posture.Level{3, 1}}, []string{zoo, alpha2}},
		{"categories", device.SoftwareQuery{Categories: []posture.Category{posture.Browser}}, []string{zoo}},
		{"and all of it", device.SoftwareQuery{Categories: []posture.Category{""}, Levels: []posture.Level{3, 1}, Search: "l"}, []string{alpha2}},
	} {
		if diff := cmp.Diff(strings.Join(c.want, ", "), shown(walkSoftware(t, b.svc, b.account, c.q))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	byProduct := walkSoftware(t, b.svc, b.account, device.SoftwareQuery{Sort: device.SoftwareByProduct})
	if !slices.IsSortedFunc(byProduct, func(a, b device.Software) int { return int(a.ProductID - b.ProductID) }) || len(byProduct) != 5 {
		t.Errorf("by product: %+v", byProduct)
	}
	b.softwareTokens(t)
	b.softwareDetail(t, byProduct)
	b.softwareChanges(t, one, two)
}

func (b *softBench) softwareTokens(t *testing.T) {
	t.Helper()
	q := device.SoftwareQuery{Window: page.Window{Limit: 2}}
	_, next, err := b.svc.Software(t.Context(), b.account, q)
	check(t, err)
	for name, change := range map[string]func(*device.SoftwareQuery){
		"of another order":     func(q *device.SoftwareQuery) { q.Sort = device.SoftwareByVendor },
		"of another direction": func(q *device.SoftwareQuery) { q.Descending = true },
		"cut":                  func(q *device.SoftwareQuery) { q.After = next[:len(next)-2] },
		"made up":              func(q *device.SoftwareQuery) { q.After = "x" },
		"too long":             func(q *device.SoftwareQuery) { q.After = strings.Repeat("A", 1<<20) },
	} {
		bad := q
		bad.After = next
		change(&bad)
		_, _, err = b.svc.Software(t.Context(), b.account, bad)
		var e *errs.Error
		if !errs.Is(err, errs.Invalid) || !errors.As(err, &e) || e.Field != "token" {
			t.Errorf("a token %s: %v", name, err)
		}
	}
	q.Skip = 3
	list, _, err := b.svc.Software(t.Context(), b.account, q)
	if err != nil || len(list) != 2 || list[0].Vendor != "bxc" {
		t.Errorf("skipping: %s, %v", shown(list), err)
	}
}

func (b *softBench) softwareDetail(t *testing.T, list []device.Software) {
	t.Helper()
	i := slices.IndexFunc(list, func(s device.Software) bool { return s.Version == "2222" })
	got, err := b.svc.SoftwareDetail(t.Context(), b.account, list[i].ProductID, "2222")
	check(t, err)
	if diff := cmp.Diff(list[i], got.Software); diff != "" {
		t.Error(diff)
	}
	var ids []string
	for _, v := range got.Vulnerabilities {
		ids = append(ids, fmt.Sprint(v.ID, " ", v.Devices, " ", v.Scores[0], " ", v.KEV, " ", v.Summary))
	}
	if diff := cmp.Diff([]string{
		"CVE-2022-0102 1 22.5 true ", "CVE-2000-0001 2 12.5 false A fault in Everything", "CVE-2021-0102 1 12.5 false ", "CVE-2020-0102 1 2.5 false ",
	}, ids); diff != "" {
		t.Error(diff)
	}
	for _, version := range []string{"", "22", "\x00"} {
		_, err = b.svc.SoftwareDetail(t.Context(), b.account, list[i].ProductID, version)
		wantCode(t, err, errs.NotFound)
	}
	other := Account(t, b.Store, "other", 1)
	_, err = b.svc.SoftwareDetail(t.Context(), other, list[i].ProductID, "2222")
	wantCode(t, err, errs.NotFound)
	if list := walkSoftware(t, b.svc, other, device.SoftwareQuery{}); len(list) > 0 {
		t.Errorf("another account has %s", shown(list))
	}
}

// softwareChanges follows what becomes of the counts.
func (b *softBench) softwareChanges(t *testing.T, one, two string) {
	t.Helper()
	want := func(when, want string) {
		t.Helper()
		if got := shown(walkSoftware(t, b.svc, b.account, device.SoftwareQuery{})); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
		CheckSpread(t, b.Store, b.account)
	}
	b.reports(t, one, &posture.Report{Applications: []posture.Application{app("alpha", "bxc", "1"), app("new", "", "")}})
	b.reports(t, two, &posture.Report{Applications: []posture.Application{app("alpha", "bxc", "1")}})
	want("after other reports", "alpha/bxc/1 2 0 0, new// 1 0 0")
	check(t, b.svc.Exempt(t.Context(), b.account, two, "r", time.Time{}))
	want("an exemption changes nothing", "alpha/bxc/1 2 0 0, new// 1 0 0")
	check(t, b.svc.Retire(t.Context(), device.Ref{Account: b.account, ID: one}))
	want("after one retired", "alpha/bxc/1 1 0 0")
	_, err := b.svc.Enrol(t.Context(), b.account, device.Registration{DeviceID: one})
	check(t, err)
	want("after it came back", "alpha/bxc/1 1 0 0")
	_, _, err = b.svc.LastReport(t.Context(), b.account, one)
	wantCode(t, err, errs.NotFound)
	b.reports(t, one, &posture.Report{Applications: []posture.Application{app("alpha", "bxc", "1")}})
	r, at, err := b.svc.LastReport(t.Context(), b.account, one)
	if err != nil || len(r.Applications) != 1 || !at.Equal(b.clock.at.Add(-time.Second)) {
		t.Errorf("the last report: %+v at %v, %v", r, at, err)
	}
	want("after it reported again", "alpha/bxc/1 2 0 0")
	check(t, b.svc.Delete(t.Context(), b.account, two))
	check(t, b.svc.Delete(t.Context(), b.account, one))
	want("in the end", "")
}

// CheckSpread fails the test if what is kept of what devices have is not what they have.
func CheckSpread(t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	drift, err := s.CheckFacets(t.Context(), account)
	if err != nil || len(drift) > 0 {
		t.Fatalf("what devices have is counted wrongly: %+v, %v", drift, err)
	}
}

func exerciseSoftware(ctx context.Context, t *testing.T, s *store.Store) {
	t.Helper()
	j := &softJudge{}
	svc := softService(s, j, time.Now)
	account := Account(t, s, "software", 10)
	r := &posture.Report{PatchesKnown: true}
	for i := range 400 {
		r.Applications = append(r.Applications, app(fmt.Sprint("product ", i), "v", "11"))
		r.MissingPatches = append(r.MissingPatches, posture.Patch{KB: fmt.Sprint("KB", i)})
	}
	for range 2 {
		en, err := svc.Enrol(ctx, account, device.Registration{})
		check(t, err)
		ref := device.Ref{Account: account, ID: en.DeviceID}
		check(t, svc.Report(ctx, ref, softSubmission(r)))
		_, err = svc.DeviceVulnerabilities(ctx, account, en.DeviceID)
		check(t, err)
		_, _, err = svc.LastReport(ctx, account, en.DeviceID)
		check(t, err)
		j.catalogue.Add(1)
		check(t, svc.Report(ctx, ref, softSubmission(r)))
	}
	for sort := range device.SoftwareOrder(8) {
		for _, down := range []bool{false, true} {
			q := device.SoftwareQuery{Sort: sort, Descending: down, Window: page.Window{Limit: 5}, Search: "p", Levels: []posture.Level{1}, Categories: []posture.Category{""}}
			_, next, err := svc.Software(ctx, account, q)
			check(t, err)
			q.After = next
			list, _, err := svc.Software(ctx, account, q)
			check(t, err)
			_, err = svc.SoftwareDetail(ctx, account, list[0].ProductID, list[0].Version)
			check(t, err)
			v := device.VulnerabilityQuery{Sort: device.VulnerabilityOrder(sort % 5), Descending: down, Window: page.Window{Limit: 2}, OnlyKEV: sort > 4, Levels: []posture.Level{1}}
			_, v.After, err = svc.Vulnerabilities(ctx, account, v)
			check(t, err)
			_, _, err = svc.Vulnerabilities(ctx, account, v)
			check(t, err)
		}
	}
	_, err := svc.MissingPatches(ctx, account)
	check(t, err)
	_, err = s.DevicesWith(ctx, account, device.Facets{2<<48 | 1}, "", 10)
	check(t, err)
	_, _, err = svc.DevicesMissing(ctx, account, "KB7", "", 10)
	check(t, err)
}
