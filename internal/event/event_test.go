package event_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"muster/internal/event"
	"muster/internal/posture"
)

// TestEveryKindHasACategory reads the constants in the source: one that is added must be given a category.
func TestEveryKindHasACategory(t *testing.T) {
	declared := constants(t, "Kind")
	if len(declared) < 17 {
		t.Fatalf("only %d kinds were found: %q", len(declared), declared)
	}
	for _, word := range declared {
		kind := event.Kind(word)
		category := kind.Category()
		if category == "" || !slices.Contains(event.Kinds(category), kind) || !slices.Contains(event.AllKinds(), kind) {
			t.Errorf("%s has the category %q, which has %v", kind, category, event.Kinds(category))
		}
	}
	if n := len(event.AllKinds()); n != len(declared) {
		t.Errorf("%d kinds are listed, %d are declared", n, len(declared))
	}
	categories := constants(t, "Category")
	n := 0
	for _, c := range categories {
		n += len(event.Kinds(event.Category(c)))
	}
	if len(categories) != 4 || n != len(declared) {
		t.Errorf("the categories %q have %d kinds of %d", categories, n, len(declared))
	}
	if event.Kind("x").Category() != "" || event.Kinds("x") != nil {
		t.Error("what does not exist has a category or kinds")
	}
}

// constants gives the values of the constants of a type of this package.
func constants(t *testing.T, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		typ, ok := spec.Type.(*ast.Ident)
		if !ok || typ.Name != name {
			return true
		}
		for _, v := range spec.Values {
			if literal, ok := v.(*ast.BasicLit); ok {
				word, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, word)
			}
		}
		return true
	})
	return out
}

func TestChanges(t *testing.T) {
	const good, bad = posture.StatusCompliant, posture.StatusNonCompliant
	for _, c := range []struct {
		kind     event.Kind
		from, to posture.Status
		want     bool
	}{
		{event.StatusChanged, good, bad, true},
		{event.Exempted, bad, posture.StatusExempted, true},
		{event.Exempted, posture.StatusExempted, posture.StatusExempted, false},
		{event.Imported, posture.StatusUnknown, posture.StatusUnknown, true},
		{event.Returned, posture.StatusInstalled, posture.StatusInstalled, true},
		{event.Deleted, good, good, true},
		{event.Reported, good, bad, false},
		{event.Moved, good, good, false},
		{event.CommandEnded, good, bad, false},
		{event.Configured, good, bad, false},
	} {
		e := event.Event{Kind: c.kind, From: c.from, To: c.to}
		if got := e.Changes(); got != c.want {
			t.Errorf("%s from %v to %v: %v", c.kind, c.from, c.to, got)
		}
	}
	for _, k := range event.ComeOrGo {
		if !slices.Contains(event.Changing, k) {
			t.Errorf("%s comes or goes and does not change", k)
		}
	}
}

func TestActor(t *testing.T) {
	if who := event.Actor(t.Context()); who != "" {
		t.Errorf("nobody is %q", who)
	}
	if who := event.Actor(event.By(t.Context(), "console")); who != "console" {
		t.Errorf("the console is %q", who)
	}
}
