package scope_test

import (
	"testing"

	"muster/internal/identity/scope"
)

// everything is what might be found in a permission column, valid or not.
var everything = []scope.Permission{scope.Read, scope.Write, scope.Admin, "", "owner", "READ", "read write", "read write admin"}

// TestAllows walks the full product: nothing is allowed but what the list says.
func TestAllows(t *testing.T) {
	type pair struct{ has, wants scope.Permission }
	allowed := map[pair]bool{
		{scope.Read, scope.Read}:   true,
		{scope.Write, scope.Read}:  true,
		{scope.Write, scope.Write}: true,
		{scope.Admin, scope.Read}:  true,
		{scope.Admin, scope.Write}: true,
		{scope.Admin, scope.Admin}: true,
	}
	for _, has := range everything {
		for _, wants := range everything {
			if got := has.Allows(wants); got != allowed[pair{has, wants}] {
				t.Errorf("%q allows %q: %t", has, wants, got)
			}
		}
	}
}

// TestWithin: what is left never allows more than either, and is the whole overlap of both.
func TestWithin(t *testing.T) {
	for _, p := range everything {
		for _, bound := range everything {
			left := p.Within(bound)
			for _, want := range everything {
				if got := left.Allows(want); got != (p.Allows(want) && bound.Allows(want)) {
					t.Errorf("%q within %q is %q, which allows %q: %t", p, bound, left, want, got)
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	for _, p := range everything {
		got, ok := scope.Parse(string(p))
		if want := p == scope.Read || p == scope.Write || p == scope.Admin; ok != want || got != p {
			t.Errorf("%q: got %q, %t", p, got, ok)
		}
	}
}

func TestString(t *testing.T) {
	for p, want := range map[scope.Permission]string{scope.Read: "read", scope.Write: "read write", scope.Admin: "read write admin", "": ""} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
