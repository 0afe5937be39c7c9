package reference

import (
	"bytes"
	_ "embed" // for the template
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"paragraphs": paragraphs, "line": line, "lower": strings.ToLower,
}).Parse(pageText))

// subject is one of the APIs, and what its page says that does not stand in its description.
type subject struct {
	File, FileName    string // where the description is
	Other, OtherTitle string // the page of the other API
	Try               string // a path to try first
	// Problems says that errors are problem details.
	Problems bool
}

var (
	compatible = subject{"/openapi.yaml", "openapi.yaml", "/docs/admin", "The administration API", "/o/api/v3.1/account", false}
	administer = subject{"/admin.yaml", "admin.yaml", "/docs", "The OAuth API", "/api/v1/account", true}
)

// page is what the template shows.
type page struct {
	subject
	Title, Description string
	Schemes            []scheme
	Sections           []section
	Errors             []errorRow
	Shapes             []shape
}

// scheme is one way to present a token.
type scheme struct{ Form, Text string }

// section is the calls of one tag.
type section struct {
	ID, Title, Text string
	Calls           []call
}

// errorRow is a line of the table of errors.
type errorRow struct{ Code, Name, Word, Text, Anchor string }

// shape is an object that several answers hold.
type shape struct {
	Name, Text string
	Members    []row
}

// renderPage makes the page from the document.
func renderPage(text []byte, about subject) ([]byte, error) {
	d, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	p := page{subject: about, Title: d.Info.Title, Description: d.Info.Description, Schemes: d.schemes(), Errors: d.errors()}
	for _, t := range d.Tags {
		p.Sections = append(p.Sections, section{
			ID: "section-" + strings.ReplaceAll(strings.ToLower(t.Name), " ", "-"), Title: t.Name, Text: t.Description, Calls: d.calls(t.Name),
		})
	}
	p.Shapes = d.shapes(&p)
	var out bytes.Buffer
	err = pageTemplate.Execute(&out, &p)
	if err != nil {
		return nil, fmt.Errorf("rendering the description of the API: %w", err)
	}
	return out.Bytes(), nil
}

func (d *document) schemes() []scheme {
	var out []scheme
	for _, name := range d.Components.SecuritySchemes.keys {
		s := d.Components.SecuritySchemes.of[name]
		form := "Authorization: Bearer TOKEN"
		switch s.In {
		case "header":
			form = s.Name + ": TOKEN"
		case "query":
			form = "?" + s.Name + "=TOKEN"
		}
		out = append(out, scheme{form, s.Description})
	}
	return out
}

// errors lists the refusals of API calls. Those in another form mean the same, and those of the token endpoint are told
// of there.
func (d *document) errors() []errorRow {
	var out []errorRow
	for _, name := range d.Components.Responses.keys {
		content := d.Components.Responses.of[name].Content
		member, media := "error", content.of["application/json"]
		if media.Schema == nil {
			member, media = "type", content.of["application/problem+json"]
		}
		if media.Schema == nil || media.Schema.Ref != "#/components/schemas/Error" && media.Schema.Ref != "#/components/schemas/Problem" {
			continue
		}
		word := ""
		for i := 0; i < len(media.Example.Content); i += 2 {
			if media.Example.Content[i].Value == member {
				word = media.Example.Content[i+1].Value
			}
		}
		code := d.statusOf(name)
		row := errorRow{Code: code, Name: http.StatusText(number(code)), Word: word, Text: d.Components.Responses.of[name].Description}
		if _, anchor, ok := strings.Cut(word, "#"); ok {
			row.Word, row.Anchor = "#"+anchor, anchor
		}
		out = append(out, row)
	}
	return out
}

// statusOf finds the status that a named answer is given with.
func (d *document) statusOf(response string) string {
	for _, path := range d.Paths.keys {
		for _, op := range d.Paths.of[path].of {
			for code, r := range op.Responses.of {
				if r.Ref != "" && nameOf(r.Ref) == response {
					return code
				}
			}
		}
	}
	return ""
}

// shapes lists the objects that the rows of the page lead to, and those that these lead to in turn.
func (d *document) shapes(p *page) []shape {
	wanted := map[string]bool{}
	var want func([]row)
	want = func(list []row) {
		for i := range list {
			if name := list[i].Shape; name != "" && !wanted[name] {
				wanted[name] = true
				want(d.members(d.Components.Schemas.of[name]))
			}
		}
	}
	for _, s := range p.Sections {
		for i := range s.Calls {
			want(s.Calls[i].Parameters)
			want(s.Calls[i].Members)
		}
	}
	var out []shape
	for _, name := range d.Components.Schemas.keys {
		if !wanted[name] {
			continue
		}
		s := d.Components.Schemas.of[name]
		out = append(out, shape{name, s.Description, d.members(s)})
	}
	return out
}
