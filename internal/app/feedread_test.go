package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/catalogue"
	"muster/internal/config"
	"muster/internal/errs"
)

func put(t *testing.T, name, text string) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600),
		os.Chtimes(name, time.Time{}, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
}

// TestSurvey: the same files are the same input, wherever their folder lies, and others are not.
func TestSurvey(t *testing.T) {
	fill := func(change func(dir string)) string {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "b.json"), "b")
		put(t, filepath.Join(dir, "sub", "a.json.gz"), "aa")
		put(t, filepath.Join(dir, "README.md"), "words")
		put(t, filepath.Join(dir, ".git", "c.json"), "c")
		change(dir)
		s, err := survey([]string{dir})
		if err != nil || s.files != 2 && s.files != 3 {
			t.Fatalf("%+v, %v", s, err)
		}
		return s.input
	}
	same := fill(func(string) {})
	for name, change := range map[string]func(string){
		"a file that is no feed": func(dir string) { put(t, filepath.Join(dir, "README.md"), "other words") },
		"a hidden folder":        func(dir string) { put(t, filepath.Join(dir, ".git", "c.json"), "other") },
	} {
		if fill(change) != same {
			t.Errorf("%s makes it another input", name)
		}
	}
	for name, change := range map[string]func(string){
		"another size":   func(dir string) { put(t, filepath.Join(dir, "b.json"), "bb") },
		"another time":   func(dir string) { _ = os.Chtimes(filepath.Join(dir, "b.json"), time.Time{}, time.Now()) },
		"one more":       func(dir string) { put(t, filepath.Join(dir, "c.json"), "c") },
		"another folder": func(dir string) { _ = os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "other")) },
	} {
		if fill(change) == same {
			t.Errorf("%s is taken for the same input", name)
		}
	}
	if s, err := survey([]string{stdin}); err != nil || s.input != "" {
		t.Errorf("standard input: %+v, %v", s, err)
	}
	if _, err := survey([]string{"/nowhere"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("nothing there: %v", err)
	}
}

func feedServices(t *testing.T) *services {
	t.Helper()
	s, err := openServices(t.Context(), config.Database{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), created)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := s.close()
		if err != nil {
			t.Error(err)
		}
	})
	return s
}

func advisories(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `{"id": "GHSA-%04d", "modified": "2026-03-01T00:00:00Z", "summary": "s", "affected": [{"package": {"ecosystem": "npm", "name": "p%d"},
			"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}]}`+"\n", i, i)
	}
	return b.String()
}

// TestImportFromStdin takes feeds from a stream; one that breaks off leaves nothing.
func TestImportFromStdin(t *testing.T) {
	s := feedServices(t)
	from, err := survey([]string{stdin})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the other end is gone")
	in := &intake{stdin: io.MultiReader(strings.NewReader(advisories(0, 300)), errReader{broken})}
	_, err = s.importFeeds(t.Context(), in, catalogue.Request{}, from)
	if !errors.Is(err, broken) {
		t.Errorf("a stream that breaks off: %v", err)
	}
	if feeds, err := s.catalogue.Feeds(t.Context()); err != nil || len(feeds) != 0 {
		t.Errorf("it left %v, %v", feeds, err)
	}
	in = &intake{stdin: strings.NewReader(advisories(0, 300)), name: "mine"}
	r, err := s.importFeeds(t.Context(), in, catalogue.Request{}, from)
	if err != nil || r.Feeds[0].Name != "mine" || r.Feeds[0].Added != 300 || in.progress.items.Load() != 300 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestBrokenOffFromOutside: an import that is told to stop does not wait for its input, and can be taken up again.
func TestBrokenOffFromOutside(t *testing.T) {
	s := feedServices(t)
	file := filepath.Join(t.TempDir(), "all.json")
	put(t, file, advisories(0, 600))
	from, err := survey([]string{file, stdin})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting, done := io.Pipe()
	defer done.Close()
	in := &intake{stdin: &cancelling{waiting, cancel}} // the file is read by then
	_, err = s.importFeeds(ctx, in, catalogue.Request{Input: "the same"}, from)
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "goes on with it") {
		t.Errorf("%v", err)
	}
	state, err := s.catalogue.State(t.Context())
	if err != nil || state.Holder != "" || state.Input != "the same" || state.Generation != 0 {
		t.Errorf("%+v, %v", state, err)
	}
	whole, err := survey([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.importFeeds(t.Context(), &intake{}, catalogue.Request{Input: "the same"}, whole)
	if err != nil || !r.Resumed || r.Feeds[0].Added != 600 || r.Feeds[0].Entries != 600 {
		t.Errorf("%+v, %v", r, err)
	}
}

// cancelling ends a context when it is read from, and then waits for long.
type cancelling struct {
	io.Reader
	cancel context.CancelFunc
}

func (c *cancelling) Read(p []byte) (int, error) {
	c.cancel()
	return c.Reader.Read(p)
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// TestFilesThatChange: what changes while it is read is not used.
func TestFilesThatChange(t *testing.T) {
	s := feedServices(t)
	file := filepath.Join(t.TempDir(), "all.json")
	put(t, file, advisories(0, 10))
	from, err := survey([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	put(t, file, advisories(0, 9))
	_, err = s.importFeeds(t.Context(), &intake{}, catalogue.Request{Input: from.input}, from)
	if !errs.Is(err, errs.Conflict) {
		t.Errorf("%v", err)
	}
	if feeds, err := s.catalogue.Feeds(t.Context()); err != nil || len(feeds) != 0 {
		t.Errorf("it left %v, %v", feeds, err)
	}
}

// TestMirror: what changed is imported, also where several files go into one feed, and what did not is not read again.
func TestMirror(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	s := &server{services: feedServices(t), cfg: config.Server{FeedsFolder: dir}, log: slog.New(slog.NewTextHandler(&log, nil))}
	look := func(times int) {
		t.Helper()
		log.Reset()
		err := s.importMirror(t.Context(), time.Now())
		if got := strings.Count(log.String(), "imported a feed"); err != nil || got != times {
			t.Errorf("%d imports, want %d; %v\n%s", got, times, err, log.String())
		}
	}
	look(0)
	put(t, filepath.Join(dir, "one.json"), advisories(0, 5))
	put(t, filepath.Join(dir, "two.json"), advisories(5, 9))
	put(t, filepath.Join(dir, "mine", "three.json"), advisories(0, 3))
	put(t, filepath.Join(dir, ".hidden", "x.json"), advisories(0, 3))
	put(t, filepath.Join(dir, "broken.json"), `{"id": "GHSA-1", "modi`)
	look(3)
	if !strings.Contains(log.String(), "a feed cannot be imported") {
		t.Errorf("of the broken one it says nothing: %s", log.String())
	}
	look(0)
	put(t, filepath.Join(dir, "mine", "three.json"), advisories(0, 4))
	look(1)
	feeds, err := s.catalogue.Feeds(t.Context())
	if err != nil || len(feeds) != 2 || feeds[0].Name != "mine" || feeds[0].Entries != 4 || feeds[1].Entries != 9 {
		t.Errorf("%+v, %v", feeds, err)
	}
}

// TestFolderAsTar: what is signed must come out the same twice.
func TestFolderAsTar(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "b.json"), advisories(0, 3))
	put(t, filepath.Join(dir, "a", "a.json"), advisories(3, 9))
	var first []byte
	for range 2 {
		text, err := io.ReadAll(folderAsTar(dir))
		if err != nil || len(text) == 0 || first != nil && !bytes.Equal(first, text) {
			t.Errorf("%d and %d bytes, %v", len(first), len(text), err)
		}
		first = text
	}
	_, err := io.ReadAll(folderAsTar(filepath.Join(dir, "nope")))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}
