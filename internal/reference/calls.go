package reference

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// call is one call of the API in all of its versions, oldest first.
type call struct {
	ID, Title  string
	Versions   []version
	Texts      []note // what it is for; more than one where versions differ
	Permission string
	Parameters []row
	Bodies     []note // about the body as a whole
	Containers []note // what the answer is as a whole
	Members    []row
	Statuses   []status
	Curl       string
	CurlFor    string
	Examples   []example
}

// version is one operation.
type version struct {
	Label, Anchor, Method, Path string
}

// note is a text and the versions it is about; "" means all.
type note struct{ Versions, Text string }

// status is an answer other than 200.
type status struct {
	Code, Name, Text, Versions string
}

type example struct{ Title, Text string }

var versionInPath = regexp.MustCompile(`^/o/api/(v[0-9.]+)/`)

// labelOf tells the operations of a call apart: by version, or, where there is none, by method.
func labelOf(method, path string) string {
	if m := versionInPath.FindStringSubmatch(path); m != nil {
		return m[1]
	}
	return method
}

// found is an operation and where it was.
type found struct {
	*operation
	label, method, path string
}

// calls gathers the operations of a tag, call by call.
func (d *document) calls(tag string) []call {
	var order []string
	byCall := map[string][]found{}
	for _, path := range d.Paths.keys {
		item := d.Paths.of[path]
		for _, method := range item.keys {
			op := item.of[method]
			if !slices.Contains(op.Tags, tag) {
				continue
			}
			if byCall[op.Call] == nil {
				order = append(order, op.Call)
			}
			method = strings.ToUpper(method)
			byCall[op.Call] = append(byCall[op.Call], found{op, labelOf(method, path), method, path})
		}
	}
	out := make([]call, len(order))
	for i, id := range order {
		out[i] = d.callOf(id, byCall[id])
	}
	return out
}

// callOf puts the versions of a call side by side.
func (d *document) callOf(id string, ops []found) call {
	c := call{ID: id, Title: ops[0].Summary, Permission: ops[0].Permission}
	var all []string
	for _, op := range ops {
		if !slices.Contains(all, op.label) {
			all = append(all, op.label)
		}
	}
	var parameters, members rows
	var texts, bodies, containers notes
	var statuses statusNotes
	for _, op := range ops {
		c.Versions = append(c.Versions, version{op.label, op.OperationID, op.method, op.path})
		texts.add(op.label, op.Description)
		for _, p := range op.Parameters {
			parameters.add(op.label, d.parameterRow(p))
		}
		if body := d.body(op.RequestBody); body != nil {
			bodies.add(op.label, body.Description)
			for _, r := range d.members(body.Content.of[body.Content.keys[0]].Schema) {
				parameters.add(op.label, r)
			}
		}
		for _, code := range op.Responses.keys {
			r := d.response(op.Responses.of[code])
			if code[0] != '2' {
				statuses.add(op.label, status{Code: code, Name: http.StatusText(number(code)), Text: r.Description})
				continue
			}
			d.addAnswer(op.label, r, &containers, &members)
		}
	}
	c.Texts, c.Bodies, c.Containers = texts.in(all), bodies.in(all), containers.in(all)
	c.Parameters, c.Members, c.Statuses = parameters.in(all), members.in(all), statuses.in(all)
	newest := ops[len(ops)-1]
	if newest.label == http.MethodGet {
		newest = ops[0] // of the token calls, POST is the better one
	}
	c.Curl, c.CurlFor = d.curl(newest), newest.label
	c.Examples = d.examples(newest)
	return c
}

// addAnswer says what the answer of one version is as a whole, and which members it has.
func (d *document) addAnswer(label string, r *response, containers *notes, members *rows) {
	text := r.Description
	for _, kind := range r.Content.keys {
		s := r.Content.of[kind].Schema
		if kind != "application/json" || s == nil {
			text += " `" + kind + "`."
			continue
		}
		text += " " + d.container(s) + "."
		for _, m := range d.members(s) {
			m.In = ""
			members.add(label, m)
		}
	}
	containers.add(label, text)
}

// container says what JSON value an answer is.
func (d *document) container(s *schema) string {
	full := d.schema(s)
	switch {
	case len(full.OneOf) > 0:
		var parts []string
		for _, one := range full.OneOf {
			parts = append(parts, "an object with `"+strings.Join(d.schema(one).Required, "` and `")+"`")
		}
		return "Either " + strings.Join(parts, ", or ")
	case full.Type.has("array"):
		return "A JSON array of objects"
	case len(full.Properties.keys) == 0 && full.AdditionalProperties.schema == nil:
		return "An empty JSON object"
	default:
		return "A JSON object"
	}
}

// notes collects texts of versions. What is alike in several versions is one note.
type notes struct {
	list   []note
	labels [][]string
}

func (ns *notes) add(label, text string) {
	if text == "" {
		return
	}
	for i := range ns.list {
		if ns.list[i].Text == text {
			ns.labels[i] = append(ns.labels[i], label)
			return
		}
	}
	ns.list = append(ns.list, note{Text: text})
	ns.labels = append(ns.labels, []string{label})
}

func (ns *notes) in(all []string) []note {
	for i := range ns.list {
		ns.list[i].Versions = span(all, ns.labels[i])
	}
	return ns.list
}

// statusNotes is notes for statuses, in the order of their numbers.
type statusNotes struct {
	list   []status
	labels [][]string
}

func (ns *statusNotes) add(label string, s status) {
	for i := range ns.list {
		if ns.list[i] == s {
			ns.labels[i] = append(ns.labels[i], label)
			return
		}
	}
	ns.list = append(ns.list, s)
	ns.labels = append(ns.labels, []string{label})
}

func (ns *statusNotes) in(all []string) []status {
	for i := range ns.list {
		ns.list[i].Versions = span(all, ns.labels[i])
	}
	slices.SortStableFunc(ns.list, func(a, b status) int { return strings.Compare(a.Code, b.Code) })
	return ns.list
}
