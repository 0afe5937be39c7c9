// Package openapi holds the server to the descriptions of its APIs, api/openapi.yaml and api/admin.yaml: answers that a test has
// seen, and the routes of the doors.
package openapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	openapi "muster/api"
	"muster/internal/web"
)

// Checker knows a description. It is safe for use by many tests at once.
type Checker struct {
	doc    *openapi3.T
	file   string
	prefix string // of the routes that it is about
}

// The documents are read once for all tests of a program.
var (
	oauthDocument = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(openapi.YAML) })
	adminDocument = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(openapi.AdminYAML) })
)

// Load reads the description of the compatible API.
func Load(t testing.TB) *Checker {
	t.Helper()
	return load(t, oauthDocument, "api/openapi.yaml", "/o/")
}

// LoadAdmin reads the description of the administration API.
func LoadAdmin(t testing.TB) *Checker {
	t.Helper()
	return load(t, adminDocument, "api/admin.yaml", "/api/v1/")
}

func load(t testing.TB, read func() (*openapi3.T, error), file, prefix string) *Checker {
	t.Helper()
	doc, err := read()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return &Checker{doc, file, prefix}
}

// admin reports whether this is the administration API, whose paths also answer to OPTIONS.
func (c *Checker) admin() bool { return c.prefix == "/api/v1/" }

// CheckExchange fails the test if an answer is not what the description says: an undocumented path, method, status or type,
// or a body that does not fit, be it for a member that nobody described. Every path answers 404 or 405 to what is not
// there, so these two need not be described.
//
// What a request may look like is not checked: the server understands more than is described, on purpose.
func (c *Checker) CheckExchange(t testing.TB, req *http.Request, reqBody []byte, status int, header http.Header, body []byte) {
	t.Helper()
	err := c.exchange(req, status, header, body)
	if err != nil {
		t.Errorf("%s %s with body %s was answered %d %s\nwhich is not what %s says: %v",
			req.Method, req.URL.Path, clip(reqBody), status, clip(body), c.file, err)
	}
}

// clip keeps messages readable.
func clip(text []byte) string {
	const most = 2000
	if len(text) == 0 {
		return "(empty)"
	}
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

func (c *Checker) exchange(req *http.Request, status int, header http.Header, body []byte) error {
	body, err := unpacked(header, body)
	if err != nil {
		return err
	}
	path, item := c.find(req.URL.EscapedPath())
	if astray(req.URL.Path) {
		item = nil
	}
	op, err := operationFor(item, req.Method, status)
	switch {
	case c.admin() && item != nil && req.Method == http.MethodOptions && status == http.StatusNoContent:
		return nil
	case err != nil:
		return err
	case req.Method == http.MethodHead:
		return headAnswer(op, status)
	case op == nil:
		return c.refusal(req.URL.Path, status, header, body)
	}
	return openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: req, Route: &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: req.Method, Operation: op},
		},
		Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: options(),
	})
}

// options asks for all that is wrong, in a line each.
func options() *openapi3filter.Options {
	o := &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true}
	o.WithCustomSchemaErrorFunc(func(err *openapi3.SchemaError) string {
		return "at /" + strings.Join(err.JSONPointer(), "/") + ": " + err.Reason
	})
	return o
}

// operationFor gives the operation that a request is for. nil: there is none, and the status says so.
func operationFor(item *openapi3.PathItem, method string, status int) (*openapi3.Operation, error) {
	if item == nil {
		if status != http.StatusNotFound {
			return nil, errors.New("the path is not described")
		}
		return nil, nil
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op := item.GetOperation(method)
	// Where another path has a placeholder, GET devices/delete asks for a device of that name.
	if op == nil && status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
		return nil, errors.New("the method is not described")
	}
	return op, nil
}

// refusal checks the answer to what is not there, which has the form of the door's errors.
func (c *Checker) refusal(path string, status int, header http.Header, body []byte) error {
	response := "NotFound"
	if strings.HasPrefix(path, "/o/oauth") {
		response = "OAuthBadRequest"
	}
	op := &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithStatus(status, c.doc.Components.Responses[response]))}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: &http.Request{Method: http.MethodGet}, Route: &routers.Route{Spec: c.doc, Operation: op},
		},
		Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Options: options(),
	})
}

// headAnswer checks what there is of the answer to a HEAD. op is nil where the refusal itself is what is right.
func headAnswer(op *openapi3.Operation, status int) error {
	if op != nil && op.Responses.Status(status) == nil {
		return errors.New("status is not supported")
	}
	return nil
}

func unpacked(header http.Header, body []byte) ([]byte, error) {
	if header.Get("Content-Encoding") != "gzip" || len(body) == 0 {
		return body, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the body is announced as gzip: %w", err)
	}
	return io.ReadAll(r)
}

// find gives the path of the description that a request's path is an instance of. One without a placeholder wins.
func (c *Checker) find(path string) (string, *openapi3.PathItem) {
	path = plain(path)
	if item := c.doc.Paths.Value(path); item != nil {
		return path, item
	}
	for _, template := range c.doc.Paths.InMatchingOrder() {
		if instance(template, path) {
			return template, c.doc.Paths.Value(template)
		}
	}
	return "", nil
}

// astray reports whether a path has empty segments or ones that lead elsewhere, escaped or not. Such a path names nothing.
func astray(path string) bool {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	return slices.ContainsFunc(segments, func(s string) bool { return s == "" || s == "." || s == ".." })
}

// instance reports whether a path has something in the place of each placeholder, and the rest alike.
func instance(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool {
		return w == g || strings.HasPrefix(w, "{") && g != ""
	})
}

// suffixed are the paths that have another spelling with .json, a habit of the first version.
var suffixed = []string{"/o/api/v2/account.json", "/o/api/v2/devices.json"}

// plain gives the spelling of a path that the description has.
func plain(path string) string {
	for alias, version := range map[string]string{"/o/api/v2.0/": "/o/api/v2/", "/o/api/v3.0/": "/o/api/v3/"} {
		if rest, ok := strings.CutPrefix(path, alias); ok {
			path = version + rest
		}
	}
	if slices.Contains(suffixed, path) {
		return strings.TrimSuffix(path, ".json")
	}
	return path
}

// CheckRoutes holds the routes that the description is about and it to each other, both ways.
func (c *Checker) CheckRoutes(t testing.TB, routes []web.Route) {
	t.Helper()
	for _, complaint := range slices.Concat(c.Undescribed(routes), c.Unrouted(routes)) {
		t.Error(complaint)
	}
}

// permissions are what the description calls the scopes of routes.
var permissions = map[web.Scope]string{web.Public: "none", web.Read: "read", web.Write: "write", web.Admin: "admin"}

// Undescribed names the routes that the description is about and does not have, or has with another permission.
func (c *Checker) Undescribed(routes []web.Route) []string {
	var out []string
	for _, rt := range routes {
		if !strings.HasPrefix(rt.Path, c.prefix) {
			continue
		}
		item := c.doc.Paths.Value(plain(rt.Path))
		switch {
		case item == nil || item.GetOperation(rt.Method) == nil:
			out = append(out, fmt.Sprintf("%s %s is a route, and %s has no such operation", rt.Method, rt.Path, c.file))
		case item.GetOperation(rt.Method).Extensions["x-permission"] != permissions[rt.Scope]:
			out = append(out, fmt.Sprintf("%s %s needs the permission %s, and %s says %v",
				rt.Method, rt.Path, permissions[rt.Scope], c.file, item.GetOperation(rt.Method).Extensions["x-permission"]))
		}
	}
	return out
}

// Unrouted names the operations that no route answers.
func (c *Checker) Unrouted(routes []web.Route) []string {
	known := map[string]bool{}
	for _, rt := range routes {
		known[rt.Method+" "+plain(rt.Path)] = true
	}
	var out []string
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			if !known[method+" "+path] {
				out = append(out, fmt.Sprintf("%s %s is in %s, and no route answers it", method, path, c.file))
			}
		}
	}
	slices.Sort(out)
	return out
}

// BodySchema gives what the JSON body of a request has to look like, nil where the operation takes none.
func (c *Checker) BodySchema(method, path string) *openapi3.Schema {
	op := c.doc.Paths.Value(path).GetOperation(method)
	if op == nil || op.RequestBody == nil {
		return nil
	}
	media := op.RequestBody.Value.Content["application/json"]
	if media == nil {
		return nil
	}
	return media.Schema.Value
}
