package vuln

import (
	"slices"
	"strings"
)

// A module of RPM packages has streams that are kept up side by side, such as nodejs:18 and nodejs:20: what is fixed in
// one stream says nothing of another, and nothing of packages that belong to no module.

// streams are the module streams that a package may belong to. nil is a package for which modules play no part.
type streams struct {
	modular bool
	names   []string // none where it is of no module, or where there is no telling
	of      *Group
}

// streamsOf finds out which streams a package may belong to: that of its label, or without one those whose versions are nearest
// to its own.
func (g *Group) streamsOf(k Key, p *product) *streams {
	switch {
	case !isRPM(k.Space):
		return nil
	case p.module != "":
		return &streams{modular: true, names: []string{p.module}, of: g}
	case !isModular(p.compared):
		return &streams{of: g}
	default:
		return &streams{modular: true, names: g.nearest(p.compared), of: g}
	}
}

// nearest lists the streams under a key with the fix whose upstream version shares most with a version.
func (g *Group) nearest(version string) []string {
	best := 0
	var out []string
	for _, list := range [][]*target{g.sorted, g.rest} {
		for _, t := range list {
			for _, fix := range t.fixes() {
				n := shared(upstream(version), upstream(fix))
				if n > best {
					best, out = n, nil
				}
				if n == best {
					out = append(out, t.Modules...)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fixes lists the fixes of a target that belong to a module.
func (t *target) fixes() []string {
	var out []string
	for _, edges := range t.ranges {
		for _, e := range edges {
			if e.kind == fixed && isModular(e.version) {
				out = append(out, e.version)
			}
		}
	}
	return out
}

// shared counts the equal parts with which two versions begin.
func shared(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	n := 0
	for n < min(len(x), len(y)) && x[n] == y[n] {
		n++
	}
	return n
}

// concern reports whether a target is about packages of these streams.
func (s *streams) concern(t *target) bool {
	if s == nil {
		return true
	}
	if s.modular != t.modular {
		return false
	}
	return !s.modular || len(s.names) == 0 || len(t.Modules) == 0 || slices.ContainsFunc(s.names, func(name string) bool {
		return slices.ContainsFunc(t.Modules, func(of string) bool { return s.same(name, of, t) })
	})
}

// same compares the stream of a package with that of a target. Where an advisory names a module without its stream, it is the
// only one that is known, or one whose name is the beginning of a version that the advisory brings: ruby:2.5 for 2.5.9.
func (s *streams) same(name, of string, t *target) bool {
	module, open := strings.CutSuffix(of, ":")
	stream, ok := strings.CutPrefix(name, module+":")
	switch {
	case !open:
		return name == of
	case !ok:
		return false
	case stream == "" || stream[0] < '0' || stream[0] > '9' || s.of.only(module):
		return true
	}
	return slices.ContainsFunc(t.Lines, func(line string) bool { return line == stream || strings.HasPrefix(line, stream+".") })
}

// only reports whether at most one stream of a module is known under the key.
func (g *Group) only(module string) bool {
	known := ""
	for _, list := range [][]*target{g.sorted, g.rest} {
		for _, t := range list {
			for _, m := range t.Modules {
				stream, ok := strings.CutPrefix(m, module+":")
				if !ok || stream == "" {
					continue
				}
				if known != "" && known != stream {
					return false
				}
				known = stream
			}
		}
	}
	return true
}
