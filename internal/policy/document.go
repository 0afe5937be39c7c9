package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"muster/internal/errs"
	"muster/internal/posture"
)

// Bounds of a document.
const (
	// maxPolicyBytes is far above any sensible policy.
	maxPolicyBytes = 1 << 20
	maxDepth       = 20 // of JSON; the parser of YAML has a bound of its own
)

// Parse reads a policy from YAML, of which JSON is a part, and validates it. Members it does not know are refused: a
// misspelt restriction would otherwise silently widen a check. All mistakes come at once, each an Invalid error that
// names the member, and in its text the line.
func Parse(document []byte) (*Policy, error) {
	p, d, err := read(document)
	if err != nil {
		return nil, err
	}
	err = p.Validate()
	if err != nil {
		return nil, d.locate(err)
	}
	return p, nil
}

// Restore readies a policy that Parse accepted when it was stored. It is not validated again: a release that is stricter
// must not leave devices without the policy that they have.
func Restore(document []byte, ref posture.PolicyRef) (*Compiled, error) {
	p, _, err := read(document)
	if err != nil {
		return nil, err
	}
	return newCompiled(p, ref), nil
}

// read reads a policy without looking at what it says, and gives what knows the lines of its members.
func read(document []byte) (*Policy, *decoder, error) {
	if len(document) > maxPolicyBytes {
		return nil, nil, errs.New(errs.TooLarge, "a policy is not longer than %d bytes", maxPolicyBytes)
	}
	root, err := readDocument(document)
	if err != nil {
		return nil, nil, err
	}
	d := &decoder{lines: make(map[string]int)}
	p := new(Policy)
	d.value("", root, p)
	if len(d.mistakes) > 0 {
		return nil, nil, d.locate(errors.Join(d.mistakes...))
	}
	return p, d, nil
}

// readDocument gives the one value of a document.
func readDocument(document []byte) (*yaml.Node, error) {
	if text := bytes.TrimSpace(document); len(text) > 0 && text[0] == '{' && json.Valid(text) {
		return readJSON(document)
	}
	dec := yaml.NewDecoder(bytes.NewReader(document))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, notYAML(err)
	}
	var next yaml.Node
	switch err := dec.Decode(&next); {
	case err == nil:
		return nil, errs.New(errs.Invalid, "the document has a second part, from line %d; a policy is one", next.Line)
	case !errors.Is(err, io.EOF):
		return nil, notYAML(err)
	}
	return doc.Content[0], nil
}

// yamlLine finds the line in an error of the parser.
var yamlLine = regexp.MustCompile(`line (\d+)`)

func notYAML(err error) error {
	if line := yamlLine.FindStringSubmatch(err.Error()); line != nil {
		return errs.Wrap(errs.Invalid, err, "the policy is not valid YAML, at line %s", line[1])
	}
	return errs.Wrap(errs.Invalid, err, "the policy is empty, or not valid YAML")
}

// readJSON reads what is known to be valid JSON. YAML has it all but for a few escapes and tabs.
func readJSON(document []byte) (*yaml.Node, error) {
	r := &jsonReader{dec: json.NewDecoder(bytes.NewReader(document)), text: document}
	r.dec.UseNumber()
	return r.value(0)
}

// jsonReader turns JSON into the same nodes that YAML gives.
type jsonReader struct {
	dec  *json.Decoder
	text []byte
	line int   // of offset, less one
	read int64 // the offset
}

// at gives the line of the token that was read last.
func (r *jsonReader) at() int {
	r.line += bytes.Count(r.text[r.read:r.dec.InputOffset()], []byte("\n"))
	r.read = r.dec.InputOffset()
	return r.line + 1
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	t, err := r.dec.Token()
	if err != nil || depth > maxDepth {
		return nil, errs.Wrap(errs.Invalid, err, "the policy is not valid JSON, or nested too deeply, at line %d", r.at())
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.at()}
	switch v := t.(type) {
	case string:
		n.Tag, n.Value = "!!str", v
	case json.Number:
		n.Tag, n.Value = "!!float", v.String()
		if _, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			n.Tag = "!!int"
		}
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
	case json.Delim:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		if v == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for r.dec.More() {
			c, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		_, err = r.dec.Token() // the closing bracket
		return n, err
	default:
		n.Tag = "!!null"
	}
	return n, nil
}

// locate adds the lines of the members to the texts of mistakes.
func (d *decoder) locate(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var out []error
	for _, e := range joined.Unwrap() {
		if m, ok := errors.AsType[*errs.Error](e); ok {
			if line := d.line(m.Field); line > 0 {
				located := *m
				located.Message = fmt.Sprintf("line %d: %s", line, m.Message)
				e = &located
			}
		}
		out = append(out, e)
	}
	return errors.Join(out...)
}

// YAML writes the policy as a document that Parse reads as the same policy.
func (p *Policy) YAML() ([]byte, error) {
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	node, err := encode(p)
	if err != nil {
		return nil, err
	}
	if err := enc.Encode(node); err != nil {
		return nil, fmt.Errorf("writing a policy: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("writing a policy: %w", err)
	}
	return buf.Bytes(), nil
}
