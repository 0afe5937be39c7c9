package page

import (
	"strconv"
	"testing"
)

func TestCut(t *testing.T) {
	position := func(n *int) string { return strconv.Itoa(*n) }
	for _, c := range []struct {
		list []int
		n    int
		next string
	}{{nil, 0, ""}, {[]int{1}, 1, ""}, {[]int{1, 2}, 2, ""}, {[]int{1, 2, 3}, 2, "2"}} {
		got, next := Cut(c.list, 2, position)
		if len(got) != c.n || next != c.next {
			t.Errorf("%v: %v, %q", c.list, got, next)
		}
	}
}
