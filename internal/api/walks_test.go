package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/page"
)

func note(t *testing.T, w *walks, list page.List, number int, after string, now time.Time) {
	t.Helper()
	if err := w.Note(t.Context(), list, number, after, now); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, w *walks, list page.List, number int, now time.Time) (int, string) {
	t.Helper()
	known, after, err := w.Start(t.Context(), list, number, now)
	if err != nil {
		t.Error(err)
	}
	return known, after
}

func TestWalksAreBounded(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var w walks
	key := func(n int) page.List { return page.List{Account: 1, Name: fmt.Sprint(n)} }
	for n := range 3 * maxWalks {
		note(t, &w, key(n), 2, "here", now.Add(time.Duration(n)*time.Millisecond))
		if len(w.all) > maxWalks {
			t.Fatalf("%d walks", len(w.all))
		}
	}
	last := 3*maxWalks - 1
	now = now.Add(time.Duration(last) * time.Millisecond)
	if known, after := start(t, &w, key(last), 2, now); known != 2 || after != "here" {
		t.Errorf("the newest is forgotten: %d %q", known, after)
	}
	if known, _ := start(t, &w, key(0), 2, now); known != 1 {
		t.Error("the oldest is remembered")
	}
	// Many that were used at the very same time are bounded too.
	var same walks
	for n := range maxWalks + 1 {
		note(t, &same, key(n), 2, "here", now)
	}
	if len(same.all) > maxWalks {
		t.Errorf("%d walks", len(same.all))
	}
}

func TestPagesOfAWalkAreBounded(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var w walks
	key := page.List{Account: 1, Name: "list"}
	const pages = 100 * maxPages
	for n := 2; n <= pages; n++ {
		note(t, &w, key, n, fmt.Sprint(n), now)
		if len(w.all[key].pages) > maxPages {
			t.Fatalf("%d pages", len(w.all[key].pages))
		}
		if known, after := start(t, &w, key, n, now); known != n || after != fmt.Sprint(n) {
			t.Fatalf("page %d begins behind %q of page %d", n, after, known)
		}
	}
	// Going back costs a bounded distance as long as the walk is not very long.
	var short walks
	for n := 2; n <= 8*maxPages; n++ {
		note(t, &short, key, n, fmt.Sprint(n), now)
	}
	for n := 64; n <= 8*maxPages; n += 997 {
		known, after := start(t, &short, key, n, now)
		if known > n || n-known >= 64 || after != fmt.Sprint(known) {
			t.Errorf("page %d is counted off from page %d, %q", n, known, after)
		}
	}
}

func TestWalksAreForgotten(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var w walks
	key := page.List{Account: 1, Name: "list"}
	note(t, &w, key, 2, "two", now)
	if known, _ := start(t, &w, key, 2, now.Add(page.Life)); known != 2 {
		t.Error("forgotten too early")
	}
	// Using it made it last.
	if known, _ := start(t, &w, key, 2, now.Add(2*page.Life)); known != 2 {
		t.Error("forgotten although it was used")
	}
	if known, after := start(t, &w, key, 2, now.Add(3*page.Life+1)); known != 1 || after != "" {
		t.Error("remembered too long")
	}
	// A new walk over an old list does not lead to where the old one was.
	note(t, &w, key, 9, "nine", now.Add(4*page.Life))
	if known, _ := start(t, &w, key, 2, now.Add(4*page.Life)); known != 1 {
		t.Error("a page of the forgotten walk came back")
	}
	for _, other := range []page.List{{Account: 2, Name: "list"}, {Account: 1, Name: "another"}} {
		if known, _ := start(t, &w, other, 9, now.Add(4*page.Life)); known != 1 {
			t.Errorf("%v knows the pages of another", other)
		}
	}
}

func TestWalksTogether(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var w walks
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for n := range 2000 {
				key := page.List{Account: int64(g), Name: fmt.Sprint(n % 10)}
				note(t, &w, key, n, fmt.Sprint(n), now)
				if known, after := start(t, &w, key, n, now); known != n || after != fmt.Sprint(n) {
					t.Errorf("%d, %q", known, after)
					return
				}
			}
		})
	}
	group.Wait()
}

// TestTheEndIsRemembered: what comes into the last page after it was answered must not push its entries onto another.
func TestTheEndIsRemembered(t *testing.T) {
	l := newLab()
	ask := func(page string) answer {
		return l.do(request{method: "POST", target: "/o/api/v3/groups", token: readToken, body: `{"limit":2,"page":` + page + `}`, contentType: "application/json"})
	}
	if a := ask("1"); a.status != 200 || !strings.Contains(a.body, "Servers") {
		t.Fatalf("page 1: %d %s", a.status, a.body)
	}
	l.devices.stock.groups = append(l.devices.stock.groups, device.Group{ID: 3, Name: "Between", Policy: 1}, device.Group{ID: 4, Name: "Before", Policy: 1})
	if a := ask("2"); a.status != 413 {
		t.Errorf("page 2, after the end was told: %d %s", a.status, a.body)
	}
	if a := ask("1"); a.status != 200 || !strings.Contains(a.body, "Between") {
		t.Fatalf("page 1 again: %d %s", a.status, a.body)
	}
	if a := ask("2"); a.status != 200 || !strings.Contains(a.body, "Servers") {
		t.Errorf("page 2 of the longer list: %d %s", a.status, a.body)
	}
}
