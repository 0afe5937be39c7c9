package app

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/catalogue"
	"muster/internal/config"
	"muster/internal/device"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/run"
	"muster/internal/testpg"
	"muster/internal/vuln"
)

// wild is a server without a door whose feeds, devices and accepted risks change at random, beside all that it should know.
type wild struct {
	*services
	t       *testing.T
	rng     *rand.Rand
	account posture.AccountID
	devices []string
	bodies  map[string][]byte
	entries map[string]vuln.Entry // the newest of each, by feed and id
	risks   map[string]risk.Acceptance
	made    int64
}

// TestEverythingFollows: whatever happens to feeds, reports and accepted risks, once the runs are through every device has
// the findings that a look at everything from the start gives, and every count and list says so.
func TestEverythingFollows(t *testing.T) {
	for engine, db := range map[string]func(*testing.T) config.Database{
		"sqlite":   func(t *testing.T) config.Database { return config.Database{Dir: t.TempDir()} },
		"postgres": func(t *testing.T) config.Database { return config.Database{URL: testpg.Database(t)} },
	} {
		t.Run(engine, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			w := newWild(t, db(t), seed)
			for range 12 {
				for range 1 + w.rng.IntN(6) {
					w.step()
				}
				w.settle()
				w.compare()
			}
		})
	}
}

func newWild(t *testing.T, db config.Database, seed uint64) *wild {
	t.Helper()
	s, err := openServices(t.Context(), db, slog.New(slog.DiscardHandler), created)
	no(t, err)
	t.Cleanup(func() { no(t, s.close()) })
	a, err := s.identity.CreateAccount(t.Context(), identity.NewAccount{Name: "Acme", DevicesAllowed: 100})
	no(t, err)
	w := &wild{
		services: s, t: t, rng: rand.New(rand.NewPCG(seed, 1)), account: a.ID,
		bodies: make(map[string][]byte), entries: make(map[string]vuln.Entry), risks: make(map[string]risk.Acceptance),
	}
	for range 8 {
		en, err := s.devices.Enrol(t.Context(), a.ID, device.Registration{})
		no(t, err)
		w.devices = append(w.devices, en.DeviceID)
		w.report(en.DeviceID)
	}
	return w
}

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *wild) step() {
	switch w.rng.IntN(8) {
	case 0, 1:
		w.report(w.devices[w.rng.IntN(len(w.devices))])
	case 2, 3, 4:
		w.feed()
	case 5, 6:
		w.accept()
	default:
		w.revoke()
	}
}

var (
	wildPackages = []string{"curl", "openssl", "zlib", "sudo"}
	wildPrograms = []string{"Reader", "Browser"} // of Windows and of Linux
)

// report has a device report some packages and programs.
func (w *wild) report(id string) {
	w.t.Helper()
	var apps []string
	for _, name := range wildPackages {
		if v := w.rng.IntN(5); v > 0 {
			apps = append(apps, fmt.Sprintf(`{"name":%q,"version":"%d","purl":"pkg:deb/debian/%s@%d?distro=debian-12"}`, name, v, name, v))
		}
	}
	// What a version of a program has on another system stays with it once any machine looked it up there.
	n := w.rng.IntN(2)
	family := []string{"windows", "linux"}[n]
	if v := w.rng.IntN(5); v > 0 {
		apps = append(apps, fmt.Sprintf(`{"name":%q,"vendor":"Acme Inc.","version":"%d"}`, wildPrograms[n], v))
	}
	body := fmt.Appendf(nil, `{"agent_type":"persistent","agent_version":"1","hostname":"h","scan_time":"2026-11-23T21:21:15Z",
		"os_info":[{"family":%q,"name":"x","version":"%d"}],"soh":{"applications":[%s]}}`, family, 1+w.rng.IntN(4), strings.Join(apps, ","))
	w.bodies[id] = body
	no(w.t, w.services.devices.Report(w.t.Context(), device.Ref{Account: w.account, ID: id}, device.Submission{
		Digest: sha256.Sum256(body), Body: body, Decode: func() (*posture.Report, error) { return gears.Decode(body) },
	}))
}

// feed imports an entry or two, one of which may say that another is withdrawn, or only how bad a CVE is.
func (w *wild) feed() {
	w.t.Helper()
	ctx := w.t.Context()
	session, err := w.catalogue.Import(ctx, catalogue.Request{})
	no(w.t, err)
	for range 1 + w.rng.IntN(2) {
		feed, e := w.entry()
		w.entries[feed+"/"+e.ID] = e
		p := vuln.Prepare(&e)
		no(w.t, session.Add(ctx, catalogue.Into{Name: feed, Format: "osv"}, &p))
	}
	_, err = session.Finish(ctx, nil)
	no(w.t, err)
	no(w.t, w.catalogue.Refresh(ctx))
}

func (w *wild) entry() (string, vuln.Entry) {
	n := 1 + w.rng.IntN(6)
	w.made++ // each entry is newer than the one before
	e := vuln.Entry{ID: fmt.Sprintf("CVE-2030-000%d", n), Modified: time.Unix(1e9+w.made, 0).UTC().Format(time.RFC3339)}
	vectors := []string{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:L/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"}
	if w.rng.IntN(4) == 0 {
		e.ID, e.Aliases = "X-"+e.ID, []string{e.ID}
		e.Extra.KEV = w.rng.IntN(2) == 0
		return "other", e
	}
	if w.rng.IntN(5) == 0 {
		e.Withdrawn = e.Modified
	}
	e.Severity = []vuln.Severity{{Type: "CVSS_V3", Score: vectors[w.rng.IntN(2)]}}
	a := vuln.Affected{Ranges: []vuln.Range{{Type: "ECOSYSTEM", Events: []vuln.Event{{Introduced: "0"}, {Fixed: fmt.Sprint(1 + w.rng.IntN(5))}}}}}
	switch w.rng.IntN(4) {
	case 0:
		a.Package = vuln.Package{Ecosystem: "OS:" + []string{"windows", "linux"}[w.rng.IntN(2)], Name: "x"}
	case 1:
		n := w.rng.IntN(2)
		a.Package = vuln.Package{Ecosystem: []string{"Application:windows", "Application"}[n], Name: wildPrograms[n]}
		a.Product.Vendors = []string{"Acme"}
	default:
		a.Package = vuln.Package{Ecosystem: "Debian:12", Name: wildPackages[w.rng.IntN(len(wildPackages))]}
	}
	e.Affected = []vuln.Affected{a}
	return "osv", e
}

func (w *wild) accept() {
	w.t.Helper()
	a := risk.Acceptance{Vulnerability: fmt.Sprintf("CVE-2030-000%d", 1+w.rng.IntN(6)), Reason: "r", Actor: "a"}
	switch w.rng.IntN(3) {
	case 0:
		a.Device = w.devices[w.rng.IntN(len(w.devices))]
	case 1:
		a.Product.Name = wildPackages[w.rng.IntN(len(wildPackages))]
	}
	r, err := w.services.risks.Accept(w.t.Context(), w.account, &a)
	no(w.t, err)
	w.risks[r.ID] = a
}

func (w *wild) revoke() {
	w.t.Helper()
	for id := range w.risks {
		_, err := w.services.risks.Revoke(w.t.Context(), w.account, id, "r", "a", nil)
		no(w.t, err)
		delete(w.risks, id)
		return
	}
}

// settle does all runs that there are.
func (w *wild) settle() {
	w.t.Helper()
	ctx := w.t.Context()
	no(w.t, w.startRematches(ctx, time.Time{}))
	runner := w.runner().Quietly()
	for _, kind := range []run.Kind{run.Reevaluate, run.Rematch} {
		no(w.t, runner.Once(ctx, kind))
		left, err := w.store.OpenRuns(ctx, kind)
		no(w.t, err)
		if len(left) > 0 {
			w.t.Fatalf("runs that have not ended: %+v", left)
		}
	}
}

// compare looks at everything from the start.
func (w *wild) compare() {
	w.t.Helper()
	ctx := w.t.Context()
	var list []vuln.Entry
	for _, key := range slices.Sorted(maps.Keys(w.entries)) {
		list = append(list, w.entries[key])
	}
	known := vuln.New(list)
	openOn, versions := make(map[string]int64), make(map[string]map[string]bool)
	for _, id := range w.devices {
		r, err := gears.Decode(w.bodies[id])
		no(w.t, err)
		findings, _ := known.Match(r)
		w.compareDevice(id, findings)
		w.note(id, r, findings, openOn, versions)
	}
	w.compareLists(openOn, versions)
	kept, actual, err := w.store.Recount(ctx, w.account)
	if err != nil || kept != actual {
		w.t.Errorf("counts are kept as %+v and are %+v, %v", kept, actual, err)
	}
	drift, err := w.store.CheckFacets(ctx, w.account)
	if err != nil || len(drift) > 0 {
		w.t.Errorf("facets differ: %+v, %v", drift, err)
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// accepted reports whether any risk that is accepted is about a finding.
func (w *wild) accepted(id string, f *posture.Finding) bool {
	for _, a := range w.risks {
		if a.Vulnerability == f.CVEs[0] && (a.Device == "" || a.Device == id) && (a.Product.Name == "" || a.Product.Name == f.Product) {
			return true
		}
	}
	return false
}

// outcome is what a finding comes to.
type outcome struct {
	CVE, Product, Version, Fixed string
	Score                        float64
	Accepted                     bool
}

func (w *wild) compareDevice(id string, findings []posture.Finding) {
	w.t.Helper()
	var want, got []outcome
	var worst posture.Levels
	for i := range findings {
		f := &findings[i]
		accepted := w.accepted(id, f)
		want = append(want, outcome{f.CVEs[0], f.Product, f.Version, f.Fixed, f.Scores[0], accepted})
		if !accepted {
			worst = worst.Worst(f.Levels)
		}
	}
	v, err := w.services.devices.Verdict(w.t.Context(), w.account, id)
	no(w.t, err)
	for i := range v.Findings {
		f := &v.Findings[i]
		got = append(got, outcome{f.CVEs[0], f.Product, f.Version, f.Fixed, f.Scores[0], f.Accepted != nil})
	}
	order := func(a, b outcome) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(want, order)
	slices.SortFunc(got, order)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("device %s: %s", id, diff)
	}
	d, err := w.services.devices.Find(w.t.Context(), w.account, device.Selector{ID: id})
	if err != nil || d.Cell.Levels != worst || v.Levels != worst {
		w.t.Errorf("device %s is at %v, its verdict at %v, want %v, %v", id, d.Cell.Levels, v.Levels, worst, err)
	}
}

// note adds up what lists are to say.
func (w *wild) note(id string, r *posture.Report, findings []posture.Finding, openOn map[string]int64, versions map[string]map[string]bool) {
	open := make(map[string]bool)
	for i := range findings {
		f := &findings[i]
		if !w.accepted(id, f) {
			open[f.CVEs[0]] = true
		}
		key := f.Product + " " + f.Version
		if versions[key] == nil {
			versions[key] = make(map[string]bool)
		}
		versions[key][f.CVEs[0]] = true
	}
	for cve := range open {
		openOn[cve]++
	}
	for i := range r.Applications {
		key := r.Applications[i].Name + " " + r.Applications[i].Version
		if versions[key] == nil {
			versions[key] = make(map[string]bool)
		}
	}
}

func (w *wild) compareLists(openOn map[string]int64, versions map[string]map[string]bool) {
	w.t.Helper()
	ctx := w.t.Context()
	list, _, err := w.services.devices.Vulnerabilities(ctx, w.account, device.VulnerabilityQuery{MinScore: -1, Window: page.Window{Limit: 100}})
	no(w.t, err)
	got := make(map[string]int64)
	for i := range list {
		got[list[i].ID] = list[i].Devices
	}
	if diff := cmp.Diff(openOn, got); diff != "" {
		w.t.Errorf("the list of vulnerabilities: %s", diff)
	}
	software, _, err := w.services.devices.Software(ctx, w.account, device.SoftwareQuery{Window: page.Window{Limit: 100}})
	no(w.t, err)
	for i := range software {
		sw := &software[i]
		if want := int64(len(versions[sw.Name+" "+sw.Version])); sw.CVEs != want {
			w.t.Errorf("%s %s shows %d vulnerabilities, want %d", sw.Name, sw.Version, sw.CVEs, want)
		}
	}
}
