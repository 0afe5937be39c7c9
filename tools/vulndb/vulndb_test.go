package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const (
	one = `{"id":"GO-2026-0001","modified":"2026-02-01T00:00:00Z","aliases":["CVE-1"],
		"affected":[{"package":{"name":"example.com/b","ecosystem":"Go"}},{"package":{"name":"example.com/a","ecosystem":"Go"}},
		{"package":{"name":"example.com/b","ecosystem":"Go"}},{"package":{"name":"left","ecosystem":"npm"}}]}`
	// The public archive's own records come without the time of their last change.
	two = `{"id":"GO-2026-0002","modified":"0001-01-01T00:00:00Z",
		"affected":[{"package":{"name":"example.com/a","ecosystem":"Go"}}]}`
	withdrawn = `{"id":"GO-2026-0003","withdrawn":"2026-03-01T00:00:00Z","modified":"2026-03-01T00:00:00Z",
		"affected":[{"package":{"name":"example.com/c","ecosystem":"Go"}}]}`
)

func TestDatabase(t *testing.T) {
	db := newDatabase(t.TempDir())
	files := fstest.MapFS{
		"osv/GO-2026-0002.json": {Data: []byte(two), ModTime: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)},
		"osv/GO-2026-0001.json": {Data: []byte(one)},
		"osv/GO-2026-0003.json": {Data: []byte(withdrawn)},
		"README.md":             {Data: []byte("no record")},
	}
	if err := readFolder(files, db.add); err != nil {
		t.Fatal(err)
	}
	if err := db.finish(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"index/db": `{"modified":"2026-04-01T00:00:00Z"}`,
		"index/modules": `[{"path":"example.com/a","vulns":[{"id":"GO-2026-0001","modified":"2026-02-01T00:00:00Z"},` +
			`{"id":"GO-2026-0002","modified":"2026-04-01T00:00:00Z"}]},` +
			`{"path":"example.com/b","vulns":[{"id":"GO-2026-0001","modified":"2026-02-01T00:00:00Z"}]}]`,
		"index/vulns": `[{"id":"GO-2026-0001","modified":"2026-02-01T00:00:00Z","aliases":["CVE-1"]},` +
			`{"id":"GO-2026-0002","modified":"2026-04-01T00:00:00Z"}]`,
	} {
		got, err := os.ReadFile(filepath.Join(db.dir, filepath.FromSlash(name)+".json"))
		if err != nil {
			t.Error(err)
		} else if string(got) != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
	var r record
	text, err := os.ReadFile(filepath.Join(db.dir, "ID", "GO-2026-0001.json"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || len(r.Affected) != 4 {
		t.Errorf("the record was not kept whole: %s, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(db.dir, "ID", "GO-2026-0003.json")); err == nil {
		t.Error("a withdrawn record is in the database")
	}
}

func TestBadRecords(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":          `{"id":`,
		"no id":            `{"affected":[]}`,
		"an id that walks": `{"id":"../../evil"}`,
	} {
		err := readFolder(fstest.MapFS{"x.json": {Data: []byte(text)}}, newDatabase(t.TempDir()).add)
		if err == nil || !strings.Contains(err.Error(), "x.json") {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
	if err := newDatabase(t.TempDir()).finish(); err == nil {
		t.Error("a database without records must be an error")
	}
}

func TestBuild(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip("no tar on this machine")
	}
	src, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "GO-2026-0001.json"), []byte(one), 0o644); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "osv.tar.gz")
	if out, err := exec.Command("tar", "-czf", archive, "-C", src, ".").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	if err := run([]string{"build", archive, dir}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index", "modules.json")); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"build", archive + ".not", dir}, {"build", archive}, {"nonsense"}, nil} {
		if err := run(args); err == nil {
			t.Errorf("vulndb %v: no error", args)
		}
	}
}

// Programs that stand in for govulncheck: one that never finds anything, one that always does.
func TestCheckBites(t *testing.T) {
	for _, program := range []string{"true", "false"} {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Skip(err)
		}
		if err := check(path); err == nil {
			t.Errorf("%s passes for a working govulncheck", program)
		}
	}
	if err := check(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing program passes for a working govulncheck")
	}
}
