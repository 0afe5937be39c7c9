package feed

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"muster/internal/vuln/version"
)

// Spans of whole numbers, and whether a number lies in one of them.
func drawSpans(t *rapid.T, label string) []span {
	drawPoint := rapid.Custom(func(t *rapid.T) point {
		n := rapid.IntRange(0, 9).Draw(t, "n")
		if n == 0 {
			return point{}
		}
		return point{strconv.Itoa(n), rapid.Bool().Draw(t, "after")}
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) span {
		return span{drawPoint.Draw(t, "from"), drawPoint.Draw(t, "to")}
	}), 0, 5).Draw(t, label)
}

func in(spans []span, n int) bool {
	return slices.ContainsFunc(spans, func(s span) bool {
		from, _ := strconv.Atoi(s.from.version)
		to, _ := strconv.Atoi(s.to.version)
		return (s.from.open() || n > from || n == from && !s.from.after) && (s.to.open() || n < to || n == to && s.to.after)
	})
}

// Joining changes nothing of what lies in spans, and cutting takes away what lies in others.
func TestSpansAreSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := &order{ecosystem: version.Application}
		a := slices.DeleteFunc(drawSpans(t, "a"), o.empty)
		b := slices.DeleteFunc(drawSpans(t, "b"), o.empty)
		joined, left := o.joined(a), o.without(o.joined(a), b)
		for n := 1; n <= 11; n++ {
			if in(joined, n) != in(a, n) {
				t.Fatalf("%d: %v joined is %v", n, a, joined)
			}
			if want := in(a, n) && !in(b, n); in(left, n) != want {
				t.Fatalf("%d: %v without %v is %v", n, a, b, left)
			}
		}
		for i := range joined {
			if o.empty(joined[i]) || i > 0 && (joined[i-1].to.open() || o.compare(joined[i-1].to, joined[i].from) >= 0) {
				t.Fatalf("not apart: %v", joined)
			}
		}
		if o.failed {
			t.Fatal("numbers can be compared")
		}
	})
}

func TestBranch(t *testing.T) {
	for _, tc := range []struct{ earlier, v, want string }{
		{"12.7.4", "13.6.5", "13"}, {"2.2.7", "2.4.9", "2.4"}, {"14.7", "15", "15"}, {"1.2", "1.2.1", "1.2.1"}, {"1.2", "1.2", "1.2"},
	} {
		if got := branch(tc.earlier, tc.v); got != tc.want {
			t.Errorf("%s after %s: got %s, want %s", tc.v, tc.earlier, got, tc.want)
		}
	}
}

func TestNext(t *testing.T) {
	for prefix, want := range map[string]string{"5.4": "5.5", "9": "10", "1.09": "1.10", "a": "", "": "", "5.99999999999999999999": ""} {
		if got, _ := next(prefix); got != want {
			t.Errorf("%q: got %q, want %q", prefix, got, want)
		}
	}
}
