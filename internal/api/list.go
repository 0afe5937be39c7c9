package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"muster/internal/errs"
	"muster/internal/page"
)

// limits are what a call says about the size of its pages.
type limits struct {
	otherwise int64 // where the parameter is absent
	most      int64
	// refusal is the status for more than that: 406 of the older calls, 400 of the others.
	refusal int
	place   place
}

// limit reads the size of a page.
func (l limits) limit(p *params) int {
	text, k := p.find("limit", l.place)
	if n, ok := wholeNumber(text); k != absent && k != asOther && ok && n > l.most && l.refusal != http.StatusBadRequest {
		if p.err == nil {
			err := errs.InvalidField("limit", "limit must be a whole number from 1 to %d", l.most)
			p.err = &listError{err, l.refusal, codeWords[l.refusal]}
		}
		return 1
	}
	return int(p.number("limit", l.place, l.otherwise, 1, l.most))
}

// maxPage is far behind the last page of any list.
const maxPage = 1 << 31

// paged reads the parameters of a list that is asked for by page number.
func (l limits) paged(p *params) (number, limit int) {
	limit = l.limit(p)
	return int(p.number("page", l.place, 1, 1, maxPage)), limit
}

// fetch reads a part of a list and gives how many entries it has and the position behind it.
type fetch func(page.Window) (n int, next string, err error)

// readPage reads a page by its number. Programs ask for one page after the other: where a page begins is remembered when
// the one before it is answered, so that the list may change meanwhile without an entry being missed or repeated, and a
// page far behind costs no more than the first. Only who jumps pays for what is jumped over, once.
//
// chosen is everything besides the page that the caller asked for: pages of different lists have nothing in common.
func (d *door) readPage(c *call, chosen any, number, limit int, read fetch) error {
	// Programs that walk the same list must not move each other's pages; a program is known by its client id, since some take
	// a token for each call.
	list := page.List{Account: int64(c.account.ID), Name: digestOf(c.name+" "+c.client, limit, chosen)}
	from, after, err := 1, "", error(nil)
	if number > 1 {
		from, after, err = d.Pages.Start(c.r.Context(), list, number, d.Now())
	}
	if err == nil && after == listEnded {
		return errPastEnd()
	}
	if err == nil && from < number {
		after, err = d.jump(c, list, number, page.Window{After: after, Skip: (number-from)*limit - 1, Limit: 1}, read)
	}
	if err != nil {
		return err
	}
	n, next, err := read(page.Window{After: after, Limit: limit})
	switch {
	case err != nil:
		return err
	case n == 0 && number > 1:
		return errPastEnd()
	case next == "":
		err = d.Pages.End(c.r.Context(), list, number)
		if err != nil {
			return err
		}
		next = listEnded
	}
	return d.Pages.Note(c.r.Context(), list, number+1, next, d.Now())
}

// listEnded takes the place of where the page behind the last one begins. Without it, entries that come into the last page
// after it was answered would push others behind it, and who then asks for one more page would get those again.
const listEnded = "\x00end"

// jump counts off up to a page that nobody came near, and gives the position behind which it begins.
func (d *door) jump(c *call, list page.List, number int, w page.Window, read fetch) (string, error) {
	_, next, err := read(w)
	if err != nil {
		return "", err
	}
	if next == "" {
		return "", errPastEnd()
	}
	return next, d.Pages.Note(c.r.Context(), list, number, next, d.Now())
}

// digestOf tells lists apart.
func digestOf(name string, limit int, chosen any) string {
	text, err := json.Marshal(chosen)
	if err != nil {
		panic("api: a filter cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", name, limit, text))
	return hex.EncodeToString(sum[:12])
}

// A cursor is a position together with a digest of both it and the list that it belongs to. There is nothing secret in
// it, and no key to lose: a position leads nowhere but into the caller's own account. The digest only tells a cursor that
// was cut short, made up or used with another filter from a good one.

const cursorSum = 9 // bytes, a multiple of 3 for the sake of base64

// cursor writes a position for the caller, "" for the end.
func cursor(name string, chosen any, position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(cursorDigest(name, chosen, position), position...))
}

func cursorDigest(name string, chosen any, position string) []byte {
	sum := sha256.Sum256([]byte(digestOf(name, 0, chosen) + position))
	return sum[:cursorSum]
}

// readCursor gives the position of the cursor in the member token, "" where there is none: the start.
func (p *params) readCursor(name string, chosen any) string {
	text, k := p.find("token", inBody)
	if k == absent || k == asText && text == "" {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if k != asText || err != nil || len(raw) <= cursorSum ||
		string(raw[:cursorSum]) != string(cursorDigest(name, chosen, string(raw[cursorSum:]))) {
		p.wrong("token", "is not one that this call gave for the same filter")
		return ""
	}
	return string(raw[cursorSum:])
}
