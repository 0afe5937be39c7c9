package reference

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is as much of an OpenAPI document as the page shows.
type document struct {
	Info struct {
		Title, Description string
	}
	Tags       []tag
	Paths      ordered[ordered[*operation]] // by path, then by method
	Components struct {
		SecuritySchemes ordered[*securityScheme] `yaml:"securitySchemes"`
		Parameters      ordered[*parameter]
		RequestBodies   ordered[*requestBody] `yaml:"requestBodies"`
		Responses       ordered[*response]
		Schemas         ordered[*schema]
	}
}

type tag struct{ Name, Description string }

type operation struct {
	OperationID string `yaml:"operationId"`
	Summary     string
	Description string
	Tags        []string
	Call        string `yaml:"x-call"` // all versions of a call have the same
	Permission  string `yaml:"x-permission"`
	Parameters  []*parameter
	RequestBody *requestBody `yaml:"requestBody"`
	Responses   ordered[*response]
}

type securityScheme struct{ Type, Scheme, In, Name, Description string }

type parameter struct {
	Ref                   string `yaml:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                *schema
	Example               yaml.Node
}

type requestBody struct {
	Ref         string `yaml:"$ref"`
	Description string
	Required    bool
	Content     ordered[mediaType]
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Content     ordered[mediaType]
}

type mediaType struct {
	Schema  *schema
	Example yaml.Node
}

type schema struct {
	Ref                  string `yaml:"$ref"`
	Type                 words
	Description          string
	Format               string
	Pattern              string
	Enum                 []yaml.Node
	Const, Default       yaml.Node
	Minimum, Maximum     yaml.Node
	MinLength            yaml.Node `yaml:"minLength"`
	MaxLength            yaml.Node `yaml:"maxLength"`
	MaxItems             yaml.Node `yaml:"maxItems"`
	Required             []string
	Properties           ordered[*schema]
	Items                *schema
	OneOf                []*schema `yaml:"oneOf"`
	AdditionalProperties rest      `yaml:"additionalProperties"`
}

// ordered is a mapping in the order of the document.
type ordered[T any] struct {
	keys []string
	of   map[string]T
}

// UnmarshalYAML reads a mapping.
func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping is expected", node.Line)
	}
	o.of = make(map[string]T, len(node.Content)/2)
	for i := 0; i < len(node.Content); i += 2 {
		var v T
		err := node.Content[i+1].Decode(&v)
		if err != nil {
			return fmt.Errorf("line %d: %w", node.Content[i+1].Line, err)
		}
		key := node.Content[i].Value
		o.keys = append(o.keys, key)
		o.of[key] = v
	}
	return nil
}

// words is a word or a list of them.
type words []string

// UnmarshalYAML reads either.
func (w *words) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*w = words{node.Value}
		return nil
	}
	var list []string
	err := node.Decode(&list)
	*w = list
	return err
}

// rest says what members an object has besides the named ones: none, where schema is nil.
type rest struct{ schema *schema }

// UnmarshalYAML reads false, true or a schema.
func (r *rest) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return nil
	}
	return node.Decode(&r.schema)
}

// parseDocument reads the document. It does not check it: tests do, and it does not change after them.
func parseDocument(text []byte) (*document, error) {
	var d document
	err := yaml.Unmarshal(text, &d)
	if err != nil {
		return nil, fmt.Errorf("reading the description of the API: %w", err)
	}
	return &d, nil
}

// nameOf gives the last part of a reference.
func nameOf(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func (d *document) parameter(p *parameter) *parameter {
	if p.Ref == "" {
		return p
	}
	return d.Components.Parameters.of[nameOf(p.Ref)]
}

func (d *document) body(b *requestBody) *requestBody {
	if b == nil || b.Ref == "" {
		return b
	}
	return d.Components.RequestBodies.of[nameOf(b.Ref)]
}

func (d *document) response(r *response) *response {
	if r.Ref == "" {
		return r
	}
	return d.Components.Responses.of[nameOf(r.Ref)]
}

// schema follows a reference. What stands beside the reference wins over what it leads to.
func (d *document) schema(s *schema) *schema {
	if s.Ref == "" {
		return s
	}
	found := *d.schema(d.Components.Schemas.of[nameOf(s.Ref)])
	if s.Description != "" {
		found.Description = s.Description
	}
	if s.Default.Kind != 0 {
		found.Default = s.Default
	}
	return &found
}
