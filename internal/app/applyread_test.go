package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	adminclient "muster/client/admin"
	"muster/internal/errs"
)

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b.yaml", "kind: group\nname: B\n---\n---\nkind: settings\nspec:\n  privacy: {host_name: true}\n")
	write(t, dir, "deep/a.yml", "# nothing but a remark\n")
	write(t, dir, "deep/c.json", `{"kind":"webhook","name":" w ","spec":{"url":"https://x.example"}}`)
	write(t, dir, ".git/x.yaml", "nonsense: [")
	write(t, dir, "readme.md", "nonsense: [")
	list, err := readFolder(dir)
	var got []string
	for _, m := range list {
		got = append(got, m.file+" "+m.String())
	}
	if want := []string{"b.yaml group B", "b.yaml settings", "deep/c.json webhook w"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if list[1].line != 5 || list[1].spec.Content[0].Line != 7 {
		t.Errorf("line %d, spec %d", list[1].line, list[1].spec.Content[0].Line)
	}
	for _, missing := range []string{t.TempDir(), filepath.Join(dir, "none"), filepath.Join(dir, "readme.md")} {
		if _, err := readFolder(missing); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", missing, err)
		}
	}
}

// Each mistake of a file names the file and the line.
func TestMistakesOfFiles(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1":                                   `x.yaml:1: there is no member "a"`,
		"kind: [":                                "x.yaml:1: this is not YAML",
		"kind: group\nname: a\n\tx: 1":           "x.yaml:2: this is not YAML",
		"- a":                                    "x.yaml:1: a document must be a mapping",
		"kind: group\nname: a\nbogus: 1":         `x.yaml:3: group a: there is no member "bogus"`,
		"kind: thing\nname: a":                   "x.yaml:1: thing a: kind must be one of",
		"name: a":                                "x.yaml:1: a: kind must be one of",
		"kind: group":                            "x.yaml:1: group: name is missing",
		"kind: settings\nname: a":                "x.yaml:1: settings a: settings have no name",
		"kind: group\nname: a\nspec: [1]":        "x.yaml:3: group a: spec must be a mapping",
		"kind: group\nname: a\n---\nkind: group": "x.yaml:4: group: name is missing",
		"kind: group\nname: a\n---\nkind: group\nname: A": "x.yaml:4: group A: it is in x.yaml:1 already",
	} {
		dir := t.TempDir()
		write(t, dir, "x.yaml", text)
		_, err := readFolder(dir)
		if err == nil || !strings.Contains(messages(err), want) || !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestDecodeSpec(t *testing.T) {
	m := &manifest{kind: kindGroup, name: "g", file: "x.yaml", line: 1}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte("auto_join: maybe\njoin_order: first\ncolour: red\n"), &doc); err != nil {
		t.Fatal(err)
	}
	m.spec = doc.Content[0]
	err := m.decode(&groupSpec{})
	for _, want := range []string{"x.yaml:1: group g: cannot unmarshal", "x.yaml:2: group g: cannot unmarshal", `x.yaml:3: group g: there is no member "colour"`} {
		if err == nil || !strings.Contains(messages(err), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestFindMember(t *testing.T) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte("a: 1\nchecks:\n  - check: x\n  - check: y\n    severity: z\n"), &doc); err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]int{
		"a": 1, "checks": 3, "checks[1].severity": 5, "checks[1]": 4, "checks[1].none": 4, "checks[7]": 3, "checks[1].severity.more": 5, "a[0]": 1,
	} {
		if at := find(doc.Content[0], name); at == nil || at.Line != line {
			t.Errorf("%s: %+v, want line %d", name, at, line)
		}
	}
	for _, name := range []string{"", "none", "[0]", "..", "[x]"} {
		if at := find(doc.Content[0], name); at != nil {
			t.Errorf("%s: line %d", name, at.Line)
		}
	}
}

func TestMistakesOfTheDomain(t *testing.T) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte("a: 1\nb: 2\n"), &doc); err != nil {
		t.Fatal(err)
	}
	m := &manifest{kind: kindPolicy, name: "p", file: "x.yaml", line: 1, spec: doc.Content[0]}
	err := m.mistakes(errors.Join(errs.InvalidField("b", "line 9: b is wrong"), errs.Several([]*errs.Error{errs.InvalidField("a", "a is wrong"), errs.New(errs.Invalid, "all is wrong")})))
	if got := messages(err); got != "x.yaml:2: policy p: b is wrong\n  x.yaml:1: policy p: a is wrong\n  x.yaml:1: policy p: all is wrong" {
		t.Error(got)
	}
}

// FuzzReadManifests: whatever a file holds, reading it ends, with documents that are whole or with mistakes that name it.
func FuzzReadManifests(f *testing.F) {
	for _, text := range []string{
		"kind: group\nname: a\nspec:\n  policy: b\n", "kind: settings\nspec: {privacy: {host_name: true}}", "a: &x [*x]\n", "{", "---\n---\n", "kind: policy\nname: p\nspec: {<<: {a: 1}}",
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		write(t, dir, "x.yaml", text)
		list, err := readManifests(filepath.Join(dir, "x.yaml"), "x.yaml")
		if err != nil && !strings.HasPrefix(messages(err), "x.yaml") {
			t.Errorf("%v", err)
		}
		for _, m := range list {
			if m.spec == nil || m.spec.Kind != yaml.MappingNode {
				t.Fatalf("%+v", m)
			}
			m.decode(&groupSpec{})
			m.decode(&webhookSpec{})
			find(m.spec, "a.b[3]")
			if m.kind == kindPolicy {
				m.document()
			}
		}
	})
}

// What breaks off says where, and how much was done.
func TestCarryOut(t *testing.T) {
	var done []string
	fine := func(name string) *step {
		return &step{Action: toCreate, Kind: kindGroup, Name: name, make: func(context.Context) (string, error) { done = append(done, name); return "note of " + name, nil }}
	}
	refused := &step{Kind: kindPolicy, Name: "p", make: func(context.Context) (string, error) {
		return "", &adminclient.Error{Status: 412, Detail: "It has been changed meanwhile", Call: "PUT /api/v1/policies/2"}
	}}
	steps := []*step{fine("a"), refused, fine("b")}
	err := told(carryOut(t.Context(), steps), "https://muster.example")
	if !errs.Is(err, errs.Stale) || messages(err) != "policy p: It has been changed meanwhile; 1 of 3 changes were made before it" {
		t.Errorf("%v", err)
	}
	if strings.Join(done, " ") != "a" || steps[0].Note != "note of a" {
		t.Errorf("done %q, %+v", done, steps[0])
	}
	var out bytes.Buffer
	if err := (&applyCommand{}).tell(&environment{stdout: &out}, steps, err); err != nil || out.String() != "created group a (note of a)\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
