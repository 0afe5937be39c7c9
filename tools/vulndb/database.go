package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// record is what the index needs of an OSV record.
type record struct {
	ID        string     `json:"id"`
	Modified  time.Time  `json:"modified"`
	Withdrawn *time.Time `json:"withdrawn"`
	Aliases   []string   `json:"aliases"`
	Affected  []struct {
		Package struct {
			Name      string `json:"name"`
			Ecosystem string `json:"ecosystem"`
		} `json:"package"`
	} `json:"affected"`
}

// The files of the index, as https://go.dev/doc/security/vuln/database describes them.
type (
	indexDB struct {
		Modified time.Time `json:"modified"`
	}
	indexModule struct {
		Path  string            `json:"path"`
		Vulns []indexModuleVuln `json:"vulns"`
	}
	// The form has an optional member here, the last version with a fix, which only saves reading records. Left out, it
	// cannot be wrong, and nothing is missed.
	indexModuleVuln struct {
		ID       string    `json:"id"`
		Modified time.Time `json:"modified"`
	}
	indexVuln struct {
		ID       string    `json:"id"`
		Modified time.Time `json:"modified"`
		Aliases  []string  `json:"aliases,omitempty"`
	}
)

// database is one in the making.
type database struct {
	dir     string
	newest  time.Time
	modules map[string]*indexModule
	vulns   []indexVuln
}

func newDatabase(dir string) *database {
	return &database{dir: dir, modules: map[string]*indexModule{}}
}

// An id becomes the name of a file.
var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)

// add takes in one record, as its text. asOf is when the text was written: many records do not say when they were last
// changed.
func (db *database) add(text []byte, asOf time.Time) error {
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	if !validID.MatchString(r.ID) {
		return fmt.Errorf("record with the odd id %q", r.ID)
	}
	if r.Withdrawn != nil {
		return nil
	}
	if err := db.write("ID/"+r.ID, json.RawMessage(text)); err != nil {
		return err
	}
	if r.Modified.IsZero() {
		r.Modified = asOf
	}
	if r.Modified.After(db.newest) {
		db.newest = r.Modified
	}
	db.vulns = append(db.vulns, indexVuln{ID: r.ID, Modified: r.Modified, Aliases: r.Aliases})
	var seen []string
	for _, a := range r.Affected {
		name := a.Package.Name
		if a.Package.Ecosystem != "Go" || name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		if db.modules[name] == nil {
			db.modules[name] = &indexModule{Path: name}
		}
		db.modules[name].Vulns = append(db.modules[name].Vulns, indexModuleVuln{ID: r.ID, Modified: r.Modified})
	}
	return nil
}

// finish writes the index.
func (db *database) finish() error {
	if len(db.vulns) == 0 || len(db.modules) == 0 {
		return errors.New("no records in it: a database that knows nothing would find nothing")
	}
	modules := make([]*indexModule, 0, len(db.modules))
	for _, m := range db.modules {
		slices.SortFunc(m.Vulns, func(a, b indexModuleVuln) int { return strings.Compare(a.ID, b.ID) })
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b *indexModule) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(db.vulns, func(a, b indexVuln) int { return strings.Compare(a.ID, b.ID) })
	return errors.Join(
		db.write("index/db", indexDB{Modified: db.newest}),
		db.write("index/modules", modules),
		db.write("index/vulns", db.vulns),
	)
}

func (db *database) write(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(db.dir, filepath.FromSlash(name)+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
