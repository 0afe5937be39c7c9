package accuracy

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"muster/internal/vuln"
)

// pkg is one package of a machine, as the oracle reads it.
type pkg struct {
	N       int    `json:"n"`
	Release string `json:"release"`
	Name    string `json:"name"`
	EVR     string `json:"evr"`
	Module  string `json:"module"`
	Arch    string `json:"arch"`

	unlabelled bool // its module is not told to Muster
}

// purl is the package as agents write it.
func (p *pkg) purl(rng *rand.Rand) string {
	version := p.EVR
	q := url.Values{"arch": {p.Arch}, "distro": {"almalinux-" + p.Release + ".4"}}
	if epoch, rest, ok := strings.Cut(p.EVR, ":"); ok {
		version = rest
		q.Set("epoch", epoch)
	}
	if p.Module != "" && !p.unlabelled {
		q.Set("rpmmod", p.Module+":8060020220523160029:ad008a3a")
	}
	if rng.IntN(2) == 0 {
		q.Set("upstream", p.Name+"-"+version+".src.rpm")
	}
	return fmt.Sprintf("pkg:rpm/almalinux/%s@%s?%s", url.PathEscape(p.Name), url.PathEscape(version), q.Encode())
}

// build is one fix of the feed.
type build struct {
	evr     string
	streams []string // of the advisory, where the build belongs to a module
}

var (
	word     = regexp.MustCompile(`[\w.+-]+:[\w.]+`)
	module   = regexp.MustCompile(`\.module.*$`)
	dist     = regexp.MustCompile(`\.el[0-9].*$`)
	machines = []string{"x86_64", "i686", "aarch64", "noarch", "ppc64le", "s390x"}
)

// feedBuilds lists the fixes of each package of each release.
func feedBuilds(all []vuln.Entry) map[[2]string][]build {
	out := make(map[[2]string][]build)
	for i := range all {
		_, title, found := strings.Cut(all[i].Summary, ": ")
		if !found {
			title = all[i].Summary
		}
		streams := word.FindAllString(title, -1)
		for _, a := range all[i].Affected {
			k := [2]string{strings.TrimPrefix(a.Package.Ecosystem, "AlmaLinux:"), a.Package.Name}
			b := build{evr: a.Ranges[0].Events[1].Fixed}
			if module.MatchString(b.evr) {
				b.streams = streams
			}
			if !slices.ContainsFunc(out[k], func(o build) bool { return o.evr == b.evr }) {
				out[k] = append(out[k], b)
			}
		}
	}
	return out
}

// maker makes the packages of machines.
type maker struct {
	rng    *rand.Rand
	builds map[[2]string][]build
	keys   [][2]string
	out    []pkg
}

func newMaker(all []vuln.Entry) *maker {
	m := &maker{rng: rand.New(rand.NewPCG(5, 26)), builds: feedBuilds(all)}
	for k := range m.builds {
		m.keys = append(m.keys, k)
	}
	slices.SortFunc(m.keys, func(a, b [2]string) int { return strings.Compare(a[0]+" "+a[1], b[0]+" "+b[1]) })
	return m
}

func (m *maker) add(k [2]string, evr, stream, arch string) {
	if arch == "" {
		arch = machines[m.rng.IntN(len(machines))]
	}
	m.out = append(m.out, pkg{N: len(m.out), Release: k[0], Name: k[1], EVR: evr, Module: stream, Arch: arch})
}

// someFixes is around how many fixes of a package versions are made, of one package in three, unless all are asked for: a kernel has
// hundreds.
const someFixes = 2

// around adds the versions just below, at and just above a fix.
func (m *maker) around(k [2]string, evr, stream string) {
	for _, v := range []string{evr + "~", evr, evr + ".1"} {
		m.add(k, v, stream, "")
	}
}

// packages makes, of every package, versions around each fix, and around one fix of each the odd cases.
func (m *maker) packages() []pkg {
	for i, k := range m.keys {
		if i%3 != 0 && !everything() {
			continue
		}
		builds := slices.Clone(m.builds[k])
		m.rng.Shuffle(len(builds), func(i, j int) { builds[i], builds[j] = builds[j], builds[i] })
		if len(builds) > someFixes && !everything() {
			builds = builds[:someFixes]
		}
		for _, b := range builds {
			m.around(k, b.evr, m.stream(k, b))
		}
		m.odd(k, builds[m.rng.IntN(len(builds))])
	}
	return m.out
}

// stream gives one of the streams of a build. Where the advisory leaves the stream open, any that the package is known in.
func (m *maker) stream(k [2]string, b build) string {
	if !module.MatchString(b.evr) {
		return ""
	}
	if len(b.streams) > 0 {
		return b.streams[m.rng.IntN(len(b.streams))]
	}
	known := m.streamsOf(k)
	if len(known) == 0 {
		return "unknown:1"
	}
	return known[m.rng.IntN(len(known))]
}

func (m *maker) streamsOf(k [2]string) []string {
	var out []string
	for _, b := range m.builds[k] {
		out = append(out, b.streams...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// odd adds what is easily taken for something else.
func (m *maker) odd(k [2]string, b build) {
	stream := m.stream(k, b)
	epoch, rest, hasEpoch := strings.Cut(b.evr, ":")
	if !hasEpoch {
		epoch, rest = "0", b.evr
	}
	// The epoch forgotten, zero in so many words, and higher than that of the fix.
	m.add(k, rest+"~", stream, "")
	m.add(k, "0:"+rest, stream, "")
	m.add(k, epoch+"1:"+rest+"~", stream, "")
	// A source package.
	m.add(k, b.evr+"~", stream, "src")
	// The version of before, an age ago.
	m.add(k, "0:0-0", stream, "")
	if stream != "" {
		// Another stream of the same module, a stream nobody knows, and the package outside any module.
		for _, other := range append(m.streamsOf(k), "nothing:1") {
			m.add(k, b.evr+"~", other, "")
			m.add(k, b.evr, other, "")
		}
		m.add(k, module.ReplaceAllString(b.evr, ".el"+k[0])+"~", "", "")
	} else {
		// The package as part of a module.
		m.add(k, dist.ReplaceAllString(b.evr, "")+"~.module_el8.9.0+1234+0a1b2c3d", "nothing:1", "")
	}
	// The fix of another release.
	for _, release := range []string{"8", "9", "10"} {
		if others := m.builds[[2]string{release, k[1]}]; release != k[0] && len(others) > 0 {
			other := others[m.rng.IntN(len(others))]
			m.around(k, other.evr, m.stream([2]string{release, k[1]}, other))
		}
	}
}

// finding is what the oracle says.
type finding struct {
	N     int      `json:"n"`
	ID    string   `json:"id"`
	CVEs  []string `json:"cves"`
	Fixed string   `json:"fixed"`
}

// hit is a vulnerability of a package. Two advisories about the same CVEs are the same vulnerability.
type hit struct {
	n    int
	cves string
}

func (f *finding) hit() hit {
	if len(f.CVEs) == 0 {
		return hit{f.N, f.ID}
	}
	return hit{f.N, strings.Join(f.CVEs, " ")}
}

func TestAlmaLinux(t *testing.T) {
	path := data(t, "almalinux-osv.tar.xz")
	py := python(t)
	all := entries(t, path)
	catalogue := vuln.New(all)
	packages := newMaker(all).packages()
	t.Logf("%d advisories, %d packages", len(all), len(packages))
	f := measure(t, py, path, catalogue, packages)
	if f.missed > 0 || f.invented > 0 {
		t.Errorf("%d missed, %d invented", f.missed, f.invented)
	}
}

// measure compares what Muster finds in packages with what the oracle says, and prints figures for each release.
func measure(t *testing.T, py, path string, catalogue *vuln.Catalogue, packages []pkg) figures {
	t.Helper()
	truth := make(map[hit]bool)
	said := make(map[hit][]string) // entries and their fixes
	for _, f := range run[pkg, finding](t, packages, py, "oracle_rpm.py", path) {
		truth[f.hit()] = true
		said[f.hit()] = append(said[f.hit()], f.ID+" fixed in "+f.Fixed)
	}
	found := make(map[hit]bool)
	wrong := 0
	for _, f := range findAll(t, catalogue, packages) {
		found[f.hit()] = true
		if words := said[f.hit()]; len(words) > 0 && !packages[f.N].unlabelled && !slices.Contains(words, f.ID+" fixed in "+f.Fixed) {
			if wrong++; wrong <= 10 {
				t.Errorf("%+v: the finding says %s fixed in %s, the oracle %v", packages[f.N], f.ID, f.Fixed, words)
			}
		}
	}
	var sum figures
	for _, release := range []string{"8", "9", "10"} {
		shown := 0
		in := func(all map[hit]bool) map[hit]bool {
			out := make(map[hit]bool)
			for h := range all {
				if packages[h.n].Release == release {
					out[h] = true
				}
			}
			return out
		}
		f := compare(in(truth), in(found), func(h hit, invented bool) {
			if shown++; shown <= 15 && !packages[h.n].unlabelled {
				t.Logf("invented %v: %s in %+v (%v)", invented, h.cves, packages[h.n], said[h])
			}
		})
		t.Logf("AlmaLinux %-2s %s", release, f)
		sum = sum.plus(f)
	}
	t.Logf("in all       %s", sum)
	return sum
}

// findAll makes machines of the packages, each with one version of a package at most, and gives what Muster finds in them.
func findAll(t *testing.T, catalogue *vuln.Catalogue, packages []pkg) []finding {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	at := make(map[[2]string]int)
	fleet := make(map[string][][]*pkg)
	for i := range packages {
		p := &packages[i]
		k := [2]string{p.Release, p.Name}
		if at[k] == len(fleet[p.Release]) {
			fleet[p.Release] = append(fleet[p.Release], nil)
		}
		fleet[p.Release][at[k]] = append(fleet[p.Release][at[k]], p)
		at[k]++
	}
	var out []finding
	for release, machines := range fleet {
		for _, installed := range machines {
			m := machine{family: "linux", distribution: "AlmaLinux:" + release}
			number := make(map[string]int, len(installed))
			for _, p := range installed {
				number[p.Name] = p.N
				m.software = append(m.software, map[string]any{"purl": p.purl(rng)})
			}
			findings, _ := catalogue.Match(m.report(t))
			for i := range findings {
				f := &findings[i]
				out = append(out, finding{N: number[f.Product], ID: f.ID, CVEs: f.CVEs, Fixed: f.Fixed})
			}
		}
	}
	return out
}

// TestAlmaLinuxWithoutLabels leaves out what module a package belongs to, as agents do that do not ask rpm for it. Then the
// stream can only be guessed from the version, and many packages are the same in several streams: what is asked for here is what the
// guess is known to reach. It leans to finding too much.
func TestAlmaLinuxWithoutLabels(t *testing.T) {
	path := data(t, "almalinux-osv.tar.xz")
	py := python(t)
	all := entries(t, path)
	m := newMaker(all)
	for _, k := range m.keys {
		var modular []build
		for _, b := range m.builds[k] {
			if len(b.streams) > 0 {
				modular = append(modular, b)
			}
		}
		for range min(len(modular), someFixes) {
			b := modular[m.rng.IntN(len(modular))]
			m.around(k, b.evr, m.stream(k, b))
		}
	}
	for i := range m.out {
		m.out[i].unlabelled = true
	}
	f := measure(t, py, path, vuln.New(all), m.out)
	if f.missed*100 > f.both || f.invented*100 > f.both*30 {
		t.Errorf("%d missed and %d invented of %d", f.missed, f.invented, f.both+f.missed)
	}
}
