package arch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestHouse holds the whole tree to the rules.
func TestHouse(t *testing.T) {
	root := moduleRoot(t)
	tree, err := Load(os.DirFS(root), "muster")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(tree.Folders()); n < 8 {
		t.Fatalf("found only %d packages below %s: that is not the whole tree", n, root)
	}
	for _, rule := range []struct {
		name  string
		found []Violation
	}{
		{"imports", tree.Imports(House)},
		{"docs", tree.Docs()},
		{"sizes", tree.Sizes()},
	} {
		t.Run(rule.name, func(t *testing.T) {
			for _, v := range rule.found {
				t.Error(v)
			}
		})
	}
}

// The SQLite driver is translated from C together with one version of its C library, and only that version fits it.
// Nothing else says so: a newer libc builds, and breaks at run time.
func TestLibcIsTheOneThatSQLiteWants(t *testing.T) {
	const driver, libc = "modernc.org/sqlite", "modernc.org/libc"
	modFile := goCommand(t, "list", "-m", "-f", "{{.GoMod}}", driver)
	if modFile == "" {
		t.Fatalf("the go command does not know the go.mod of %s", driver)
	}
	wants, err := os.ReadFile(modFile)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^\s*(?:require\s+)?` + regexp.QuoteMeta(libc) + `\s+(v\S+)`).FindSubmatch(wants)
	if want == nil {
		t.Fatalf("%s no longer requires %s: this test has done its duty", driver, libc)
	}
	if have := goCommand(t, "list", "-m", "-f", "{{.Version}}", libc); have != string(want[1]) {
		t.Errorf("go.mod selects %s %s, but %s was made with %s: go get %s@%[4]s", libc, have, driver, want[1], libc)
	}
}

// A library is a decision, and decisions are written down.
func TestLibrariesAreExplained(t *testing.T) {
	adrs, err := filepath.Glob(filepath.Join(moduleRoot(t), "docs", "adr", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range adrs {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal([]byte(goCommand(t, "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if !r.Indirect && !strings.Contains(text.String(), "| "+r.Path+" |") {
			t.Errorf("go.mod requires %s, and no table in docs/adr/ says why", r.Path)
		}
	}
}

func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = moduleRoot(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return root
}
