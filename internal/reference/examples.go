package reference

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func number(code string) int {
	n, err := strconv.Atoi(code)
	if err != nil {
		return 0
	}
	return n
}

// curl gives a command line that makes the call. $SERVER and $TOKEN are told of at the top of the page.
func (d *document) curl(op found) string {
	path, query := op.path, url.Values{}
	var headers []string
	for _, p := range op.Parameters {
		p = d.parameter(p)
		switch {
		case p.In == "header":
			headers = append(headers, "-H '"+p.Name+": "+p.Example.Value+"'")
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", p.Example.Value)
		case p.Required || p.Example.Kind != 0:
			query.Set(p.Name, exampleOf(p))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	verb := ""
	if op.method != "GET" && op.method != "POST" {
		verb = "-X " + op.method + " "
	}
	line := []string{`curl -s ` + verb + `"$SERVER` + path + `"`}
	if op.Permission != "none" {
		line = append(line, `-H "Authorization: Bearer $TOKEN"`)
	}
	line = append(line, headers...)
	return strings.Join(append(line, d.curlBody(op)...), " \\\n  ")
}

// good gives the answer of success.
func (op *operation) good() *response {
	for _, code := range op.Responses.keys {
		if code[0] == '2' {
			return op.Responses.of[code]
		}
	}
	return nil
}

func exampleOf(p *parameter) string {
	if p.Example.Kind == 0 && len(p.Schema.Enum) > 0 {
		return p.Schema.Enum[0].Value
	}
	return p.Example.Value
}

func (d *document) curlBody(op found) []string {
	body := d.body(op.RequestBody)
	if body == nil && op.method == "POST" {
		return []string{"-X POST"}
	}
	if body == nil {
		return nil
	}
	kind := body.Content.keys[0]
	node := body.Content.of[kind].Example
	switch {
	case node.Kind == 0:
		return []string{"-X POST"}
	case kind == "application/yaml":
		return []string{"-H 'Content-Type: application/yaml'", "--data-binary @policy.yaml"}
	case kind == "application/x-www-form-urlencoded":
		var out []string
		for i := 0; i < len(node.Content); i += 2 {
			out = append(out, "-d "+node.Content[i].Value+"="+node.Content[i+1].Value)
		}
		return out
	}
	return []string{"-H 'Content-Type: " + kind + "'", "-d '" + compact(&node) + "'"}
}

// examples shows the answers of an operation that succeed.
func (d *document) examples(op found) []example {
	r := op.good()
	if r == nil {
		return nil
	}
	var out []example
	content := d.response(r).Content
	for _, kind := range content.keys {
		node := content.of[kind].Example
		switch {
		case node.Kind == 0:
		case kind == "application/json":
			out = append(out, example{kind, indented(&node)})
		default:
			out = append(out, example{kind, node.Value})
		}
	}
	return out
}

// compact writes an example as JSON in one line, in the order of the document.
func compact(node *yaml.Node) string {
	var out bytes.Buffer
	writeJSON(&out, node)
	return out.String()
}

func indented(node *yaml.Node) string {
	var out bytes.Buffer
	err := json.Indent(&out, []byte(compact(node)), "", "  ")
	if err != nil {
		panic("reference: an example is not JSON: " + err.Error())
	}
	return out.String()
}

func writeJSON(out *bytes.Buffer, node *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		out.WriteByte('{')
		for i := 0; i < len(node.Content); i += 2 {
			if i > 0 {
				out.WriteByte(',')
			}
			writeText(out, node.Content[i].Value)
			out.WriteByte(':')
			writeJSON(out, node.Content[i+1])
		}
		out.WriteByte('}')
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, entry := range node.Content {
			if i > 0 {
				out.WriteByte(',')
			}
			writeJSON(out, entry)
		}
		out.WriteByte(']')
	default:
		if node.ShortTag() == "!!str" {
			writeText(out, node.Value)
			return
		}
		out.WriteString(node.Value)
	}
}

// writeText writes a string. Examples are for reading, so < and > stay as they are.
func writeText(out *bytes.Buffer, text string) {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	err := e.Encode(text)
	if err != nil {
		panic("reference: a string cannot be encoded: " + err.Error())
	}
	out.Truncate(out.Len() - 1) // the line break that the encoder adds
}
