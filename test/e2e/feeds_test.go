package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// osvRecord is an advisory about a package of npm.
func osvRecord(id, pkg, fixed, modified string) []byte {
	return fmt.Appendf(nil, `{"schema_version": "1.6.0", "id": %q, "modified": %q, "summary": "%s is weak", "affected": [{"package": {"ecosystem": "npm",
		"name": %q}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": %q}]}]}]}`, id, modified, pkg, pkg, fixed)
}

// osvZip packs so many advisories.
func osvZip(t *testing.T, records int, modified string) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := zip.NewWriter(&out)
	for i := range records {
		id := fmt.Sprintf("GHSA-test-%04d", i)
		w, err := zw.Create(id + ".json")
		if err == nil {
			_, err = w.Write(osvRecord(id, fmt.Sprintf("package-%d", i), "2.0.0", modified))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// imported is what muster feed import --json says of the first feed.
type imported struct {
	Changed bool `json:"changed"`
	Feeds   []struct {
		Name                                                   string `json:"name"`
		Entries, Added, Changed, Unchanged, Removed, Withdrawn int64
	} `json:"feeds"`
}

func importFeed(t *testing.T, db []string, args ...string) imported {
	t.Helper()
	out, code := command(t, append(append([]string{"feed", "import", "--json"}, args...), db...)...)
	var r imported
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || len(r.Feeds) != 1 {
		t.Fatalf("muster feed import %v: code %d, %v: %s", args, code, err, out)
	}
	return r
}

// TestFeeds imports, lists and removes feeds beside a server.
func TestFeeds(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		file := path(t, "all.zip")
		write(t, file, string(osvZip(t, 300, "2026-03-01T00:00:00Z")))
		r := importFeed(t, db, file)
		if f := r.Feeds[0]; f.Name != "osv" || f.Added != 300 || f.Entries != 300 || !r.Changed {
			t.Errorf("%+v", r)
		}
		if r := importFeed(t, db, file); r.Changed || r.Feeds[0].Unchanged != 300 {
			t.Errorf("the same again: %+v", r)
		}
		out := p.muster("feed", "list")
		if !strings.Contains(out, "builtin") || !strings.Contains(out, "2026-03-01T00:00:00Z") || !strings.Contains(out, "TOO OLD") {
			t.Errorf("feed list: %s", out)
		}
		var list []struct {
			Name       string
			AgeSeconds int64 `json:"age_seconds"`
			Old        bool
		}
		if err := json.Unmarshal([]byte(p.muster("feed", "list", "--json", "--feed-max-age", "osv=0")), &list); err != nil || len(list) != 2 || list[1].Old || list[1].AgeSeconds < 3600 {
			t.Errorf("feed list: %+v, %v", list, err)
		}
		if out := p.muster("feed", "show", "osv"); !strings.Contains(out, file) {
			t.Errorf("feed show: %s", out)
		}
		testFeedsRefused(t, p, file)
		// A folder, with what is no feed beside it.
		folder := t.TempDir()
		write(t, filepath.Join(folder, "README.md"), "hello")
		write(t, filepath.Join(folder, "GHSA-test-0007.json"), string(osvRecord("GHSA-test-0007", "package-7", "3.0.0", "2026-03-02T00:00:00Z")))
		if r := importFeed(t, db, folder); r.Feeds[0].Changed != 1 || r.Feeds[0].Entries != 300 {
			t.Errorf("a folder: %+v", r)
		}
		if out := metricsOf(t, p); !strings.Contains(out, `muster_feed_entries{feed="osv",format="osv"} 300`) || !strings.Contains(out, `muster_feed_age_seconds{feed="osv"`) {
			t.Errorf("metrics: %s", out)
		}
		if out, code := command(t, append([]string{"feed", "remove", "osv"}, db...)...); code != 2 || !strings.Contains(out, "--yes") {
			t.Errorf("feed remove: code %d: %s", code, out)
		}
		if out := p.muster("feed", "remove", "osv", "--yes"); !strings.Contains(out, "300 entries") {
			t.Errorf("feed remove: %s", out)
		}
		if out := p.muster("feed", "list"); strings.Contains(out, "osv") {
			t.Errorf("after removing: %s", out)
		}
	})
}

// testFeedsRefused: what cannot be used, or would lose what is known, leaves everything as it is.
func testFeedsRefused(t *testing.T, p *program, file string) {
	t.Helper()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cut, small, empty := path(t, "cut.zip"), path(t, "small.zip"), path(t, "empty.json")
	write(t, cut, string(whole[:len(whole)*2/3]))
	write(t, small, string(osvZip(t, 100, "2026-03-02T00:00:00Z")))
	write(t, empty, "")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{cut}, 2, "cut.zip"},
		{[]string{small, "--replace"}, 1, "--allow-shrink"},
		{[]string{empty}, 2, "empty"},
		{[]string{path(t, "nope")}, 2, "cannot be read"},
		{[]string{file, "--name", "No Name"}, 2, "named by"},
		{[]string{}, 2, "--discard"},
		{[]string{file, "--discard"}, 2, "--discard"},
	} {
		out, code := command(t, append(append([]string{"feed", "import"}, c.args...), p.db...)...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("muster feed import %v: code %d: %s", c.args, code, out)
		}
	}
	if out := p.muster("feed", "import", small, "--replace", "--allow-shrink", "--dry-run"); !strings.Contains(out, "dry run") {
		t.Errorf("a dry run: %s", out)
	}
	p.muster("feed", "import", "--discard")
	if out := p.muster("feed", "show", "osv", "--json"); !strings.Contains(out, `"entries": 300`) {
		t.Errorf("afterwards: %s", out)
	}
	if out, code := command(t, append([]string{"feed", "show", "nope"}, p.db...)...); code != 1 || !strings.Contains(out, "muster feed list") {
		t.Errorf("feed show: code %d: %s", code, out)
	}
}

// TestFeedBundle carries feeds to a server in one signed file.
func TestFeedBundle(t *testing.T) {
	db := engines["sqlite"](t)
	command(t, append([]string{"migrate"}, db...)...)
	run := func(want int, says string, args ...string) {
		t.Helper()
		if out, code := command(t, append(args, db...)...); code != want || !strings.Contains(out, says) {
			t.Errorf("muster %v: code %d: %s", args, code, out)
		}
	}
	key, other, bundle, folder := path(t, "key"), path(t, "other"), path(t, "feeds.tar"), t.TempDir()
	write(t, filepath.Join(folder, "all.zip"), string(osvZip(t, 50, "2026-03-01T00:00:00Z")))
	one := path(t, "one.json")
	write(t, one, string(osvRecord("GHSA-test-9999", "package-9", "3.0.0", "2026-03-02T00:00:00Z")))
	run(0, "muster-feed-key:", "feed", "keygen", key)
	run(0, "muster-feed-key:", "feed", "keygen", other)
	run(1, "exists already", "feed", "keygen", key)
	run(0, "signed", "feed", "bundle", bundle, "mine="+folder, one, "--key", key)
	run(1, "exists already", "feed", "bundle", bundle, one, "--key", key)
	run(2, "secret", "feed", "bundle", path(t, "x"), one, "--key", key+".pub")
	run(0, "one.json", "feed", "verify", bundle, "--feed-keys", key+".pub")
	run(1, "not trusted", "feed", "verify", bundle, "--feed-keys", other+".pub")
	run(2, "--feed-keys", "feed", "verify", bundle)
	run(2, "--feed-keys", "feed", "import", bundle)
	run(1, "not trusted", "feed", "import", bundle, "--feed-keys", other+".pub")
	run(0, "[]", "feed", "list", "--json")
	run(0, "mine", "feed", "import", bundle, "--feed-keys", key+".pub")
	run(0, `"entries": 50`, "feed", "show", "mine", "--json")
	run(0, `"entries": 1`, "feed", "show", "osv", "--json")
	whole, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)/2] ^= 1
	broken := path(t, "broken.tar")
	write(t, broken, string(whole))
	run(2, "broken.tar", "feed", "import", broken, "--feed-keys", key+".pub")
}

// metricsOf reads the metrics of a server.
func metricsOf(t *testing.T, p *program) string {
	t.Helper()
	resp, err := http.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	if _, err = out.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestFeedsFolder: a server imports what lies in the folder that the operator names.
func TestFeedsFolder(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "broken.json"), `{"catalogVersion": "x", "vulnerabilities": [`)
	if err := os.Mkdir(filepath.Join(folder, "mine"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "mine", "delta.json"), `{"fetchTime": "x"}`) // lies among the feeds, and is none
	write(t, filepath.Join(folder, "mine", "all.zip"), string(osvZip(t, 20, "2026-03-01T00:00:00Z")))
	p := start(t, engines["sqlite"](t), "--feeds-folder", folder)
	deadline := time.After(60 * time.Second)
	for !strings.Contains(p.log.String(), `"feed":"mine"`) {
		select {
		case <-p.log.changed():
		case <-deadline:
			t.Fatalf("it was not imported:\n%s", p.log)
		}
	}
	if out := p.muster("feed", "show", "mine"); !strings.Contains(out, "20") {
		t.Errorf("feed show: %s", out)
	}
	if !strings.Contains(p.log.String(), "a feed cannot be imported") {
		t.Errorf("of the broken one it says nothing:\n%s", p.log)
	}
}
