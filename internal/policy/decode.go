package policy

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder reads nodes of a document into values, by the names that the values have in JSON. It notes every mistake and
// goes on, and where each member stands. It goes no deeper than the types do.
type decoder struct {
	mistakes mistakes
	lines    map[string]int // of each member, by its path
}

// value reads a node into what a pointer points to.
func (d *decoder) value(path string, n *yaml.Node, into any) {
	d.into(path, n, reflect.ValueOf(into).Elem())
}

func (d *decoder) add(path string, n *yaml.Node, format string, args ...any) {
	d.lines[path] = n.Line
	d.mistakes.add(path, format, args...)
}

// line gives the line of a member, or of the innermost that it lies in.
func (d *decoder) line(path string) int {
	for path != "" {
		if line, ok := d.lines[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 0
}

func (d *decoder) into(path string, n *yaml.Node, v reflect.Value) {
	d.lines[path] = n.Line
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.add(path, n, "anchors and aliases are not understood: write the value out")
	case v.Kind() == reflect.Struct:
		d.object(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

// object reads a mapping. A member that occurs twice is refused: it cannot be known which was meant.
func (d *decoder) object(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.add(path, n, "%s must be an object: names with values", called(path))
		return
	}
	seen := make(map[string]bool)
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := strings.TrimPrefix(path+"."+name.Value, ".")
		field, ok := member(v, name.Value)
		switch {
		case name.Kind != yaml.ScalarNode:
			d.add(path, name, "%s has something that is no name", called(path))
		case !ok:
			d.add(at, name, "%s has no member %q", called(path), name.Value)
		case seen[name.Value]:
			d.add(at, name, "%s occurs twice", at)
		case value.Tag == "!!null" && value.Kind == yaml.ScalarNode: // as if it were not there
		default:
			d.into(at, value, field)
		}
		seen[name.Value] = true
	}
}

// called names a member in a sentence.
func called(path string) string {
	if path == "" {
		return "a policy"
	}
	return path
}

// member finds the field that has a name.
func member(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); tag == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func (d *decoder) list(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.add(path, n, "%s must be a list", called(path))
		return
	}
	if len(n.Content) == 0 {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, c := range n.Content {
		d.into(fmt.Sprintf("%s[%d]", path, i), c, v.Index(i))
	}
}

func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.add(path, n, "%s must be a single value", called(path))
		return
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := text.UnmarshalText([]byte(n.Value)); err != nil {
			d.add(path, n, "%s", messageOf(err))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		// A version such as 10.0 is a number in YAML; what counts is how it is written.
		if n.Tag != "!!str" && n.Tag != "!!int" && n.Tag != "!!float" && n.Tag != "!!timestamp" {
			d.add(path, n, "%s must be a text; if it is meant as one, put it in quotes", called(path))
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		if n.Tag != "!!bool" {
			d.add(path, n, "%s must be true or false", called(path))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	default:
		i, err := strconv.ParseInt(n.Value, 10, 32)
		if n.Tag != "!!int" || err != nil {
			d.add(path, n, "%s must be a whole number", called(path))
			return
		}
		v.SetInt(i)
	}
}

// encode makes nodes of a value, by the names that it has in JSON. Members that are zero are left out where JSON leaves
// them out.
func encode(value any) (*yaml.Node, error) {
	v := reflect.Indirect(reflect.ValueOf(value))
	switch {
	case v.Kind() == reflect.Struct:
		return encodeObject(v)
	case v.Kind() == reflect.Slice:
		out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			n, err := encode(v.Index(i).Interface())
			if err != nil {
				return nil, err
			}
			if n.Kind == yaml.ScalarNode { // a list of words stands on one line
				out.Style = yaml.FlowStyle
			}
			out.Content = append(out.Content, n)
		}
		return out, nil
	default:
		if text, ok := v.Interface().(encoding.TextMarshaler); ok {
			b, err := text.MarshalText()
			if err != nil {
				return nil, fmt.Errorf("writing a policy: %w", err)
			}
			return scalarNode(string(b))
		}
		return scalarNode(v.Interface())
	}
}

func scalarNode(value any) (*yaml.Node, error) {
	out := new(yaml.Node)
	err := out.Encode(value)
	return out, err
}

func encodeObject(v reflect.Value) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		f := v.Field(i)
		if options != "" && (f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0) {
			continue
		}
		n, err := encode(f.Interface())
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, n)
	}
	return out, nil
}

// sameNode reports whether two nodes say the same.
func sameNode(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !sameNode(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}
