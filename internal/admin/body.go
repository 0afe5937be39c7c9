package admin

import (
	"mime"
	"net/http"
	"strings"

	"muster/internal/errs"
	"muster/internal/web"
)

// maxBody is how large a request body may be, in bytes: the largest policy is far below it.
const maxBody = 1 << 20

const (
	mediaJSON = "application/json"
	mediaYAML = "application/yaml"
)

// read reads the body, an object, into a pointer to a struct. It refuses members that the struct does not have, and tells
// every mistake at once.
func (c *call) read(into any) error {
	body, err := c.body(mediaJSON)
	if err != nil {
		return err
	}
	return decode(body, into)
}

// body gives the body, which has to be of one of the media types.
func (c *call) body(accepted ...string) ([]byte, error) {
	_, ok := mediaOf(c.r.Header, accepted)
	if !ok {
		return nil, errs.New(errs.UnsupportedMedia, "The body must be %s in UTF-8, not compressed", strings.Join(accepted, " or "))
	}
	return web.ReadBody(c.w, c.r, maxBody)
}

// noBody refuses a body where none is looked at: whoever sends one means something by it.
func (c *call) noBody() error {
	if c.r.ContentLength == 0 {
		return nil
	}
	body, err := web.ReadBody(c.w, c.r, maxBody)
	if err == nil && len(strings.TrimSpace(string(body))) > 0 {
		err = errs.New(errs.Invalid, "This call takes no body")
	}
	return err
}

// mediaOf says which of the media types a body has; the first where its sender does not say.
func mediaOf(h http.Header, accepted []string) (string, bool) {
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return "", false
	}
	text := h.Get("Content-Type")
	if text == "" {
		return accepted[0], true
	}
	media, options, err := mime.ParseMediaType(text)
	if err != nil {
		return "", false
	}
	charset, given := options["charset"]
	if given && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") {
		return "", false
	}
	for _, one := range accepted {
		if media == one || media == odd[one] {
			return one, true
		}
	}
	return "", false
}

// odd are other names of media types that programs use: merge patches are what PATCH takes, and YAML had no name for long.
var odd = map[string]string{mediaJSON: "application/merge-patch+json", mediaYAML: "application/x-yaml"}

// plain refuses what a call does not look at: a query, a body.
func (c *call) plain() error {
	err := c.query.err()
	if err != nil {
		return err
	}
	return c.noBody()
}
