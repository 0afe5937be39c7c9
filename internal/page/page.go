// Package page says which part of a long list is wanted.
//
// Lists are walked by position, never by number: a position is the place behind one entry in an order that does not
// move, so a walk under concurrent writes misses no entry that is there throughout, and repeats none.
package page

import "time"

// Window is one part of a list.
type Window struct {
	// After is the position behind which the part begins: what an earlier part gave as next. "" is the start.
	After string
	// Skip is how many entries to pass over from there. It costs time for each of them.
	Skip int
	// Limit is how many entries are wanted, at least 1. A list that gives Limit entries and a next has more.
	Limit int
}

// Cut takes a list that was read with one entry more than the limit, to see whether there are more. It gives the part
// and the position behind it, "" if that is the end.
func Cut[T any](list []T, limit int, position func(*T) string) ([]T, string) {
	if len(list) <= limit {
		return list, ""
	}
	return list[:limit], position(&list[limit-1])
}

// Life is how long it is remembered where the pages of a list begin.
const Life = 15 * time.Minute

// List names a list that is asked for by page number: one caller's, with one filter, order and page size.
type List struct {
	Account int64
	// Name tells the lists of an account apart.
	Name string
}
