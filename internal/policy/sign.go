package policy

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"muster/internal/errs"
	"muster/internal/signature"
)

// FileScript is a script in a file.
type FileScript struct {
	AskedScript
	Policy string // the name of the policy that it is in
	Line   int

	script *Script
	node   *yaml.Node
}

// ScriptsIn finds the scripts in a file: a policy, or documents as `muster apply` reads them, of which those that are no
// policies are passed over. Invalid: there is none, or a policy has mistakes, all of which the error tells.
func ScriptsIn(file []byte) ([]FileScript, error) {
	_, scripts, err := policiesIn(file)
	return scripts, err
}

func policiesIn(file []byte) ([]*Policy, []FileScript, error) {
	var policies []*Policy
	var scripts []FileScript
	for documents := yaml.NewDecoder(bytes.NewReader(file)); ; {
		var doc yaml.Node
		err := documents.Decode(&doc)
		if errors.Is(err, io.EOF) {
			if len(scripts) == 0 {
				return nil, nil, errs.New(errs.Invalid, "there is nothing to sign: the file has no policy with a script")
			}
			return policies, scripts, nil
		}
		if err != nil {
			return nil, nil, notYAML(err)
		}
		p, node, err := policyOf(doc.Content[0])
		if err != nil {
			return nil, nil, err
		}
		if p == nil {
			continue
		}
		policies = append(policies, p)
		for i := range p.Checks {
			for j := range p.Checks[i].Scripts {
				s := &p.Checks[i].Scripts[j]
				at := valueOf(valueOf(node, "checks").Content[i], "scripts").Content[j]
				scripts = append(scripts, FileScript{AskedScript{s.signed(p.Checks[i].Name), s.Signature}, p.Name, at.Line, s, at})
			}
		}
	}
}

// policyOf reads the policy of a document, and gives where its members stand; nil for a document of another kind.
func policyOf(root *yaml.Node) (*Policy, *yaml.Node, error) {
	p, node := new(Policy), root
	name := ""
	if kind := valueOf(root, "kind"); kind != nil {
		node = valueOf(root, "spec")
		if kind.Value != "policy" || node == nil {
			return nil, nil, nil
		}
		if n := valueOf(root, "name"); n != nil {
			name = n.Value
		}
	}
	d := &decoder{lines: make(map[string]int)}
	d.value("", node, p)
	if name != "" {
		p.Name = name
	}
	err := errors.Join(d.mistakes...)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, nil, d.locate(err)
	}
	return p, node, nil
}

// valueOf finds the value of a member; nil for none.
func valueOf(n *yaml.Node, name string) *yaml.Node {
	if i := memberAt(n, name); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// memberAt finds the place of a member's name in a mapping; -1 for none.
func memberAt(n *yaml.Node, name string) int {
	if n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// SignScripts writes a signature beside each script in a file, in the place of the one that may be there, and leaves all
// else in it as it is: comments, order, white space. It gives how many scripts there are.
func SignScripts(file []byte, sign func(*signature.Script) string) ([]byte, int, error) {
	policies, scripts, err := policiesIn(file)
	if err != nil {
		return nil, 0, err
	}
	lines := bytes.SplitAfter(file, []byte("\n"))
	for i := len(scripts) - 1; i >= 0; i-- { // from the end, so that what is found before it stays where it is
		s := &scripts[i]
		s.script.Signature = sign(&s.Script)
		if !place(lines, s.node, s.script.Signature) {
			return nil, 0, errs.New(errs.Invalid, "line %d: the signature of this script cannot be written into the file: remove the one that is there, and write each member on a line of its own", s.Line)
		}
	}
	out := bytes.Join(lines, nil)
	// What was written is read again: nothing but the signatures may have changed.
	again, _, err := policiesIn(out)
	if err != nil || !reflect.DeepEqual(again, policies) {
		return nil, 0, errs.Wrap(errs.Invalid, err, "the signatures cannot be written into this file without changing what it says: write it in plain YAML, a member on each line")
	}
	return out, len(scripts), nil
}

// place writes a signature into the lines of a script.
func place(lines [][]byte, script *yaml.Node, sig string) bool {
	if old := valueOf(script, "signature"); old != nil {
		return replace(lines, old, sig)
	}
	if script.Style&yaml.FlowStyle != 0 {
		return insert(lines, script.Line, script.Column, `{`, `{"signature": "`+sig+`", `)
	}
	i := memberAt(script, "text")
	if i <= 0 { // the first member stands behind the hyphen
		i = 2
	}
	if i >= len(script.Content) {
		return false
	}
	name := script.Content[i]
	if name.Line < 1 || name.Line > len(lines) {
		return false
	}
	line := string(lines[name.Line-1])
	margin := line[:len(line)-len(strings.TrimLeft(line, " "))]
	end := "\n"
	if strings.HasSuffix(line, "\r\n") {
		end = "\r\n"
	}
	lines[name.Line-1] = []byte(margin + "signature: " + sig + end + line)
	return true
}

// replace puts a signature in the place of a value that is written on one line.
func replace(lines [][]byte, old *yaml.Node, sig string) bool {
	for _, quote := range []string{"", `"`, `'`} {
		if was := quote + old.Value + quote; was != "" && insert(lines, old.Line, old.Column, was, quote+sig+quote) {
			return true
		}
	}
	return false
}

// insert replaces what stands at a place; columns count characters from 1. It reports whether that stands there.
func insert(lines [][]byte, line, column int, was, now string) bool {
	if line < 1 || line > len(lines) {
		return false
	}
	text := []rune(string(lines[line-1]))
	if column < 1 || column > len(text) {
		return false
	}
	rest, ok := strings.CutPrefix(string(text[column-1:]), was)
	if ok {
		lines[line-1] = []byte(string(slices.Concat(text[:column-1], []rune(now+rest))))
	}
	return ok
}
