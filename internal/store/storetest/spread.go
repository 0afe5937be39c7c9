package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/catalogue"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
)

func vulnerabilityIDs(list []device.Vulnerability) string {
	var out []string
	for i := range list {
		out = append(out, fmt.Sprintf("%s %d", strings.TrimPrefix(list[i].ID, "CVE-"), list[i].Devices))
	}
	return strings.Join(out, ", ")
}

func testVulnerabilities(t *testing.T, e Engine) {
	b := newSoftBench(t, e)
	// The number of a vulnerability is the sum of the length of the name and of the code of its first letter.
	one := b.newReporting(t, app("a", "", "4444"), app("b", "", "22"))
	two := b.newReporting(t, app("b", "", "333"))
	b.newReporting(t, app("b", "", "1"))
	if got := b.device(t, one).Vulnerabilities; got != 5 {
		t.Errorf("a device has %d vulnerabilities", got)
	}
	for _, c := range []struct {
		name string
		q    device.VulnerabilityQuery
		want string
	}{
		{"by id", device.VulnerabilityQuery{MinScore: -1}, "2000-0001 2, 2020-0098 1, 2020-0099 2, 2021-0098 1, 2021-0099 1, 2022-0098 1"},
		{"backwards", device.VulnerabilityQuery{MinScore: -1, Descending: true}, "2022-0098 1, 2021-0099 1, 2021-0098 1, 2020-0099 2, 2020-0098 1, 2000-0001 2"},
		{"by score", device.VulnerabilityQuery{MinScore: -1, Sort: device.VulnerabilityByOpswat, Descending: true}, "2022-0098 1, 2021-0099 1, 2021-0098 1, 2000-0001 2, 2020-0099 2, 2020-0098 1"},
		{"by another", device.VulnerabilityQuery{MinScore: -1, Sort: device.VulnerabilityByCVSS3}, "2020-0098 1, 2020-0099 2, 2000-0001 2, 2021-0098 1, 2021-0099 1, 2022-0098 1"},
		{"by one that none has", device.VulnerabilityQuery{MinScore: -1, Sort: device.VulnerabilityByCVSS2}, "2000-0001 2, 2020-0098 1, 2020-0099 2, 2021-0098 1, 2021-0099 1, 2022-0098 1"},
		{"by level", device.VulnerabilityQuery{MinScore: -1, Sort: device.VulnerabilityByLevel, Descending: true}, "2022-0098 1, 2021-0099 1, 2021-0098 1, 2000-0001 2, 2020-0099 2, 2020-0098 1"},
		{"scored", device.VulnerabilityQuery{MinScore: 12.5}, "2000-0001 2, 2021-0098 1, 2021-0099 1, 2022-0098 1"},
		{"scored by a score that none has", device.VulnerabilityQuery{By: posture.ScoreCVSS2}, ""},
		{"levels", device.VulnerabilityQuery{MinScore: -1, Levels: []posture.Level{1, 3}}, "2020-0098 1, 2020-0099 2, 2022-0098 1"},
		{"exploited", device.VulnerabilityQuery{MinScore: -1, OnlyKEV: true}, "2022-0098 1"},
		{"search", device.VulnerabilityQuery{MinScore: -1, Search: "cve-2021"}, "2021-0098 1, 2021-0099 1"},
		{"search for words", device.VulnerabilityQuery{MinScore: -1, Search: " in EVERY "}, "2000-0001 2"},
		{"of a product", device.VulnerabilityQuery{MinScore: -1, Product: "B"}, "2000-0001 2, 2020-0099 2, 2021-0099 1"},
		{"of a product, and searched for", device.VulnerabilityQuery{MinScore: -1, Product: "b", Search: "every"}, "2000-0001 2"},
		{"of no product", device.VulnerabilityQuery{MinScore: -1, Product: "\x00"}, ""},
		{"found", device.VulnerabilityQuery{MinScore: 12.5, On: device.Found}, "2000-0001 2, 2021-0098 1, 2021-0099 1, 2022-0098 1"},
		{"accepted", device.VulnerabilityQuery{MinScore: -1, On: device.AcceptedSomewhere}, ""},
		{"search in vain", device.VulnerabilityQuery{MinScore: -1, Search: "\x00%"}, ""},
		{"search, filters and order", device.VulnerabilityQuery{MinScore: 5, Search: "009", Sort: device.VulnerabilityByOpswat}, "2021-0098 1, 2021-0099 1, 2022-0098 1"},
	} {
		if diff := cmp.Diff(c.want, vulnerabilityIDs(walkVulnerabilities(t, b.svc, b.account, c.q))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	q := device.VulnerabilityQuery{MinScore: -1, Search: "009", Window: page.Window{Limit: 2, Skip: 3}}
	list, _, err := b.svc.Vulnerabilities(t.Context(), b.account, q)
	if got := vulnerabilityIDs(list); err != nil || got != "2021-0099 1, 2022-0098 1" {
		t.Errorf("skipping what matches: %s, %v", got, err)
	}
	q.After = "nonsense"
	_, _, err = b.svc.Vulnerabilities(t.Context(), b.account, q)
	wantCode(t, err, errs.Invalid)
	versions, err := b.svc.VersionsWith(t.Context(), b.account, "CVE-2020-0099", 1)
	if got := shown(versions); err != nil || got != "b//22 1 1 1" {
		t.Errorf("the first version with it: %s, %v", got, err)
	}
	versions, err = b.svc.VersionsWith(t.Context(), b.account, "CVE-2000-0001", 10)
	if got := shown(versions); err != nil || got != "a//4444 1 4 3, b//333 1 3 2" {
		t.Errorf("the versions with it: %s, %v", got, err)
	}
	b.deviceVulnerabilities(t, one, two)
	b.catalogueChanges(t, one)
	b.restored(t, e)
}

// restored: scores are fractions, and sets are bytes.
func (b *softBench) restored(t *testing.T, e Engine) {
	t.Helper()
	var file bytes.Buffer
	_, err := b.Backup(t.Context(), &file)
	check(t, err)
	s := Open(t, e.New(t))
	_, err = s.Restore(t.Context(), &file)
	check(t, err)
	CheckSpread(t, s, b.account)
	q := device.VulnerabilityQuery{MinScore: -1}
	svc := softService(s, b.judge, b.clock.now)
	if diff := cmp.Diff(walkVulnerabilities(t, b.svc, b.account, q), walkVulnerabilities(t, svc, b.account, q)); diff != "" {
		t.Errorf("after a restore: %s", diff)
	}
}

func (b *softBench) deviceVulnerabilities(t *testing.T, one, two string) {
	t.Helper()
	own, err := b.svc.DeviceVulnerabilities(t.Context(), b.account, two)
	check(t, err)
	var got []string
	for _, v := range own {
		got = append(got, fmt.Sprintf("%s of %d, by %d: %s", v.ID, v.Devices, len(v.Findings), v.Summary))
	}
	if diff := cmp.Diff([]string{
		"CVE-2000-0001 of 2, by 1: A fault in Everything", "CVE-2021-0099 of 1, by 1: ", "CVE-2020-0099 of 2, by 1: ",
	}, got); diff != "" {
		t.Error(diff)
	}
	_, err = b.svc.DeviceVulnerabilities(t.Context(), b.account, b.enrol(t, device.Registration{}).DeviceID)
	wantCode(t, err, errs.NotFound)
	_, err = b.svc.DeviceVulnerabilities(t.Context(), Account(t, b.Store, "other", 1), one)
	wantCode(t, err, errs.NotFound)
}

// catalogueChanges: reports add to what is said of a version, and an appraisal replaces it.
func (b *softBench) catalogueChanges(t *testing.T, one string) {
	t.Helper()
	found := func() string {
		return shown(walkSoftware(t, b.svc, b.account, device.SoftwareQuery{Search: "lib"}))
	}
	lib := func(source string) *posture.Report {
		return &posture.Report{Applications: []posture.Application{{Name: "lib", Source: source, Ecosystem: "Debian:12", Version: "22"}}}
	}
	b.reports(t, one, lib("x"))
	b.reports(t, one, lib("y")) // the same package, of which another source is said to have another fault
	b.judge.catalogue.Add(1)
	b.reports(t, one, lib("x"))
	if got := found(); got != "lib//22 1 2 1" {
		t.Errorf("before an appraisal: %s", got)
	}
	b.appraised(t)
	if got := found(); got != "lib//22 1 1 4" {
		t.Errorf("after an appraisal: %s", got)
	}
	b.reports(t, one, lib("y"))
	if got := found(); got != "lib//22 1 2 4" {
		t.Errorf("after an appraisal and a report: %s", got)
	}
	CheckSpread(t, b.Store, b.account)
}

// appraised has another account look for what this one has, and then appraises the version of lib.
func (b *softBench) appraised(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	keys := []device.ProductKey{{Space: "Debian:12", Name: "lib"}, {Space: "Debian:12", Name: "other"}, {Space: "Debian:12", Name: "lib", ByVendor: true}}
	stranger := Account(t, b.Store, "stranger", 1)
	products, err := b.ProductsUnder(ctx, stranger, keys)
	if err != nil || len(products) != 0 {
		t.Errorf("another account has %v, %v", products, err)
	}
	products, err = b.ProductsUnder(ctx, b.account, keys)
	if err != nil || len(products) != 1 {
		t.Fatalf("looked up by its key: %v, %v", products, err)
	}
	versions, err := b.KnownVersions(ctx, b.account, products)
	want := device.KnownVersion{Version: "22", Keys: keys[:1]}
	if err != nil || len(versions) != 1 || !cmp.Equal(device.KnownVersion{Version: versions[0].Version, Keys: versions[0].Keys}, want) {
		t.Fatalf("its versions: %+v, %v", versions, err)
	}
	b.appraisedVulnerability(t, stranger)
	a := device.VersionAppraisal{ID: versions[0].ID, Still: []string{"CVE-2020-0121", "CVE-1999-0001", "CVE-2020-0121"}}
	check(t, b.AppraiseVersions(ctx, stranger, 0, []device.VersionAppraisal{{ID: a.ID}}))
	check(t, b.AppraiseVersions(ctx, b.account, 0, []device.VersionAppraisal{a}))
	facets, err := b.FacetsOf(ctx, b.account, products, []string{"CVE-2020-0121", "CVE-1999-0001"})
	if err != nil || len(facets) != 3 {
		t.Errorf("found by: %v, %v", facets, err)
	}
	all, err := b.ProductsAfter(ctx, b.account, 0, 100)
	if err != nil || !slices.Contains(all, products[0]) || !slices.IsSorted(all) {
		t.Errorf("all products: %v, %v", all, err)
	}
}

func (b *softBench) appraisedVulnerability(t *testing.T, stranger posture.AccountID) {
	t.Helper()
	worse := []device.HeldVulnerability{{ID: "CVE-2020-0121", KEV: true, Scores: [...]float64{99, 9, 8}, Levels: posture.Levels{4, 3, 3}}, {ID: "CVE-1999-0001"}}
	check(t, b.AppraiseVulnerabilities(t.Context(), stranger, worse))
	q := device.VulnerabilityQuery{MinScore: 99}
	if got := vulnerabilityIDs(walkVulnerabilities(t, b.svc, b.account, q)); got != "" {
		t.Errorf("another account decided about %s", got)
	}
	check(t, b.AppraiseVulnerabilities(t.Context(), b.account, worse))
	got := walkVulnerabilities(t, b.svc, b.account, q)
	if vulnerabilityIDs(got) != "2020-0121 1" || !got[0].KEV || got[0].Levels != (posture.Levels{4, 3, 3}) {
		t.Errorf("appraised: %+v", got)
	}
}

// testAppraisedElsewhere has one server take vulnerabilities from a version, and then another report what a newer catalogue says of
// it. What that one remembers of the version is from before.
func testAppraisedElsewhere(t *testing.T, e Engine) {
	o := e.New(t)
	b := &softBench{&bench{Store: Open(t, o), clock: &clock{Epoch}}, &softJudge{}}
	b.account = Account(t, b.Store, "acme", 10)
	b.svc = softService(b.Store, b.judge, b.clock.now)
	lib := posture.Application{Name: "lib", Ecosystem: "Debian:12", Version: "22"}
	b.newReporting(t, lib)
	elsewhere := Open(t, o)
	products, err := elsewhere.ProductsAfter(t.Context(), b.account, 0, 10)
	check(t, err)
	versions, err := elsewhere.KnownVersions(t.Context(), b.account, products)
	if err != nil || len(versions) != 1 {
		t.Fatalf("known versions: %+v, %v", versions, err)
	}
	check(t, elsewhere.AppraiseVersions(t.Context(), b.account, 0, []device.VersionAppraisal{{ID: versions[0].ID}}))
	found := func() string { return shown(walkSoftware(t, b.svc, b.account, device.SoftwareQuery{})) }
	if got := found(); got != "lib//22 1 0 0" {
		t.Errorf("taken back: %s", got)
	}
	b.judge.catalogue.Add(1)
	b.newReporting(t, lib)
	if got := found(); got != "lib//22 2 1 1" {
		t.Errorf("said again: %s", got)
	}
	// Reports add what the newest generation says. Who knows an older one alone takes none of it.
	_, err = newShelf(elsewhere).take(t.Context(), catalogue.Request{}, osvFeed, catalogue.Head{}, advisory("A-1", "lib", "3", 1))
	check(t, err)
	wantCode(t, elsewhere.AppraiseVersions(t.Context(), b.account, 0, []device.VersionAppraisal{{ID: versions[0].ID}}), errs.Stale)
	if got := found(); got != "lib//22 2 1 1" {
		t.Errorf("after an appraisal by an older generation: %s", got)
	}
	CheckSpread(t, b.Store, b.account)
}

func testPatches(t *testing.T, e Engine) {
	b := newSoftBench(t, e)
	patch := func(kb, title string) posture.Patch {
		return posture.Patch{KB: kb, Title: title, Severity: "Important", Released: Epoch}
	}
	var ids []string
	for _, patches := range [][]posture.Patch{
		{patch("KB1", "one"), patch("KB2", "two")}, {patch("KB2", "two"), patch("KB2", "for another system")}, {patch("KB2", "two"), patch("", "")}, nil,
	} {
		id := b.enrol(t, device.Registration{}).DeviceID
		ids = append(ids, id)
		b.reports(t, id, &posture.Report{PatchesKnown: true, MissingPatches: patches})
	}
	silent := b.enrol(t, device.Registration{}).DeviceID
	b.reports(t, silent, &posture.Report{MissingPatches: []posture.Patch{patch("KB1", "one")}}) // PatchesKnown is not set
	got, err := b.svc.MissingPatches(t.Context(), b.account)
	check(t, err)
	want := []device.MissingPatch{{Patch: patch("KB2", "two"), Devices: 3}, {Patch: patch("KB1", "one"), Devices: 1}, {Patch: patch("KB2", "for another system"), Devices: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	missing := func(kb string) []string {
		var out []string
		for after := ""; ; {
			list, next, err := b.svc.DevicesMissing(t.Context(), b.account, kb, after, 2)
			check(t, err)
			for i := range list {
				out = append(out, list[i].ID)
			}
			if next == "" {
				return out
			}
			after = next
		}
	}
	for kb, want := range map[string][]string{"KB1": ids[:1], "KB2": ids[:3], "KB3": nil, "": nil, "\x00": nil} {
		if diff := cmp.Diff(want, missing(kb)); diff != "" {
			t.Errorf("%q: %s", kb, diff)
		}
	}
	check(t, b.svc.Delete(t.Context(), b.account, ids[1]))
	if diff := cmp.Diff([]string{ids[0], ids[2]}, missing("KB2")); diff != "" {
		t.Error(diff)
	}
	b.otherAccount(t, patch("KB2", "two"))
	CheckSpread(t, b.Store, b.account)
}

// testDevicesWith walks devices by what they have, while others come and go.
func testDevicesWith(t *testing.T, e Engine) {
	b := newSoftBench(t, e)
	var all []string
	for i := range 9 {
		apps := []posture.Application{app("every", "v", "1")}
		if i%3 == 0 {
			apps = append(apps, app("third", "v", "22"))
		}
		if i == 4 {
			apps = append(apps, app("fourth", "v", "1"))
		}
		all = append(all, b.newReporting(t, apps...))
	}
	facets := func(names ...string) device.Facets {
		var h device.Holdings
		for _, name := range names {
			h.Installed = append(h.Installed, device.Installed{Name: name, Vendor: "v", Version: "1"})
		}
		out, err := b.Facets(t.Context(), b.account, &h)
		check(t, err)
		return out
	}
	walk := func(account posture.AccountID, limit int, set device.Facets) []string {
		var out []string
		for after := ""; ; after = out[len(out)-1] {
			part, err := b.DevicesWith(t.Context(), account, set, after, limit)
			check(t, err)
			out = append(out, part...)
			if len(part) < limit {
				return out
			}
		}
	}
	want := []string{all[0], all[3], all[4], all[6]}
	check(t, b.svc.Delete(t.Context(), b.account, all[8]))
	check(t, b.svc.Retire(t.Context(), device.Ref{Account: b.account, ID: all[7]}))
	for limit := 1; limit < 12; limit++ {
		if diff := cmp.Diff(all[:7], walk(b.account, limit, facets("every"))); diff != "" {
			t.Errorf("all, %d at a time: %s", limit, diff)
		}
		if diff := cmp.Diff(want, walk(b.account, limit, facets("fourth", "third"))); diff != "" {
			t.Errorf("of two facets, %d at a time: %s", limit, diff)
		}
	}
	if got := walk(b.account, 2, nil); got != nil {
		t.Errorf("with nothing: %v", got)
	}
	if got := walk(Account(t, b.Store, "other", 1), 2, facets("every")); got != nil {
		t.Errorf("of another account: %v", got)
	}
}

// otherAccount: what has a number in one account has another in the next, and is counted apart.
func (b *softBench) otherAccount(t *testing.T, p posture.Patch) {
	t.Helper()
	ctx := t.Context()
	other := Account(t, b.Store, "other", 1)
	list, _, err := b.svc.DevicesMissing(ctx, other, p.KB, "", 10)
	if err != nil || len(list) != 0 {
		t.Errorf("in another account: %v, %v", list, err)
	}
	b.newReporting(t, app("a", "v", "22"))
	en, err := b.svc.Enrol(ctx, other, device.Registration{})
	check(t, err)
	r := &posture.Report{PatchesKnown: true, MissingPatches: []posture.Patch{p}, Applications: []posture.Application{app("a", "v", "22")}}
	check(t, b.svc.Report(ctx, device.Ref{Account: other, ID: en.DeviceID}, softSubmission(r)))
	patches, err := b.svc.MissingPatches(ctx, other)
	if err != nil || len(patches) != 1 || patches[0].Devices != 1 {
		t.Errorf("another account lacks %+v, %v", patches, err)
	}
	list, _, err = b.svc.DevicesMissing(ctx, other, p.KB, "", 10)
	if err != nil || len(list) != 1 || list[0].ID != en.DeviceID {
		t.Errorf("in another account: %v, %v", list, err)
	}
	if got := shown(walkSoftware(t, b.svc, other, device.SoftwareQuery{})); got != "a/v/22 1 1 1" {
		t.Errorf("another account has %s", got)
	}
	if got := vulnerabilityIDs(walkVulnerabilities(t, b.svc, other, device.VulnerabilityQuery{MinScore: -1})); got != "2020-0098 1" {
		t.Errorf("another account has %s", got)
	}
	CheckSpread(t, b.Store, other)
}

// testSpreadUnderLoad has several servers' worth of services change the same devices at once, and then compares what is
// counted with what each device last reported.
func testSpreadUnderLoad(t *testing.T, e Engine) {
	o := e.New(t)
	first := Open(t, o)
	account := Account(t, first, "acme", 1000)
	judge := &softJudge{}
	services := []*device.Service{softService(first, judge, time.Now)}
	if first.SharedLimits() {
		services = append(services, softService(Open(t, o), judge, time.Now))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 7))
			for ctx.Err() == nil {
				err := changeSoftware(ctx, services[i%len(services)], account, judge, rnd)
				// Unavailable: so many at so few devices may be turned away, with nothing stored.
				if err != nil && ctx.Err() == nil && !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.Unauthenticated) && !errs.Is(err, errs.Unavailable) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	CheckSpread(t, first, account)
	compareSpread(t, first, services[0], account)
	CheckCounts(t.Context(), t, first, account)
}

// changeSoftware does one thing to one of a few devices.
func changeSoftware(ctx context.Context, svc *device.Service, account posture.AccountID, judge *softJudge, rnd *rand.Rand) error {
	hardwareID := fmt.Sprintf("HW-%04d", rnd.IntN(12))
	d, err := svc.Find(ctx, account, device.Selector{ID: hardwareID})
	if errs.Is(err, errs.NotFound) {
		_, err = svc.Enrol(ctx, account, device.Registration{HardwareID: hardwareID})
		return err
	}
	if err != nil {
		return err
	}
	switch rnd.IntN(16) {
	case 0:
		return svc.Retire(ctx, device.Ref{Account: account, ID: d.ID})
	case 1:
		return svc.Delete(ctx, account, d.ID)
	case 2:
		_, err = svc.Enrol(ctx, account, device.Registration{HardwareID: hardwareID})
		return err
	case 3:
		judge.catalogue.Add(1)
		return nil
	case 4:
		_, err = svc.Sweep(ctx, account)
		return err
	default:
		return svc.Report(ctx, device.Ref{Account: account, ID: d.ID}, softSubmission(randomReport(hardwareID, rnd)))
	}
}

func randomReport(hardwareID string, rnd *rand.Rand) *posture.Report {
	r := &posture.Report{HardwareID: hardwareID, PatchesKnown: true}
	if rnd.IntN(4) == 0 {
		r.Reboot = time.Now().Add(10 * time.Millisecond) // when the judge wants to look again
	}
	for range rnd.IntN(30) {
		r.Applications = append(r.Applications, app(fmt.Sprint("app", rnd.IntN(40)), "v", strings.Repeat("1", rnd.IntN(4))))
	}
	for range rnd.IntN(6) {
		r.MissingPatches = append(r.MissingPatches, posture.Patch{KB: fmt.Sprint("KB", rnd.IntN(10))})
	}
	return r
}

// compareSpread counts anew from the last reports and verdicts of all devices.
func compareSpread(t *testing.T, s *store.Store, svc *device.Service, account posture.AccountID) {
	t.Helper()
	ctx := t.Context()
	want, got := make(map[string]int64), make(map[string]int64)
	list, _, err := s.Select(ctx, account, device.Query{Window: page.Window{Limit: 1000}})
	check(t, err)
	for i := range list {
		r, _, err := svc.LastReport(ctx, account, list[i].ID)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		check(t, err)
		open, err := svc.DeviceVulnerabilities(ctx, account, list[i].ID)
		check(t, err)
		if len(open) != list[i].Vulnerabilities {
			t.Errorf("a device has %d vulnerabilities, by its verdict %d", list[i].Vulnerabilities, len(open))
		}
		mine := make(map[string]bool)
		for _, a := range r.Applications {
			mine[a.Name+" "+a.Version] = true
		}
		for _, v := range open {
			mine[v.ID] = true
		}
		for _, p := range r.MissingPatches {
			mine[p.KB] = true
		}
		for name := range mine {
			want[name]++
		}
	}
	for _, sw := range walkSoftware(t, svc, account, device.SoftwareQuery{}) {
		got[sw.Name+" "+sw.Version] = sw.Devices
	}
	for _, v := range walkVulnerabilities(t, svc, account, device.VulnerabilityQuery{MinScore: -1}) {
		got[v.ID] = v.Devices
	}
	patches, err := svc.MissingPatches(ctx, account)
	check(t, err)
	for _, p := range patches {
		got[p.KB] = p.Devices
		devices, _, err := svc.DevicesMissing(ctx, account, p.KB, "", 1000)
		check(t, err)
		if int64(len(devices)) != p.Devices {
			t.Errorf("%s is lacked by %d devices, and %d are found", p.KB, p.Devices, len(devices))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 20 {
		t.Errorf("%d things: %s", len(want), diff)
	}
}
