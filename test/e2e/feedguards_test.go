package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/vuln"
)

// debianZip packs entries about packages of Debian 12: those with these numbers, as modified on a day.
func debianZip(t *testing.T, modified string, numbers ...int) string {
	t.Helper()
	var out bytes.Buffer
	zw := zip.NewWriter(&out)
	for _, i := range numbers {
		e := inDebian(fmt.Sprintf("CVE-2031-%04d", i), fmt.Sprintf("package-%d", i), "1.0-2", modified)
		w, err := zw.Create(e.ID + ".json")
		if err == nil {
			err = json.NewEncoder(w).Encode(struct {
				vuln.Entry
				Schema string `json:"schema_version"`
			}{e, "1.6.0"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	file := path(t, "debian.zip")
	write(t, file, out.String())
	return file
}

// TestFindingsOutliveBadFeeds: a feed that is broken, empty, older or truncated takes no finding away, nor does moving the
// server to another database by a backup. Removing the feed does.
func TestFindingsOutliveBadFeeds(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		_, token := p.client("write")
		const mac = "00:0c:29:00:04:01"
		a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration(mac))
		a.report(withPackage("host", mac, "package-1", "1.0-1")).want(200)
		good := debianZip(t, "2026-02-01T00:00:00Z", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		importFeed(t, db, good, "--name", "debian")
		p.wantVulnerable(token, "CVE-2031-0001", 1)

		packed, err := os.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		whole := string(packed)
		bad := map[string][]string{
			"truncated list": {debianZip(t, "2026-02-02T00:00:00Z", 2, 3, 4), "--replace"},
			"older list":     {debianZip(t, "2026-01-01T00:00:00Z", 2, 3, 4, 5, 6, 7, 8, 9, 10), "--replace"},
			"empty archive":  {debianZip(t, ""), "--replace", "--allow-shrink", "--allow-older"},
		}
		for name, text := range map[string]string{"cut": whole[:len(whole)/2], "empty": "", "noise": strings.Repeat("noise ", 100), "cut.json": `{"id": "CVE-2031-0001", "withdrawn": "2026`} {
			file := path(t, name)
			write(t, file, text)
			bad[name] = []string{file, "--replace", "--allow-shrink", "--allow-older"}
		}
		folder := t.TempDir()
		write(t, filepath.Join(folder, "a.json"), `{"schema_version": "1.6.0", "id": "CVE-2031-0001", "modified": "2026-03-01T00:00:00Z", "withdrawn": "2026-03-01T00:00:00Z"}`)
		write(t, filepath.Join(folder, "b.json"), `{"schema_version": "1.6.0", "id": "CVE-2031-0002", "mod`)
		bad["a good file and a broken one"] = []string{folder}
		for name, args := range bad {
			args = append(append([]string{"feed", "import", "--name", "debian"}, args...), db...)
			if out, code := command(t, args...); code == 0 {
				t.Errorf("%s: it was imported: %s", name, out)
			}
		}
		// An entry by itself that is older changes nothing either.
		importFeed(t, db, debianZip(t, "2025-01-01T00:00:00Z", 1), "--name", "debian")
		// Whatever these did, has been done once what follows shows.
		importFeed(t, db, debianZip(t, "2026-02-03T00:00:00Z", 1, 11), "--name", "debian")
		a.report(strings.Replace(withPackage("host", mac, "package-1", "1.0-1"), `"applications":[`,
			`"applications":[{"name":"package-11","version":"1.0-1","purl":"pkg:deb/debian/package-11@1.0-1?distro=debian-12"},`, 1)).want(200)
		p.wantVulnerable(token, "CVE-2031-0011", 1)
		p.wantVulnerable(token, "CVE-2031-0001", 1)

		moved(t, p, mac, a)
		p.muster("feed", "remove", "debian", "--yes")
		p.wantVulnerable(token, "CVE-2031-0001", 0)
	})
}

// moved restores a backup elsewhere, where the device reports something new and keeps its finding.
func moved(t *testing.T, p *program, mac string, a *agent) {
	t.Helper()
	file := path(t, "backup")
	p.muster("backup", file)
	fresh := engines["sqlite"](t)
	if out, code := command(t, append([]string{"restore", file}, fresh...)...); code != 0 {
		t.Fatalf("restore: code %d: %s", code, out)
	}
	q := start(t, fresh, "--rate-limit", "0")
	_, token := q.client("write")
	b := *a
	b.p = q
	b.report(withPackage("renamed", mac, "package-1", "1.0-1")).want(200)
	q.wantVulnerable(token, "CVE-2031-0001", 1)
}
