package gears

import (
	"bytes"
	"net/http"

	"muster/internal/web"
)

// byteOrderMark is what some Windows programs put before UTF-8.
var byteOrderMark = []byte("\ufeff")

// readBody reads a body of at most limit bytes, without a byte order mark.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	raw, err := web.ReadBody(w, r, limit)
	return bytes.TrimPrefix(raw, byteOrderMark), err
}

// readSmall reads the body of a call that sends a few members.
func readSmall(w http.ResponseWriter, r *http.Request, into any) error {
	raw, err := readObject(w, r, maxSmallBody)
	if err != nil {
		return err
	}
	return unmarshal(raw, into)
}
