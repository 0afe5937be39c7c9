// Package reference is the door at which the descriptions of the two APIs can be had: as documents for programs, and as
// pages for people that need nothing from elsewhere.
package reference

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for what stands beside
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	openapi "muster/api"
	"muster/internal/web"
)

//go:embed style.css
var style []byte

// New makes the door. What it serves is the same for everybody and tells nothing of an account.
func New() *web.Door {
	return &web.Door{
		Name: "reference", Prefixes: []string{"/docs/"}, Present: web.PresentPlain,
		Routes: []web.Route{
			{Method: "GET", Path: "/openapi.yaml", Name: "openapi", Scope: web.Public, Handler: newFile("application/yaml", openapi.YAML).serve},
			{Method: "GET", Path: "/admin.yaml", Name: "admin_openapi", Scope: web.Public, Handler: newFile("application/yaml", openapi.AdminYAML).serve},
			{Method: "GET", Path: "/docs", Name: "docs", Scope: web.Public, Handler: pageOf(openapi.YAML, compatible)},
			{Method: "GET", Path: "/docs/admin", Name: "docs_admin", Scope: web.Public, Handler: pageOf(openapi.AdminYAML, administer)},
			{Method: "GET", Path: "/docs/style.css", Name: "docs_style", Scope: web.Public, Handler: newFile("text/css; charset=utf-8", style).serve},
		},
	}
}

// pageOf serves the page of a description. It is made when somebody asks for the first time: most servers are never asked.
func pageOf(description []byte, about subject) web.Handler {
	made := sync.OnceValues(func() (*file, error) {
		text, err := renderPage(description, about)
		if err != nil {
			return nil, err
		}
		return newFile("text/html; charset=utf-8", text), nil
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		f, err := made()
		if err != nil {
			return err
		}
		return f.serve(w, r)
	}
}

// file is what is served, whole and unchanging while the server runs.
type file struct {
	contentType, etag string
	body              []byte
}

func newFile(contentType string, body []byte) *file {
	sum := sha256.Sum256(body)
	return &file{contentType, `"` + hex.EncodeToString(sum[:12]) + `"`, body}
}

// policy keeps the page from loading, running or sending anything but its own style sheet.
var policy = strings.Join([]string{
	"default-src 'none'", "style-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
}, "; ")

// serve answers with the file, or with 304 to those who have it. They ask every time, so that nobody reads the page of the
// version before the last upgrade.
func (f *file) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
	return nil
}
