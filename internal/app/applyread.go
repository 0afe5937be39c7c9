package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"muster/internal/errs"
)

// The kinds of things that a folder can hold, in the order in which they are made: what refers to another comes behind it.
const (
	kindSettings = "settings"
	kindPolicy   = "policy"
	kindGroup    = "group"
	kindCode     = "registration-code"
	kindWebhook  = "webhook"
)

var kindsInOrder = []string{kindSettings, kindPolicy, kindGroup, kindCode, kindWebhook}

// manifest is one document of a folder: what one thing is to be.
type manifest struct {
	kind, name string
	file       string // below the folder
	line       int
	spec       *yaml.Node // a mapping
}

// String names it in messages.
func (m *manifest) String() string { return strings.TrimSpace(m.kind + " " + m.name) }

// wrong makes a mistake that names the file and the line.
func (m *manifest) wrong(line int, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if what := m.String(); what != "" {
		text = what + ": " + text
	}
	return errs.New(errs.Invalid, "%s:%d: %s", m.file, line, text)
}

// at gives the line of a member of the spec; that of the whole, where it is not there.
func (m *manifest) at(member string) int {
	if node := entry(m.spec, member); node != nil {
		return node.Line
	}
	return m.line
}

// maxManifest is how large a file of a folder may be, in bytes.
const maxManifest = 4 << 20

// readFolder reads every document of a folder and of the folders in it, whatever they are called, but hidden ones. It gives
// every mistake.
func readFolder(dir string) ([]*manifest, error) {
	var out []*manifest
	var mistakes []error
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != dir && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		list, err := readManifests(path, name)
		out = append(out, list...)
		if err != nil {
			mistakes = append(mistakes, err)
		}
		return nil
	})
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The folder %s cannot be read", dir)
	}
	if len(out) == 0 && len(mistakes) == 0 {
		return nil, errs.New(errs.Invalid, "The folder %s has no .yaml, .yml or .json file with anything in it", dir)
	}
	return out, errors.Join(append(mistakes, twice(out)...)...)
}

// twice says which things are there more than once.
func twice(list []*manifest) []error {
	var out []error
	first := map[string]*manifest{}
	for _, m := range list {
		key := m.kind + " " + strings.ToLower(m.name)
		if before := first[key]; before != nil {
			out = append(out, m.wrong(m.line, "it is in %s:%d already", before.file, before.line))
			continue
		}
		first[key] = m
	}
	return out
}

// readManifests reads the documents of a file.
func readManifests(path, name string) ([]*manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s cannot be read", name)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil || len(text) > maxManifest {
		return nil, errs.Wrap(errs.Invalid, err, "%s cannot be read, or is larger than %d bytes", name, maxManifest)
	}
	var out []*manifest
	var mistakes []error
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		err = documents.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out, errors.Join(mistakes...)
		}
		if err != nil {
			return out, errors.Join(append(mistakes, notYAML(name, err))...)
		}
		if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
			continue
		}
		m, err := readManifest(name, doc.Content[0])
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		out = append(out, m)
	}
}

// lineInText finds the line in an error of the parser.
var lineInText = regexp.MustCompile(`line (\d+): ?`)

// notYAML names the line of a mistake that the parser found.
func notYAML(file string, err error) error {
	line, text := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if at := lineInText.FindStringSubmatch(text); at != nil {
		line, _ = strconv.Atoi(at[1])
		text = strings.Replace(text, at[0], "", 1)
	}
	return errs.New(errs.Invalid, "%s:%d: this is not YAML: %s", file, line, text)
}

// readManifest reads the head of a document, and leaves its spec for whoever knows the kind.
func readManifest(file string, node *yaml.Node) (*manifest, error) {
	m := &manifest{file: file, line: node.Line}
	if node.Kind != yaml.MappingNode {
		return nil, m.wrong(node.Line, "a document must be a mapping with kind, name and spec")
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch key.Value {
		case "kind":
			m.kind = value.Value
		case "name":
			m.name = strings.TrimSpace(value.Value)
		case "spec":
			m.spec = value
		default:
			return nil, m.wrong(key.Line, "there is no member %q: a document has kind, name and spec", key.Value)
		}
	}
	switch {
	case !slices.Contains(kindsInOrder, m.kind):
		return nil, m.wrong(m.line, "kind must be one of %s", strings.Join(kindsInOrder, ", "))
	case m.kind == kindSettings && m.name != "":
		return nil, m.wrong(m.line, "settings have no name: an account has them once")
	case m.kind != kindSettings && m.name == "":
		return nil, m.wrong(m.line, "name is missing")
	case m.spec == nil || m.spec.Tag == "!!null":
		m.spec = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: m.line}
	case m.spec.Kind != yaml.MappingNode:
		return nil, m.wrong(m.spec.Line, "spec must be a mapping")
	}
	return m, nil
}

// decode reads the spec into a struct, and gives every mistake: what the struct does not have, too.
func (m *manifest) decode(into any) error {
	var mistakes []error
	of := reflect.TypeOf(into).Elem()
	var known []string
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ",")
		if name != "" {
			known = append(known, name)
		}
	}
	for i := 0; i+1 < len(m.spec.Content); i += 2 {
		key := m.spec.Content[i]
		if !slices.Contains(known, key.Value) {
			mistakes = append(mistakes, m.wrong(key.Line, "there is no member %q: a %s has %s", key.Value, m.kind, strings.Join(known, ", ")))
		}
	}
	err := m.spec.Decode(into)
	var types *yaml.TypeError
	switch {
	case errors.As(err, &types):
		for _, text := range types.Errors {
			mistakes = append(mistakes, m.located(text))
		}
	case err != nil:
		mistakes = append(mistakes, m.located(err.Error()))
	}
	return errors.Join(mistakes...)
}

// located puts the line of a message of the parser where it belongs.
func (m *manifest) located(text string) error {
	line := m.spec.Line
	if at := lineInText.FindStringSubmatch(text); at != nil {
		line, _ = strconv.Atoi(at[1])
		text = strings.Replace(text, at[0], "", 1)
	}
	return m.wrong(line, "%s", strings.TrimPrefix(text, "yaml: "))
}

// mistakes gives what the domain finds wrong with a spec, with the line of each member that is named.
func (m *manifest) mistakes(err error) error {
	if err == nil {
		return nil
	}
	var out []error
	for _, e := range flatten(err) {
		line := m.spec.Line
		if at := find(m.spec, e.Field); at != nil {
			line = at.Line
		}
		out = append(out, m.wrong(line, "%s", lineInText.ReplaceAllString(e.Message, "")))
	}
	return errors.Join(out...)
}

// flatten gives each error of the domain in an error.
func flatten(err error) []*errs.Error {
	var known *errs.Error
	many, ok := err.(interface{ Unwrap() []error })
	switch {
	case ok:
		var out []*errs.Error
		for _, one := range many.Unwrap() {
			out = append(out, flatten(one)...)
		}
		return out
	case errors.As(err, &known) && len(known.Several) > 0:
		return known.Several
	case known != nil:
		return []*errs.Error{known}
	}
	return []*errs.Error{errs.Wrap(errs.Invalid, err, "%s", err.Error())}
}

// member is one step of the name of a member: checks, [3], severity.
var member = regexp.MustCompile(`[^.\[\]]+|\[\d+\]`)

// find gives the node that a name such as checks[3].severity leads to, or the one nearest to it; nil for the whole.
func find(node *yaml.Node, name string) *yaml.Node {
	var at *yaml.Node
	for _, step := range member.FindAllString(name, -1) {
		var next *yaml.Node
		if index, isIndex := strings.CutPrefix(step, "["); isIndex {
			n, _ := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if node.Kind == yaml.SequenceNode && n < len(node.Content) {
				next = node.Content[n]
			}
		} else {
			next = entry(node, step)
		}
		if next == nil {
			return at
		}
		node, at = next, next
	}
	return at
}

// entry gives the value of a key of a mapping.
func entry(node *yaml.Node, key string) *yaml.Node {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}
