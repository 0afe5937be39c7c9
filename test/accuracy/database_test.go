package accuracy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/catalogue"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/testpg"
	"muster/internal/vuln"
)

// inDatabase is what a server knows.
type inDatabase struct{ service *catalogue.Service }

// imported is a database into which the entries were imported.
func imported(t testing.TB, o store.Options, all []vuln.Entry) inDatabase {
	t.Helper()
	ctx := t.Context()
	st, err := store.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if _, err := st.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	d := inDatabase{catalogue.New(catalogue.Options{Store: store.NewCatalogue(st)})}
	session, err := d.service.Import(ctx, catalogue.Request{Input: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		p := vuln.Prepare(&all[i])
		if err := session.Add(ctx, catalogue.Into{Name: "osv", Format: "osv"}, &p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := session.Finish(ctx, nil); err != nil {
		t.Fatal(err)
	}
	return d
}

// match does what a server does with a report.
func (d inDatabase) match(t testing.TB, r *posture.Report) []posture.Finding {
	t.Helper()
	view, err := d.service.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inventory := vuln.Take(r)
	groups, err := view.Groups(t.Context(), inventory.Keys())
	if err != nil {
		t.Fatal(err)
	}
	hits := inventory.Match(func(k vuln.Key) *vuln.Group { return groups[k] })
	facts, err := view.Facts(t.Context(), vuln.CVEsOf(hits))
	if err != nil {
		t.Fatal(err)
	}
	findings, _ := vuln.Score(hits, facts, vuln.DefaultThresholds())
	return findings
}

// fleet makes machines of AlmaLinux with so many packages each, at some version that the feed names or just below.
func fleet(t testing.TB, all []vuln.Entry, machines, packages int) []*posture.Report {
	t.Helper()
	m := newMaker(all)
	var out []*posture.Report
	for n := range machines {
		release := []string{"8", "9", "10"}[n%3]
		keys := slices.DeleteFunc(slices.Clone(m.keys), func(k [2]string) bool { return k[0] != release })
		m.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		one := machine{family: "linux", distribution: "AlmaLinux:" + release}
		for _, k := range keys[:packages] {
			builds := m.builds[k]
			b := builds[m.rng.IntN(len(builds))]
			p := pkg{Release: release, Name: k[1], EVR: b.evr + strings.Repeat("~", m.rng.IntN(2)), Module: m.stream(k, b), Arch: "x86_64"}
			one.software = append(one.software, map[string]any{"purl": p.purl(m.rng)})
		}
		out = append(out, one.report(t))
	}
	return out
}

// What a server finds by its database is what the other tests find in memory, on both engines.
func TestThroughTheDatabase(t *testing.T) {
	var all []vuln.Entry
	for i, e := range entries(t, data(t, "almalinux-osv.tar.xz")) {
		if i%5 == 0 {
			all = append(all, e)
		}
	}
	memory := vuln.New(all)
	reports := fleet(t, all, 6, 300)
	engines := map[string]func(t *testing.T) store.Options{
		"SQLite":     func(t *testing.T) store.Options { return store.Options{Dir: t.TempDir()} },
		"PostgreSQL": func(t *testing.T) store.Options { return store.Options{Database: testpg.Database(t)} },
	}
	for name, options := range engines {
		t.Run(name, func(t *testing.T) {
			d := imported(t, options(t), all)
			for _, r := range reports {
				want, _ := memory.Match(r)
				for i := range want {
					want[i].Feed = "osv"
				}
				if diff := cmp.Diff(want, d.match(t, r)); diff != "" || len(want) < 100 {
					t.Fatalf("%d findings in memory, which differ: %s", len(want), diff)
				}
			}
		})
	}
}

// BenchmarkDevice is what a report of 600 packages costs once what it needs is known to the server.
func BenchmarkDevice(b *testing.B) {
	all := entries(b, data(b, "almalinux-osv.tar.xz"))
	memory := vuln.New(all)
	for _, kind := range []string{"vulnerable", "mended"} {
		r := fleet(b, all, 2, 600)[1]
		if kind == "mended" {
			r = mended(b, all, r)
		}
		findings, _ := memory.Match(r)
		b.Run(kind+"/memory", func(b *testing.B) {
			measured(b, len(findings), func() { memory.Match(r) })
		})
		b.Run(kind+"/database", func(b *testing.B) {
			d := imported(b, store.Options{Dir: b.TempDir()}, all)
			d.match(b, r)
			measured(b, len(findings), func() { d.match(b, r) })
		})
	}
}

// measured reports processor time beside the time that passes: the machine has other work too.
func measured(b *testing.B, findings int, one func()) {
	b.Helper()
	began := processor(b)
	for b.Loop() {
		one()
	}
	b.ReportMetric(float64(processor(b)-began)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(findings), "findings")
}

func processor(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// mended brings the packages of a machine to the newest version that the feed names.
func mended(b *testing.B, all []vuln.Entry, r *posture.Report) *posture.Report {
	b.Helper()
	m := newMaker(all)
	out := *r
	out.Applications = slices.Clone(r.Applications)
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range out.Applications {
		a := &out.Applications[i]
		if rng.IntN(100) > 0 { // one in a hundred waits for its update
			a.Version = "999:" + strings.TrimPrefix(m.builds[[2]string{"9", a.Name}][0].evr, "0:")
			if n := strings.Count(a.Version, ":"); n > 1 {
				a.Version = "999:" + a.Version[strings.LastIndexByte(a.Version, ':')+1:]
			}
		}
	}
	return &out
}
