package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"muster/internal/errs"
)

// Setting is one value of settings, named by the path of its member: privacy.host_name.
type Setting struct{ Name, Value string }

// List gives every value as text, in the order of the names.
func (s Settings) List() []Setting {
	var out []Setting
	list("", s.tree(), &out)
	slices.SortFunc(out, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func list(path string, value any, out *[]Setting) {
	if members, ok := value.(map[string]any); ok {
		for name, member := range members {
			list(strings.TrimPrefix(path+"."+name, "."), member, out)
		}
		return
	}
	*out = append(*out, Setting{path, fmt.Sprint(value)})
}

// Set changes one value from its text. Invalid: there is no such setting, or the text is none of its values. What the
// value means together with others, Validate says.
func (s *Settings) Set(name, value string) error {
	tree := s.tree()
	at, path := tree, strings.Split(name, ".")
	for _, member := range path[:len(path)-1] {
		at, _ = at[member].(map[string]any)
	}
	last := path[len(path)-1]
	wanted := "text"
	switch at[last].(type) {
	case string:
		at[last] = value
	case bool:
		at[last], wanted = json.RawMessage(value), "true or false"
	case json.Number:
		at[last], wanted = json.RawMessage(value), "a whole number"
	default:
		return errs.InvalidField(name, "There is no setting %q", name)
	}
	changed := *s
	text, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(text, &changed)
	}
	if err != nil || value == "null" {
		return errs.InvalidField(name, "%s must be %s, and not %q", name, wanted, value)
	}
	*s = changed
	return nil
}

// tree gives the members as JSON has them.
func (s Settings) tree() map[string]any {
	text, err := json.Marshal(s)
	if err != nil {
		panic("identity: settings cannot be encoded: " + err.Error())
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out map[string]any
	err = decoder.Decode(&out)
	if err != nil {
		panic("identity: settings cannot be read back: " + err.Error())
	}
	return out
}

// changesFrom says in words what is different, in the order of the names.
func (s Settings) changesFrom(before Settings) []string {
	old := before.List()
	var out []string
	for i, now := range s.List() {
		if now != old[i] {
			out = append(out, fmt.Sprintf("%s %q -> %q", now.Name, old[i].Value, now.Value))
		}
	}
	return out
}
