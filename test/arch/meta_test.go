package arch

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// Each tree here breaks one rule, or stays just inside it. want are parts of what the checker has to say, one for each
// violation; without any, the tree is in order.

func TestImportsBite(t *testing.T) {
	const m = "muster/"
	for _, c := range []struct {
		name, path string
		imports    []string
		want       []string
	}{
		{"a domain package on the ground floor", "internal/device/a.go", []string{m + "internal/posture", m + "internal/errs", "time"}, nil},
		{"the ground floor imports upwards", "internal/posture/a.go", []string{m + "internal/device"}, []string{"may not import internal/device (it may import nothing of the project)"}},
		{"errs imports posture", "internal/errs/a.go", []string{m + "internal/posture"}, []string{"internal/posture"}},
		{"errs knows HTTP", "internal/errs/a.go", []string{"net/http"}, []string{"no input and output"}},
		{"two domain packages", "internal/device/a.go", []string{m + "internal/policy"}, []string{"internal/policy"}},
		{"a domain package imports the store", "internal/identity/a.go", []string{m + "internal/store"}, []string{"internal/store"}},
		{"a domain package imports a part of the store", "internal/device/a.go", []string{m + "internal/store/dialect"}, []string{"internal/store/dialect"}},
		{"a domain package opens a database", "internal/device/a.go", []string{"database/sql"}, []string{"no input and output"}},
		{"a pure package rolls dice", "internal/policy/a.go", []string{"math/rand/v2"}, []string{"pure"}},
		{"identity and its scopes", "internal/identity/a.go", []string{m + "internal/identity/scope", "crypto/rand"}, nil},
		{"a suite of tests outside of tests", "internal/store/a.go", []string{m + "internal/identity/identitytest"}, []string{"identitytest"}},
		{"a suite of tests in another", "internal/store/storetest/a.go", []string{m + "internal/identity/identitytest", "testing"}, nil},
		{"a scope imports identity", "internal/identity/scope/a.go", []string{m + "internal/identity"}, []string{"internal/identity"}},
		{"two doors", "internal/api/a.go", []string{m + "internal/oauth"}, []string{"internal/oauth"}},
		{"a door and its toolkit", "internal/api/a.go", []string{m + "internal/web", "net/http", m + "internal/device"}, nil},
		{"a door imports the store", "internal/gears/a.go", []string{m + "internal/store"}, []string{"internal/store"}},
		{"a door speaks SQL", "internal/oauth/a.go", []string{"database/sql"}, []string{"never the database"}},
		{"the toolkit imports a door", "internal/web/a.go", []string{m + "internal/api"}, []string{"internal/api"}},
		{"a door asks another service", "internal/jobs/a.go", []string{m + "internal/app"}, []string{"internal/app"}},
		{"the store and its drivers", "internal/store/dialect/a.go", []string{"modernc.org/sqlite", "github.com/jackc/pgx/v5/stdlib", "database/sql"}, nil},
		{"a driver elsewhere", "internal/jobs/a.go", []string{"github.com/jackc/pgx/v5"}, []string{"only the store"}},
		{"a part of a driver elsewhere", "internal/app/a.go", []string{"modernc.org/sqlite/lib"}, []string{"only the store"}},
		{"a name that only begins like a driver", "internal/app/a.go", []string{"modernc.org/sqliteother"}, nil},
		{"config", "internal/config/a.go", []string{m + "internal/errs", m + "internal/posture"}, []string{"internal/posture"}},
		{"main starts the app", "cmd/muster/a.go", []string{m + "internal/app"}, nil},
		{"main does more", "cmd/muster/a.go", []string{m + "internal/app", m + "internal/store"}, []string{"internal/store"}},
		{"the agent imports the server", "internal/agent/a.go", []string{m + "internal/device"}, []string{"internal/device"}},
		{"the client imports us", "client/a.go", []string{m + "internal/posture"}, []string{"internal/posture"}},
		{"the client imports others", "client/a.go", []string{"golang.org/x/oauth2", "net/http"}, []string{"standard library"}},
		{"app joins everything", "internal/app/a.go", []string{m + "internal/api", m + "internal/store", m + "internal/config", m + "tools/fleet"}, nil},
		{"a package nobody decided on", "internal/misc/a.go", []string{"fmt"}, []string{"no rule"}},
		{"a package below one that has a rule for itself only", "internal/api/deep/a.go", nil, []string{"no rule"}},
		{"a file for another system", "internal/api/a_windows.go", []string{m + "internal/oauth"}, []string{"internal/oauth"}},
		{"a test may", "internal/device/a_test.go", []string{m + "internal/store", "database/sql"}, nil},
		{"two at once", "internal/api/a.go", []string{m + "internal/oauth", m + "internal/gears"}, []string{"internal/oauth", "internal/gears"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var src strings.Builder
			src.WriteString("package x\n")
			for _, i := range c.imports {
				fmt.Fprintf(&src, "import %q\n", i)
			}
			check(t, load(t, map[string]string{c.path: src.String()}).Imports(House), c.want)
		})
	}
}

func TestDocsBite(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"a comment in one file is enough", map[string]string{"a/a.go": "package a", "a/doc.go": "// Package a is.\npackage a"}, nil},
		{"none", map[string]string{"a/a.go": "package a"}, []string{"no comment"}},
		{"one that a blank line cuts off", map[string]string{"a/a.go": "// Package a is.\n\npackage a"}, []string{"no comment"}},
		{"a licence only", map[string]string{"a/a.go": "// All rights.\n\npackage a"}, []string{"no comment"}},
		{"a directive only", map[string]string{"a/a.go": "//go:build unix\n\npackage a"}, []string{"no comment"}},
		{"one that does not begin with the name", map[string]string{"a/a.go": "// This is a.\npackage a"}, []string{"does not begin"}},
		{"a command says what it likes", map[string]string{"cmd/a/main.go": "// The server.\npackage main"}, nil},
		{"a command without", map[string]string{"cmd/a/main.go": "package main"}, []string{"no comment"}},
		{"tests only", map[string]string{"a/a_test.go": "// Package a is.\npackage a_test"}, nil},
		{"a library with tests outside", map[string]string{"a/a.go": "// Package a is.\npackage a", "a/a_test.go": "package a_test"}, nil},
		{"two packages without", map[string]string{"a/a.go": "package a", "b/b.go": "package b"}, []string{"a: no comment", "b: no comment"}},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, load(t, c.files).Docs(), c.want) })
	}
}

func TestSizesBite(t *testing.T) {
	// A function of n lines: its first, its last, and between them a statement a line.
	function := func(n int) string { return "func f() {\n" + strings.Repeat("\t_ = 0\n", n-2) + "}\n" }
	inside := func(n int, comment string) string {
		return "func f() {\n\t" + comment + "\n" + strings.Repeat("\t_ = 0\n", n-3) + "}\n"
	}
	lines := func(n int) string { return strings.Repeat("\n", n-1) }
	for _, c := range []struct {
		name, path, body string
		want             []string
	}{
		{"a function of 80 lines", "a.go", function(80), nil},
		{"a function of 81 lines", "a.go", function(81), []string{"f has 81 lines"}},
		{"a reason above", "a.go", "// f is.\n//\n// long: it is one table.\n" + function(81), nil},
		{"a reason inside", "a.go", inside(81, "// long: it is one table."), nil},
		{"a reason that is none", "a.go", "// long:\n" + function(81), []string{"f has 81 lines"}},
		{"a word that only looks like it", "a.go", "// as long: as it gets\n" + function(81), []string{"f has 81 lines"}},
		{"another function's reason", "a.go", "// long: it is one table.\nfunc g() {}\n" + function(81), []string{"f has 81 lines"}},
		{"a method", "a.go", "type t int\n" + strings.Replace(function(81), "func f", "func (t) f", 1), []string{"f has 81 lines"}},
		{"a long test", "a_test.go", function(200), nil},
		{"a file of 600 lines", "a.go", lines(600), nil},
		{"a file of 601 lines", "a.go", lines(601), []string{"601 lines, at most 600"}},
		{"a long file has no excuse", "a.go", "// long: because.\n" + lines(600), []string{"601 lines"}},
		{"a long file of tests", "a_test.go", lines(2000), nil},
		{"both", "a.go", function(81) + lines(600), []string{"681 lines", "f has 81"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, load(t, map[string]string{c.path: "package a\n" + c.body}).Sizes(), c.want)
		})
	}
}

func TestSizesLetGeneratedCodeBe(t *testing.T) {
	src := "// Code generated by a program. DO NOT EDIT.\n\npackage a\n" + strings.Repeat("\n", 1000)
	check(t, load(t, map[string]string{"a.go": src}).Sizes(), nil)
}

// What the go command does not see, the checker does not judge.
func TestLoadLeavesOut(t *testing.T) {
	tree := load(t, map[string]string{
		"a/a.go":                   "package a",
		"a/testdata/bad.go":        "this is no Go",
		".hidden/bad.go":           "this is no Go",
		"_attic/bad.go":            "this is no Go",
		"vendor/x/bad.go":          "this is no Go",
		"tools/other/go.mod":       "module other",
		"tools/other/bad.go":       "this is no Go",
		"tools/other/below/bad.go": "this is no Go",
	})
	if got := strings.Join(tree.Folders(), " "); got != "a" {
		t.Errorf("folders = %q, want a alone", got)
	}
	if _, err := Load(fstest.MapFS{"a/a.go": {Data: []byte("this is no Go")}}, "muster"); err == nil {
		t.Error("a file that does not parse must be an error: nothing in it was checked")
	}
}

func load(t *testing.T, files map[string]string) *Tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, src := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(src)}
	}
	tree, err := Load(fsys, "muster")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func check(t *testing.T, found []Violation, want []string) {
	t.Helper()
	if len(found) != len(want) {
		t.Errorf("found %d violations, want %d: %v", len(found), len(want), found)
		return
	}
	for i, w := range want {
		if !strings.Contains(found[i].String(), w) {
			t.Errorf("violation %d is %q, want one with %q", i, found[i], w)
		}
	}
}
