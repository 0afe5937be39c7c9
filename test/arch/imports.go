package arch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Rules say what may import what. Folders are relative to the module; "dir/..." is the folder and all below it.
type Rules struct {
	// Allowed holds, for every folder, the folders of the module it may import. One that is not listed may not exist.
	// Where several patterns fit, the longest counts.
	Allowed map[string][]string
	// Forbidden are packages from outside the module that only some folders may import.
	Forbidden []Ban
	// StandardOnly are folders that need nothing but the standard library and the project.
	StandardOnly []string
}

// A Ban keeps packages out of most of the tree, or out of some folders.
type Ban struct {
	Packages []string // import paths; "path/..." is the path and all below it
	In       []string // folders the ban is for
	Except   []string // folders in which they are welcome
	Why      string
}

// Imports finds imports that break the rules. Tests are exempt: they may take any part of the house to try another.
func (t *Tree) Imports(rules Rules) []Violation {
	var found []Violation
	for _, dir := range t.Folders() {
		allowed, known := rules.allowed(dir)
		for _, f := range t.packages[dir] {
			if f.test {
				continue
			}
			if !known {
				found = append(found, Violation{dir, "no rule says what this package may import: decide where it belongs and add it"})
				break
			}
			for _, spec := range f.ast.Imports {
				imported, _ := strconv.Unquote(spec.Path.Value) // the parser has seen to it
				for _, what := range t.broken(rules, allowed, dir, imported) {
					found = append(found, Violation{t.at(spec.Pos()), what})
				}
			}
		}
	}
	return found
}

// broken says what is wrong with one import.
func (t *Tree) broken(rules Rules, allowed []string, dir, imported string) []string {
	if target, own := strings.CutPrefix(imported, t.Module+"/"); own {
		if !matches(allowed, target) {
			return []string{fmt.Sprintf("%s may not import %s (it may import %s)", dir, target, list(allowed))}
		}
		return nil
	}
	var wrong []string
	for _, ban := range rules.Forbidden {
		if matches(ban.Packages, imported) && matches(ban.In, dir) && !matches(ban.Except, dir) {
			wrong = append(wrong, fmt.Sprintf("%s may not import %s: %s", dir, imported, ban.Why))
		}
	}
	if matches(rules.StandardOnly, dir) && !standard(imported) {
		wrong = append(wrong, fmt.Sprintf("%s may not import %s: it lives on the standard library", dir, imported))
	}
	return wrong
}

// standard reports whether a package comes with Go: its path begins with no host name.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// allowed finds the folders dir may import. known is false if no rule is for dir.
func (r Rules) allowed(dir string) (folders []string, known bool) {
	best := -1
	for pattern, list := range r.Allowed {
		if fits(pattern, dir) && len(pattern) > best {
			best, folders = len(pattern), list
		}
	}
	return folders, best >= 0
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, name) })
}

func fits(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if root, deep := strings.CutSuffix(pattern, "/..."); deep {
		return name == root || strings.HasPrefix(name, root+"/")
	}
	return name == pattern
}

func list(folders []string) string {
	if len(folders) == 0 {
		return "nothing of the project"
	}
	return strings.Join(folders, ", ")
}
