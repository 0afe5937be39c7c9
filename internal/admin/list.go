package admin

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"

	"muster/internal/page"
)

// How many entries a part of a list has.
const (
	standardLimit = 100
	maxLimit      = 500
)

// list is a part of a list, and where the next part begins; "" is the end.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// A position is opaque, and holds a digest of the list it belongs to: one that was cut short, made up or used with another
// filter is told from a good one. Nothing in it is secret: it leads nowhere but into the caller's own account.

const positionSum = 9 // bytes, a multiple of 3 for the sake of base64

func (c *call) digest(position string) []byte {
	chosen := url.Values{}
	for name, values := range c.query.values {
		if name != "after" && name != "limit" {
			chosen[name] = values
		}
	}
	sum := sha256.Sum256([]byte(c.r.URL.Path + "?" + chosen.Encode() + "\x00" + position))
	return sum[:positionSum]
}

// window reads which part of a list is wanted.
func (c *call) window() page.Window {
	w := page.Window{Limit: int(c.query.number("limit", standardLimit, 1, maxLimit))}
	text, ok := c.query.text("after")
	if !ok {
		return w
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) <= positionSum || string(raw[:positionSum]) != string(c.digest(string(raw[positionSum:]))) {
		c.query.wrong("after", "is not one that this list gave as next for the same filter")
		return w
	}
	w.After = string(raw[positionSum:])
	return w
}

// answerList sends a part of a list and says where the next one begins.
func answerList[T any](c *call, items []T, next string) error {
	if items == nil {
		items = []T{}
	}
	out := list[T]{Items: items}
	if next != "" {
		out.Next = base64.RawURLEncoding.EncodeToString(append(c.digest(next), next...))
		target := url.Values{}
		for name, values := range c.query.values {
			target[name] = values
		}
		target.Set("after", out.Next)
		c.w.Header().Set("Link", "<"+c.r.URL.EscapedPath()+"?"+target.Encode()+`>; rel="next"`)
	}
	return c.answer(http.StatusOK, out)
}

// part cuts a part out of a list that is short enough to be read whole. The keys of its entries differ, and are their
// positions.
func part[T any](all []T, w page.Window, key func(*T) string) ([]T, string) {
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(key(&a), key(&b)) })
	for w.After != "" && len(all) > 0 && key(&all[0]) <= w.After {
		all = all[1:]
	}
	return page.Cut(all[:min(len(all), w.Limit+1)], w.Limit, key)
}

// rendered turns what the domain gives into what the API shows.
func rendered[T, R any](all []T, render func(*T) R) []R {
	out := make([]R, len(all))
	for i := range all {
		out[i] = render(&all[i])
	}
	return out
}
