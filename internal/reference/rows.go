package reference

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// row is one parameter or one member of a body, in the versions that have it.
type row struct {
	Name     string // of a member below another, the whole path: filter.os
	In       string // path, query or body
	Type     string
	Shape    string   // the schema that lists the members of the object; "" where there is none
	Words    []string // the values that are allowed, where they can be listed
	Limits   string   // or else in what bounds they are
	Default  string
	Required bool
	Text     string
	Versions string // "" means all

	labels []string
}

// rows collects the rows of all versions of a call. What is alike in several versions is one row.
type rows struct{ list []row }

func (rs *rows) add(label string, r row) {
	for i := range rs.list {
		if rs.list[i].like(&r) {
			rs.list[i].labels = append(rs.list[i].labels, label)
			return
		}
	}
	r.labels = []string{label}
	rs.list = append(rs.list, r)
}

func (r *row) like(o *row) bool {
	return r.Name == o.Name && r.In == o.In && r.Type == o.Type && r.Shape == o.Shape && slices.Equal(r.Words, o.Words) &&
		r.Limits == o.Limits && r.Default == o.Default && r.Required == o.Required && r.Text == o.Text
}

// in puts rows of one name beside each other and says in which of the versions each is.
func (rs *rows) in(all []string) []row {
	first := map[string]int{}
	for i := range rs.list {
		name := rs.list[i].In + " " + rs.list[i].Name
		if _, ok := first[name]; !ok {
			first[name] = i
		}
		rs.list[i].Versions = span(all, rs.list[i].labels)
	}
	slices.SortStableFunc(rs.list, func(a, b row) int { return first[a.In+" "+a.Name] - first[b.In+" "+b.Name] })
	return rs.list
}

// span says which of all versions are meant: "" for all, "from v3.3", "v2.1–v2.3", or several of these.
func span(all, some []string) string {
	var parts []string
	for i := 0; i < len(all); i++ {
		if !slices.Contains(some, all[i]) {
			continue
		}
		from := i
		for i+1 < len(all) && slices.Contains(some, all[i+1]) {
			i++
		}
		switch {
		case from == 0 && i == len(all)-1:
			return ""
		case from == i:
			parts = append(parts, all[i])
		case i == len(all)-1:
			parts = append(parts, "from "+all[from])
		default:
			parts = append(parts, all[from]+"–"+all[i])
		}
	}
	return strings.Join(parts, ", ")
}

// parameterRow describes a parameter of the path or the query.
func (d *document) parameterRow(p *parameter) row {
	p = d.parameter(p)
	r := d.schemaRow(p.Name, p.Schema)
	r.In, r.Required, r.Text = p.In, p.Required, p.Description
	return r
}

// members lists the members of an object, or of the objects in an array. Those of a nested object are listed with it,
// unless it has a name: then its shape is listed elsewhere, once.
func (d *document) members(s *schema) []row {
	s = d.schema(s)
	switch {
	case len(s.OneOf) > 0:
		var out []row
		for _, one := range s.OneOf {
			out = append(out, d.members(one)...)
		}
		return out
	case s.Type.has("array") && s.Items != nil:
		return d.members(s.Items)
	}
	var out []row
	for _, name := range s.Properties.keys {
		member := s.Properties.of[name]
		r := d.schemaRow(name, member)
		r.Required = slices.Contains(s.Required, name)
		out = append(out, r)
		if r.Shape == "" {
			out = append(out, d.below(name, member)...)
		}
	}
	if s.AdditionalProperties.schema != nil {
		r := d.schemaRow("any other", s.AdditionalProperties.schema)
		out = append(out, r)
	}
	return out
}

// below lists the members of a member.
func (d *document) below(name string, member *schema) []row {
	if s := d.schema(member); s.Type.has("array") {
		name += "[]"
	}
	var out []row
	for _, r := range d.members(member) {
		r.Name = name + "." + r.Name
		out = append(out, r)
	}
	return out
}

// schemaRow describes a value.
func (d *document) schemaRow(name string, s *schema) row {
	r := row{Name: name, In: "body"}
	r.Type, r.Shape = d.typeOf(s)
	s = d.schema(s)
	r.Text, r.Default = s.Description, s.Default.Value
	of := s
	if s.Items != nil {
		of = d.schema(s.Items)
		if r.Text == "" {
			r.Text = of.Description
		}
	}
	r.Words, r.Limits = wordsOf(of), limitsOf(of)
	if of != s && s.MaxItems.Kind != 0 {
		r.Limits = strings.TrimPrefix(r.Limits+", at most "+s.MaxItems.Value+" entries", ", ")
	}
	return r
}

// typeOf names the type of a value, and the shape where it is an object that has one of its own.
func (d *document) typeOf(s *schema) (name, shape string) {
	full := d.schema(s)
	switch {
	case full.Type.has("array"):
		of := "values"
		if full.Items != nil {
			var inner string
			inner, shape = d.typeOf(full.Items)
			of = inner + "s"
		}
		name = "array of " + of
		if full.Type.has("string") {
			name += ", or one"
		}
		return name, shape
	case full.Type.has("object"):
		if s.Ref != "" {
			shape = nameOf(s.Ref)
		}
		return "object", shape
	}
	return strings.Join(full.Type, " or "), ""
}

func (w words) has(word string) bool { return slices.Contains(w, word) }

func wordsOf(s *schema) []string {
	var out []string
	for _, word := range s.Enum {
		out = append(out, word.Value)
	}
	if s.Const.Kind != 0 {
		out = append(out, s.Const.Value)
	}
	return out
}

// limitsOf says in what bounds a value or its length is.
func limitsOf(s *schema) string {
	var out []string
	for _, bounds := range []struct {
		least, most yaml.Node
		of          string
	}{{s.Minimum, s.Maximum, ""}, {s.MinLength, s.MaxLength, " characters"}} {
		switch {
		case bounds.least.Kind != 0 && bounds.most.Kind != 0:
			out = append(out, bounds.least.Value+" to "+bounds.most.Value+bounds.of)
		case bounds.least.Kind != 0 && bounds.least.Value != "0":
			out = append(out, "at least "+bounds.least.Value+bounds.of)
		case bounds.most.Kind != 0:
			out = append(out, "at most "+bounds.most.Value+bounds.of)
		}
	}
	return strings.Join(out, ", ")
}
