package admin

import (
	"net/http"
	"strings"

	"muster/internal/errs"
	"muster/internal/web"
)

// answer sends a value as JSON.
func (c *call) answer(status int, v any) error {
	forbidStoring(c.w)
	web.WriteJSON(c.w, status, v)
	return nil
}

// answerTagged is answer for one thing that has a revision.
func (c *call) answerTagged(tag string, v any) error {
	c.w.Header().Set("ETag", tag)
	return c.answer(http.StatusOK, v)
}

// created answers with a new thing and where it is from now on.
func (c *call) created(path, tag string, v any) error {
	c.w.Header().Set("Location", prefix+path)
	if tag != "" {
		c.w.Header().Set("ETag", tag)
	}
	return c.answer(http.StatusCreated, v)
}

// nothing answers that something is done, and that there is nothing to say about it.
func (c *call) nothing() error {
	forbidStoring(c.w)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// forbidStoring: answers hold secrets, and the next one may differ.
func forbidStoring(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// conditionError says that a change needs to say which state it is of.
type conditionError struct{ error }

// Unwrap gives the error itself.
func (e *conditionError) Unwrap() error { return e.error }

// ifMatch gives the tag that the caller knows of the thing it changes, and "" for *: whichever there is.
func (c *call) ifMatch() (string, error) {
	header := strings.TrimSpace(strings.Join(c.r.Header.Values("If-Match"), ","))
	switch {
	case header == "":
		return "", &conditionError{errs.New(errs.Invalid, "This call needs If-Match with the ETag of what it changes, so that no change of others is lost; * stands for whichever there is")}
	case header == "*":
		return "", nil
	case strings.HasPrefix(header, "W/") || len(header) < 2 || header[0] != '"' || strings.IndexByte(header[1:], '"') != len(header)-2:
		return "", errs.InvalidField("If-Match", "If-Match must be one ETag as an answer gave it, or *")
	}
	return header, nil
}

// expected gives the revision that If-Match names, nil for whichever there is.
func (c *call) expected() (*int64, error) {
	tag, err := c.ifMatch()
	if err != nil || tag == "" {
		return nil, err
	}
	revision, ok := wholeNumber(strings.Trim(tag, `"`))
	if !ok {
		revision = -1 // that nothing has
	}
	return &revision, nil
}

// changing is expected for a call whose query says nothing.
func (c *call) changing() (*int64, error) {
	err := c.query.err()
	if err != nil {
		return nil, err
	}
	return c.expected()
}
