package storetest

import (
	"testing"
	"time"

	"muster/internal/page"
	"muster/internal/store"
)

// testPages: where pages begin is known on every server that shares the database, of each list apart, and for a time.
func testPages(t *testing.T, e Engine) {
	ctx, o := t.Context(), e.New(t)
	s := Open(t, o)
	account := int64(Account(t, s, "acme", 10))
	other := int64(Account(t, s, "other", 10))
	here, there := store.NewPages(s), store.NewPages(s)
	if s.Engine() == "postgres" {
		there = store.NewPages(Open(t, o))
	}
	now, list := Epoch, page.List{Account: account, Name: "devices"}
	want := func(p store.Pages, list page.List, number int, now time.Time, known int, after string) {
		t.Helper()
		gotKnown, gotAfter, err := p.Start(ctx, list, number, now)
		if err != nil || gotKnown != known || gotAfter != after {
			t.Errorf("page %d: begins behind %q of page %d (%v), want %q of %d", number, gotAfter, gotKnown, err, after, known)
		}
	}
	want(here, list, 7, now, 1, "")
	check(t, here.Note(ctx, list, 2, "two", now))
	check(t, there.Note(ctx, list, 5, "five\x00\xff", now))
	want(there, list, 2, now, 2, "two")
	want(here, list, 4, now, 2, "two")
	want(here, list, 5, now, 5, "five\x00\xff")
	want(here, list, 700, now, 5, "five\x00\xff")
	check(t, there.Note(ctx, list, 2, "two again", now.Add(time.Minute)))
	want(here, list, 3, now, 2, "two again")
	want(here, page.List{Account: other, Name: "devices"}, 7, now, 1, "")
	want(here, page.List{Account: account, Name: "logs"}, 7, now, 1, "")
	want(here, list, 7, now.Add(page.Life), 2, "two again")
	check(t, s.ForgetPages(ctx, now.Add(time.Second)))
	want(there, list, 700, now, 2, "two again")
	check(t, here.Note(ctx, list, 3, "three", now))
	check(t, there.End(ctx, list, 2))
	want(here, list, 3, now, 2, "two again")
}
