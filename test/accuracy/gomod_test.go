package accuracy

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"muster/internal/vuln"
)

// mod is one Go module of a machine, as the oracle reads it.
type mod struct {
	N       int    `json:"n"`
	Module  string `json:"module"`
	Version string `json:"version"`
	OS      string `json:"os"`
}

type modFinding struct {
	N  int    `json:"n"`
	ID string `json:"id"`
}

// families are what agents call the systems that Go calls so.
var families = map[string]string{"linux": "linux", "windows": "windows", "darwin": "mac"}

// goVersions lists what is around a version of the feed: a pre-release of it, a pseudo-version before it, itself, itself with a
// mark that does not count, and the next after it.
func goVersions(v string) []string {
	if v == "" || v == "0" {
		return []string{"0.0.0-20190101000000-abcdefabcdef", "0.0.0", "99.99.99"}
	}
	out := []string{v, v + "+incompatible"}
	base, pre, isPre := strings.Cut(v, "-")
	if isPre {
		return append(out, base+"-"+pre+".1", base, base+"-0")
	}
	last := strings.LastIndexByte(base, '.')
	return append(out, v+"-0", v+"-rc.1", v+"-0.20240101000000-abcdefabcdef", base[:last]+".9999", base[:last]+".0")
}

func goModules(all []vuln.Entry) []mod {
	rng := rand.New(rand.NewPCG(3, 4))
	versions := make(map[string][]string)
	for i := range all {
		for _, a := range all[i].Affected {
			for _, r := range a.Ranges {
				for _, e := range r.Events {
					versions[a.Package.Name] = append(versions[a.Package.Name], goVersions(e.Introduced+e.Fixed)...)
				}
			}
		}
	}
	names := make([]string, 0, len(versions))
	for name := range versions {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []mod
	for _, name := range names {
		slices.Sort(versions[name])
		all := slices.Compact(versions[name])
		core := name == "stdlib" || name == "toolchain" || strings.HasPrefix(name, "golang.org/")
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for n, v := range all {
			for s, system := range []string{"linux", "windows", "darwin"} {
				if core || everything() || n < 4 && s == n%3 {
					out = append(out, mod{len(out), name, v, system})
				}
			}
		}
		// A module whose path only begins alike.
		out = append(out, mod{len(out), name + "/v99", "0.0.1", "linux"})
	}
	return out
}

func TestGoModules(t *testing.T) {
	path := data(t, "go-osv.tar.xz")
	py, err := exec.LookPath("python3")
	if err != nil {
		py = python(t) // which says what is missing
	}
	all := entries(t, path)
	catalogue := vuln.New(all)
	modules := goModules(all)
	t.Logf("%d entries, %d modules", len(all), len(modules))
	truth := make(map[modFinding]bool)
	for _, f := range run[mod, modFinding](t, modules, py, "oracle_go.py", path) {
		truth[f] = true
	}
	shown := 0
	f := compare(truth, findModules(t, catalogue, modules), func(h modFinding, invented bool) {
		if shown++; shown <= 20 {
			t.Logf("invented %v: %s in %+v", invented, h.ID, modules[h.N])
		}
	})
	t.Logf("Go modules %s", f)
	if f.missed > 0 || f.invented > 0 {
		t.Errorf("%d missed, %d invented", f.missed, f.invented)
	}
}

// findModules makes machines of the modules, each with one version of a module at most. Entries about the same CVEs are one
// finding to Muster, under the id of one of them: the other counts as found with it.
func findModules(t *testing.T, catalogue *vuln.Catalogue, modules []mod) map[modFinding]bool {
	t.Helper()
	type slot struct{ os, name string }
	at := make(map[slot]int)
	fleet := make(map[string][][]*mod)
	for i := range modules {
		m := &modules[i]
		s := slot{m.OS, m.Module}
		if at[s] == len(fleet[m.OS]) {
			fleet[m.OS] = append(fleet[m.OS], nil)
		}
		fleet[m.OS][at[s]] = append(fleet[m.OS][at[s]], m)
		at[s]++
	}
	out := make(map[modFinding]bool)
	for system, machines := range fleet {
		for _, installed := range machines {
			m := machine{family: families[system]}
			number := make(map[string]int, len(installed))
			for _, p := range installed {
				number[p.Module] = p.N
				m.software = append(m.software, map[string]any{"purl": "pkg:golang/" + p.Module + "@v" + strings.ReplaceAll(p.Version, "+", "%2B")})
			}
			findings, _ := catalogue.Match(m.report(t))
			for i := range findings {
				out[modFinding{number[findings[i].Product], findings[i].ID}] = true
			}
		}
	}
	return out
}
