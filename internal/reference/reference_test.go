package reference

import (
	"encoding/xml"
	"errors"
	"io"
	"log/slog"

	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	openapi "muster/api"
	"muster/internal/web"
)

func get(t *testing.T, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	(&web.Server{Next: web.NewMux(New()), Log: slog.New(slog.DiscardHandler)}).ServeHTTP(w, r)
	return w
}

func TestDoor(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		kind         string
	}{
		{"GET", "/openapi.yaml", 200, "application/yaml"},
		{"GET", "/docs", 200, "text/html; charset=utf-8"},
		{"GET", "/docs/admin", 200, "text/html; charset=utf-8"},
		{"GET", "/admin.yaml", 200, "application/yaml"},
		{"GET", "/docs/style.css", 200, "text/css; charset=utf-8"},
		{"GET", "/docs?x=<script>", 200, "text/html; charset=utf-8"},
		{"GET", "/docs/", 404, "application/json"},
		{"GET", "/docs/page.html", 404, "application/json"},
		{"GET", "/docs/../openapi.yaml", 404, "application/json"},
		{"POST", "/docs", 405, "application/json"},
		{"DELETE", "/openapi.yaml", 405, "application/json"},
	} {
		w := get(t, c.method, c.path)
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %d %v", c.method, c.path, w.Code, w.Header())
		}
	}
	if got := get(t, "GET", "/openapi.yaml").Body.String(); got != string(openapi.YAML) {
		t.Error("the document is not served as it is")
	}
	if got := get(t, "GET", "/docs").Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; style-src 'self';") || strings.Contains(got, "unsafe") {
		t.Errorf("Content-Security-Policy %q", got)
	}
}

// Who has a page already is told so, and who has another version of it is not.
func TestETag(t *testing.T) {
	for _, path := range []string{"/openapi.yaml", "/admin.yaml", "/docs", "/docs/admin", "/docs/style.css"} {
		first := get(t, "GET", path)
		tag := first.Header().Get("ETag")
		if w := get(t, "GET", path, "If-None-Match", tag); w.Code != 304 || w.Body.Len() != 0 || tag == "" {
			t.Errorf("%s with the tag %q: %d, %d bytes", path, tag, w.Code, w.Body.Len())
		}
		if w := get(t, "GET", path, "If-None-Match", `"other"`); w.Code != 200 || w.Body.Len() != first.Body.Len() {
			t.Errorf("%s with another tag: %d", path, w.Code)
		}
		if w := get(t, "HEAD", path); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
	if a, b := newFile("", []byte("a")), newFile("", []byte("b")); a.etag == b.etag {
		t.Error("different files have one tag")
	}
}

func render(t *testing.T) (string, *document) {
	t.Helper()
	return renderOne(t, openapi.YAML, compatible)
}

func renderOne(t *testing.T, description []byte, about subject) (string, *document) {
	t.Helper()
	text, err := renderPage(description, about)
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseDocument(description)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), d
}

var attribute = regexp.MustCompile(`\s(href|src|id|style|on[a-z]+|action)="([^"]*)"`)

// The page needs nothing but its style sheet, and every link leads somewhere.
func TestPageStandsAlone(t *testing.T) {
	page, _ := render(t)
	standsAlone(t, page, 200)
	page, _ = renderOne(t, openapi.AdminYAML, administer)
	standsAlone(t, page, 50)
}

func standsAlone(t *testing.T, page string, least int) {
	t.Helper()
	ids := map[string]bool{}
	var links []string
	for _, m := range attribute.FindAllStringSubmatch(page, -1) {
		switch m[1] {
		case "id":
			if ids[m[2]] {
				t.Errorf("two elements have the id %s", m[2])
			}
			ids[m[2]] = true
		case "href":
			links = append(links, m[2])
		default:
			t.Errorf("the policy does not let %s pass", m[0])
		}
	}
	if len(links) < least {
		t.Errorf("only %d links", len(links))
	}
	for _, l := range links {
		id, inside := strings.CutPrefix(l, "#")
		if inside && !ids[id] || !inside && !slices.Contains([]string{"/docs/style.css", "/openapi.yaml", "/admin.yaml", "/docs", "/docs/admin"}, l) {
			t.Errorf("the link %s leads nowhere", l)
		}
	}
	if m := regexp.MustCompile(`<(script|img|iframe|style|object|form|svg)\b|@import|url\(`).FindString(page + string(style)); m != "" {
		t.Errorf("there is a %s", m)
	}
}

// Each element is closed where it has to be.
func TestPageIsWellFormed(t *testing.T) {
	page, _ := render(t)
	wellFormed(t, page)
	page, _ = renderOne(t, openapi.AdminYAML, administer)
	wellFormed(t, page)
}

func wellFormed(t *testing.T, page string) {
	t.Helper()
	page = strings.ReplaceAll(page, "<!DOCTYPE html>", "")
	// In strict mode an element that closes itself has to say so.
	page = regexp.MustCompile(`<(meta|link)\b[^>]*`).ReplaceAllString(page, "$0/")
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Everything that is described is on the page.
func TestPageIsWhole(t *testing.T) {
	page, d := render(t)
	isWhole(t, page, d, 80)
	for _, word := range []string{"invalid_request", "invalid_token", "insufficient_scope", "not_found", "not_acceptable", "page_out_of_range", "payload_too_large", "unsupported_media_type", "rate_limit_exceeded", "server_error", "temporarily_unavailable", "method_not_allowed"} {
		if !strings.Contains(page, "<td><code>"+word+"</code></td>") {
			t.Errorf("the table of errors has no %s", word)
		}
	}
	for _, name := range d.Components.Schemas.keys {
		_, article, there := strings.Cut(page, `<article id="shape-`+name+`">`)
		if !there {
			continue // told of where it is used
		}
		article, _, _ = strings.Cut(article, "</article>")
		for _, member := range d.Components.Schemas.of[name].Properties.keys {
			if !strings.Contains(article, "<code>"+member+"</code>") {
				t.Errorf("the shape %s lacks %s", name, member)
			}
		}
	}
	again, err := renderPage(openapi.YAML, compatible)
	if err != nil || string(again) != page {
		t.Error("the page is another each time")
	}
}

func isWhole(t *testing.T, page string, d *document, least int) {
	t.Helper()
	operations := 0
	for _, path := range d.Paths.keys {
		for method, op := range d.Paths.of[path].of {
			operations++
			line := `<li id="` + op.OperationID + `"><span class="method ` + method + `">` + strings.ToUpper(method) + `</span> <code>` + path + `</code></li>`
			if !strings.Contains(page, line) {
				t.Errorf("%s %s is missing", method, path)
			}
			if !strings.Contains(page, `href="#`+op.OperationID+`"`) || !strings.Contains(page, `<article id="`+op.Call+`">`) {
				t.Errorf("%s is not in the index, or has no article", op.OperationID)
			}
		}
	}
	if operations < least {
		t.Errorf("only %d operations", operations)
	}
	for _, name := range d.Components.Parameters.keys {
		if !strings.Contains(page, "<code>"+d.Components.Parameters.of[name].Name+"</code>") {
			t.Errorf("the parameter %s is missing", name)
		}
	}
}

// The page of the administration API has all of it, and a place for each kind of problem to lead to.
func TestAdministrationPage(t *testing.T) {
	page, d := renderOne(t, openapi.AdminYAML, administer)
	isWhole(t, page, d, 15)
	kinds := 0
	for _, name := range d.Components.Responses.keys {
		media := d.Components.Responses.of[name].Content.of["application/problem+json"]
		for i := 0; i+1 < len(media.Example.Content); i += 2 {
			if media.Example.Content[i].Value != "type" {
				continue
			}
			kinds++
			_, anchor, _ := strings.Cut(media.Example.Content[i+1].Value, "#")
			if !strings.Contains(page, `<tr id="`+anchor+`">`) && anchor != "problem-not-acceptable" { // of which there is none yet
				t.Errorf("the table of errors has no %s", anchor)
			}
		}
	}
	if kinds < 10 {
		t.Errorf("only %d kinds of problems", kinds)
	}
	for _, text := range []string{
		`curl -s -X PATCH &#34;$SERVER/api/v1/groups/2&#34;`, `-H &#39;If-Match: &#34;3&#34;&#39;`, `curl -s -X DELETE`, `&#34;client_secret&#34;`,
	} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %s", text)
		}
	}
}

func callNamed(t *testing.T, tag, id string) call {
	t.Helper()
	_, d := render(t)
	for _, c := range d.calls(tag) {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no call %s", id)
	return call{}
}

func rowOf(t *testing.T, list []row, name, versions string) row {
	t.Helper()
	i := slices.IndexFunc(list, func(r row) bool { return r.Name == name && r.Versions == versions })
	if i < 0 {
		t.Fatalf("no row %s of %q in %+v", name, versions, list)
	}
	return list[i]
}

// Versions stand side by side: what is alike is told once, what differs says where.
func TestVersionsSideBySide(t *testing.T) {
	c := callNamed(t, "Devices", "devices")
	if len(c.Versions) != 12 || len(c.Texts) != 4 || c.Texts[3].Versions != "from v3.4" {
		t.Errorf("%d versions, texts %+v", len(c.Versions), c.Texts)
	}
	if r := rowOf(t, c.Parameters, "limit", "v2–v2.3"); r.In != "query" || r.Default != "1" || r.Limits != "1 to 50" || r.Required {
		t.Errorf("%+v", r)
	}
	if r := rowOf(t, c.Parameters, "limit", "from v3.1"); r.In != "body" || r.Default != "20" {
		t.Errorf("%+v", r)
	}
	if r := rowOf(t, c.Members, "next_token", "from v3.4"); !r.Required || r.Type != "string" {
		t.Errorf("%+v", r)
	}
	if r := rowOf(t, c.Members, "devices", "v3.4–v3.5"); r.Shape != "DeviceV3_3" || r.Type != "array of objects" {
		t.Errorf("%+v", r)
	}
	if r := rowOf(t, c.Members, "cves.total", "v3–v3.3"); r.Type != "integer" {
		t.Errorf("%+v", r)
	}
	// What stands beside a reference wins over what it leads to.
	if r := rowOf(t, callNamed(t, "Account", "account").Parameters, "score_type", "v3.2"); r.Default != "opswat_score" || len(r.Words) != 3 {
		t.Errorf("%+v", r)
	}
	link := callNamed(t, "Actions", "link-user")
	if r := rowOf(t, link.Parameters, "username", ""); !r.Required || r.Limits != "1 to 256 characters" {
		t.Errorf("%+v", r)
	}
	if r := rowOf(t, link.Members, "result", ""); !slices.Equal(r.Words, []string{"0", "1"}) {
		t.Errorf("%+v", r)
	}
}

func TestCurl(t *testing.T) {
	for _, c := range []struct{ tag, id, want string }{
		{"Actions", "link-user", `curl -s "$SERVER/o/api/v2/devices/02:42:ac:11:00:07/link_user" \
  -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' \
  -d '{"username":"kari","group":"staff"}'`},
		{"Devices", "search-devices", `curl -s "$SERVER/o/api/v2.1/devices/search?in=hostname%2Cnickname&q=lab+pc" \
  -H "Authorization: Bearer $TOKEN"`},
		{"Tokens", "get-token", `curl -s "$SERVER/o/oauth2/token" \
  -d grant_type=client_credentials \
  -d client_id=CLIENT_ID \
  -d client_secret=CLIENT_SECRET`},
		{"Actions", "device-action", `curl -s "$SERVER/o/api/v2/devices/02:42:ac:11:00:07/action?types=exempt_all" \
  -H "Authorization: Bearer $TOKEN" \
  -X POST`},
		{"Devices", "device-stats", `curl -s "$SERVER/o/api/v2/devices/stats?event=not_seen&in=1&period=month" \
  -H "Authorization: Bearer $TOKEN"`},
	} {
		got := callNamed(t, c.tag, c.id).Curl
		if strings.ReplaceAll(got, "/o/oauth/", "/o/oauth2/") != c.want {
			t.Errorf("%s: %s", c.id, got)
		}
	}
}

// Only what is alike in everything is one row.
func TestRowsThatDiffer(t *testing.T) {
	base := row{Name: "a", In: "body", Type: "string", Words: []string{"x"}}
	for _, change := range []func(*row){
		func(r *row) { r.Name = "b" }, func(r *row) { r.In = "query" }, func(r *row) { r.Type = "integer" }, func(r *row) { r.Shape = "S" },
		func(r *row) { r.Words = []string{"y"} }, func(r *row) { r.Limits = "1" }, func(r *row) { r.Default = "1" },
		func(r *row) { r.Required = true }, func(r *row) { r.Text = "t" }, func(r *row) {},
	} {
		other := base
		change(&other)
		var rs rows
		rs.add("v2", base)
		rs.add("v3", other)
		list := rs.in([]string{"v2", "v3"})
		if alike := base.like(&other); alike != (len(list) == 1) || alike != (list[0].Versions == "") || alike != (other.Name+other.In+other.Type+other.Shape+
			other.Words[0]+other.Limits+other.Default+other.Text == "abodystringx" && !other.Required) {
			t.Errorf("%+v gives %+v", other, list)
		}
	}
}

func TestSpan(t *testing.T) {
	all := []string{"a", "b", "c", "d", "e"}
	for _, c := range []struct{ some, want string }{
		{"a b c d e", ""}, {"a", "a"}, {"e", "e"}, {"a b", "a–b"}, {"d e", "from d"}, {"b c d", "b–d"}, {"a c d", "a, c–d"}, {"b d e", "b, from d"},
	} {
		if got := span(all, strings.Fields(c.some)); got != c.want {
			t.Errorf("%s: %q, want %q", c.some, got, c.want)
		}
	}
}

func TestMarked(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"a `b` c", "a <code>b</code> c"},
		{"**a** `**b**`", "<strong>a</strong> <code>**b**</code>"},
		{"a ` b", "a ` b"},
		{"`a` ` b", "<code>a</code> ` b"},
		{"2 ** 3", "2 ** 3"},
		{"`<private>` & <script>", "<code>&lt;private&gt;</code> &amp; &lt;script&gt;"},
	} {
		if got := marked(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
	if got := paragraphs("a\nb\n\nc"); got != "<p>a\nb</p>\n<p>c</p>\n" {
		t.Errorf("%q", got)
	}
}

// What a document says is text, whatever it says.
func TestTextIsEscaped(t *testing.T) {
	evil := `<script>alert(1)</script>`
	doc := `{info: {title: "` + evil + `", description: "` + evil + `"}, tags: [{name: T, description: "` + evil + `"}],
		paths: {"/o/api/v2/x": {get: {operationId: x, summary: "` + evil + `", description: "` + evil + `", tags: [T], x-call: x, x-permission: read,
		parameters: [{name: "` + evil + `", in: query, description: "` + evil + `", schema: {type: string, enum: ["` + evil + `"]}}],
		responses: {"200": {description: "` + evil + `", content: {application/json: {schema: {type: object}, example: "` + evil + `"}}}}}}}}`
	page, err := renderPage([]byte(doc), compatible)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), "<script") || strings.Count(string(page), "&lt;script") < 8 {
		t.Errorf("%s", page)
	}
}

func TestBrokenDocument(t *testing.T) {
	for _, text := range []string{"paths: [", "paths: []", "paths: {a: 1}", "tags: 1"} {
		if _, err := renderPage([]byte(text), compatible); err == nil {
			t.Errorf("%q was rendered", text)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	for b.Loop() {
		if _, err := renderPage(openapi.YAML, compatible); err != nil {
			b.Fatal(err)
		}
	}
}
