package client

import (
	"errors"
	"iter"
)

// byPage walks a list that has numbered pages, from page first. The page behind the last is 413 or empty; one with fewer
// than full entries is the last, and saves the call that would find that out. Where pages may be short, full is 1.
func byPage[T any](first, full int, fetch func(page int) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page := max(1, first); ; page++ {
			list, err := fetch(page)
			if page > max(1, first) && IsPastEnd(err) {
				return
			}
			if !handOut(list, err, yield) || len(list) < full {
				return
			}
		}
	}
}

// errTokenRepeats: without it a walk of a broken server would have no end.
var errTokenRepeats = errors.New("client: the server gives the same position twice: the list is incomplete")

// byToken walks a list whose pages each name the position of the next, from a position on; "" is the beginning, and as
// an answer the end.
func byToken[T any](token string, fetch func(token string) (list []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for at, first := token, true; ; first = false {
			list, next, err := fetch(at)
			if !first && IsPastEnd(err) {
				return
			}
			if !handOut(list, err, yield) || next == "" {
				return
			}
			if next == at {
				var none T
				yield(none, errTokenRepeats)
				return
			}
			at = next
		}
	}
}

// handOut yields a page, or its error once, and reports whether to go on.
func handOut[T any](list []T, err error, yield func(T, error) bool) bool {
	if err != nil {
		var none T
		yield(none, err)
		return false
	}
	for _, item := range list {
		if !yield(item, nil) {
			return false
		}
	}
	return true
}
