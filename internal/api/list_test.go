package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/page"
)

// numberList is a list of rising numbers, read by the position behind a number. It remembers how many entries were passed
// over or given.
type numberList struct {
	entries []int
	cost    int
	got     []int
}

func (l *numberList) read(w page.Window) (int, string, error) {
	start := 0
	if w.After != "" {
		after, err := strconv.Atoi(w.After)
		if err != nil {
			return 0, "", err
		}
		start, _ = slices.BinarySearch(l.entries, after+1)
	}
	start = min(start+w.Skip, len(l.entries))
	end := min(start+w.Limit+1, len(l.entries))
	l.cost += w.Skip + w.Limit
	list, next := page.Cut(l.entries[start:end], w.Limit, func(n *int) string { return strconv.Itoa(*n) })
	l.got = slices.Clone(list)
	return len(list), next, nil
}

func upTo(n int) *numberList {
	l := &numberList{}
	for i := 1; i <= n; i++ {
		l.entries = append(l.entries, i*10)
	}
	return l
}

func newWalker(client string) (*door, *call, *time.Time) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := &door{Deps: Deps{Pages: &walks{}, Now: func() time.Time { return now }}}
	return d, &call{r: httptest.NewRequest("GET", "/", nil), account: identity.Account{ID: 7}, client: client, name: "numbers"}, &now
}

// turn reads a page and gives its entries, nil for one that lies behind the end.
func turn(t *testing.T, d *door, c *call, l *numberList, number, limit int) []int {
	t.Helper()
	err := d.readPage(c, "all", number, limit, l.read)
	var refused *listError
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusRequestEntityTooLarge:
		return nil
	case err != nil:
		t.Fatal(err)
	}
	return append([]int{}, l.got...)
}

func TestReadPage(t *testing.T) {
	for _, c := range []struct {
		entries, limit int
		pages          [][]int // the last is the one behind the end
	}{
		{0, 2, [][]int{{}, nil}},
		{1, 2, [][]int{{10}, nil}},
		{2, 2, [][]int{{10, 20}, nil}},
		{3, 2, [][]int{{10, 20}, {30}, nil}},
		{4, 2, [][]int{{10, 20}, {30, 40}, nil}},
		{3, 1, [][]int{{10}, {20}, {30}, nil}},
	} {
		d, one, _ := newWalker("walker")
		for number, want := range c.pages {
			if got := turn(t, d, one, upTo(c.entries), number+1, c.limit); !slices.Equal(got, want) || (got == nil) != (want == nil) {
				t.Errorf("%d entries, page %d of %d: %v, want %v", c.entries, number+1, c.limit, got, want)
			}
			// Who jumps there finds the same.
			d, other, _ := newWalker("jumper")
			if got := turn(t, d, other, upTo(c.entries), number+1, c.limit); !slices.Equal(got, want) || (got == nil) != (want == nil) {
				t.Errorf("%d entries, page %d of %d without the ones before: %v, want %v", c.entries, number+1, c.limit, got, want)
			}
		}
		if got := turn(t, d, one, upTo(c.entries), maxPage, c.limit); got != nil {
			t.Errorf("the last page there can be: %v", got)
		}
	}
}

// A walk misses no entry that is there throughout and repeats none, whatever comes and goes meanwhile.
func TestReadPageWhileTheListChanges(t *testing.T) {
	d, c, _ := newWalker("walker")
	l := upTo(6)
	var seen []int
	seen = append(seen, turn(t, d, c, l, 1, 2)...)
	l.entries = slices.Concat([]int{1, 2, 3}, l.entries[1:]) // 10 goes, three come at the start
	seen = append(seen, turn(t, d, c, l, 2, 2)...)
	l.entries = slices.DeleteFunc(l.entries, func(n int) bool { return n <= 40 }) // all that was read goes
	seen = append(seen, turn(t, d, c, l, 3, 2)...)
	if want := []int{10, 20, 30, 40, 50, 60}; !slices.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
	// A page that is asked for again, as after a broken connection, is the same.
	if got := turn(t, d, c, l, 3, 2); !slices.Equal(got, []int{50, 60}) {
		t.Errorf("again: %v", got)
	}
	l.entries = nil
	if got := turn(t, d, c, l, 3, 2); got != nil {
		t.Errorf("a page whose entries have gone: %v", got)
	}
	if got := turn(t, d, c, l, 1, 2); got == nil || len(got) > 0 {
		t.Errorf("the first page of nothing: %v", got)
	}
}

// The last page is never repeated, also of a list that has become shorter since it was last walked.
func TestReadPageOfAListThatShrank(t *testing.T) {
	d, c, _ := newWalker("walker")
	l := upTo(3)
	for number, want := range [][]int{{10}, {20}, {30}} {
		if got := turn(t, d, c, l, number+1, 1); !slices.Equal(got, want) {
			t.Fatalf("page %d: %v", number+1, got)
		}
	}
	l.entries = l.entries[1:]
	for number, want := range [][]int{{20}, {30}} {
		if got := turn(t, d, c, l, number+1, 1); !slices.Equal(got, want) {
			t.Errorf("page %d: %v", number+1, got)
		}
	}
	if got := turn(t, d, c, l, 3, 1); got != nil {
		t.Errorf("the last page is repeated: %v", got)
	}
}

func TestReadPageCost(t *testing.T) {
	d, c, now := newWalker("walker")
	l := upTo(200)
	for number := 1; number <= 100; number++ {
		l.cost = 0
		turn(t, d, c, l, number, 2)
		if l.cost > 2 {
			t.Fatalf("page %d cost %d entries", number, l.cost)
		}
		*now = now.Add(page.Life) // a slow walker is remembered all the same
	}
	jump := func(client string, wait time.Duration, number, limit, most int) {
		t.Helper()
		*now = now.Add(wait)
		l.cost = 0
		other := *c
		other.client = client
		turn(t, d, &other, l, number, limit)
		if l.cost > most || most > 100 && l.cost < 100 {
			t.Errorf("page %d of %d for %s cost %d entries", number, limit, client, l.cost)
		}
	}
	jump("walker", 0, 77, 2, 2)
	jump("walker", 0, 40, 5, 400) // a list with other pages is another list
	jump("stranger", 0, 77, 2, 400)
	jump("stranger", 0, 77, 2, 2)
	jump("walker", page.Life+1, 77, 2, 400)
}

func TestReadPageErrors(t *testing.T) {
	d, c, _ := newWalker("walker")
	broken := errs.New(errs.Unavailable, "busy")
	for _, number := range []int{1, 2} {
		err := d.readPage(c, "all", number, 2, func(page.Window) (int, string, error) { return 0, "", broken })
		if !errs.Is(err, errs.Unavailable) {
			t.Errorf("page %d: %v", number, err)
		}
	}
}

func TestLimits(t *testing.T) {
	l := limits{otherwise: 7, most: 50, refusal: http.StatusNotAcceptable, place: inQuery}
	for query, want := range map[string]int{"": 7, "limit=1": 1, "limit=50": 50, "limit=50.0": 50} {
		p := &params{query: query}
		if got := l.limit(p); got != want || p.err != nil {
			t.Errorf("%q: %d, %v", query, got, p.err)
		}
	}
	for query, status := range map[string]int{"limit=51": 406, "limit=1000000": 406, "limit=51.0": 406, "limit=0": 400, "limit=-1": 400, "limit=x": 400, "limit=": 400} {
		p := &params{query: query}
		l.limit(p)
		w := httptest.NewRecorder()
		present(w, httptest.NewRequest("GET", "/", nil), p.err)
		if w.Code != status {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	}
	// An earlier mistake is the one that is told.
	p := &params{query: "limit=51&page=x"}
	p.number("page", inQuery, 1, 1, 9)
	l.limit(p)
	if e := new(errs.Error); !errors.As(p.err, &e) || e.Field != "page" {
		t.Errorf("%v", p.err)
	}
}

func TestCursor(t *testing.T) {
	if got := cursor("list", "all", ""); got != "" {
		t.Errorf("the end is %q", got)
	}
	text := cursor("list", "all", "position/é")
	read := func(text, name, chosen string) (string, error) {
		p := &params{query: ""}
		p.body, _ = parseBody([]byte(fmt.Sprintf(`{"token":%q}`, text)))
		return p.readCursor(name, chosen), p.err
	}
	if got, err := read(text, "list", "all"); got != "position/é" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := read("", "list", "all"); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, c := range [][3]string{
		{text, "other", "all"}, {text, "list", "some"}, {text[:len(text)-1], "list", "all"}, {text[1:], "list", "all"}, {text + "AA", "list", "all"},
		{"a", "list", "all"}, {"=", "list", "all"}, {text[:12], "list", "all"}, {" " + text, "list", "all"},
	} {
		if got, err := read(c[0], c[1], c[2]); got != "" || !errs.Is(err, errs.Invalid) {
			t.Errorf("%v: %q, %v", c, got, err)
		}
	}
}
