package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// goldenExchange compares a call and its whole answer with testdata/exchanges/name.http, which reads as documentation:
// the request line and the body, then the status and the answer, both laid out. The order of members is part of it. Whatever
// the answer, it is JSON without a null in it.
func goldenExchange(t *testing.T, name string, q request, a answer) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s: Content-Type %q", name, got)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s\n", q.method, q.target)
	if q.body != "" {
		out.WriteString("\n" + laidOut(t, q.body))
	}
	fmt.Fprintf(&out, "\n%d %s\n\n%s", a.status, http.StatusText(a.status), laidOut(t, a.body))
	var value any
	if err := json.Unmarshal([]byte(a.body), &value); err != nil || holdsNull(value) {
		t.Errorf("%s: a null, or no JSON (%v): %s", name, err, a.body)
	}
	compareFile(t, filepath.Join("testdata", "exchanges", name+".http"), out.Bytes())
}

// laidOut indents JSON. What is none stays as it is: a broken body is worth an example too.
func laidOut(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if json.Indent(&out, []byte(text), "", "  ") != nil {
		return text + "\n"
	}
	return out.String() + "\n"
}

func holdsNull(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case []any:
		for _, e := range v {
			if holdsNull(e) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if holdsNull(e) {
				return true
			}
		}
	}
	return false
}

// compareFile compares with a file, or writes it with -update.
func compareFile(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

func TestHoldsNull(t *testing.T) {
	for text, want := range map[string]bool{
		`null`: true, `[1,null]`: true, `{"a":{"b":[{"c":null}]}}`: true, `{"a":"null","b":[]}`: false, `0`: false, `""`: false,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil || holdsNull(v) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
