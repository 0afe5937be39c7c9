package policy

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write docs/schema/policy.schema.json anew")

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// follows validates a document as an editor would.
func follows(s *jsonschema.Schema, document []byte) error {
	var v any
	if err := yaml.Unmarshal(document, &v); err != nil {
		return err
	}
	return s.Validate(v)
}

func TestSchemaInTheDocumentation(t *testing.T) {
	const file = "../../docs/schema/policy.schema.json"
	if *update {
		if err := os.WriteFile(file, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(text, Schema()) {
		t.Errorf("%s is not what Schema gives (%v): go test ./internal/policy -run SchemaInTheDocumentation -update", file, err)
	}
}

// Every member of a document has a text, and every text a member.
func TestSchemaDescribesEveryMember(t *testing.T) {
	members := map[string]bool{}
	for _, typ := range []reflect.Type{reflect.TypeFor[Policy](), reflect.TypeFor[Check](), reflect.TypeFor[Rule](),
		reflect.TypeFor[Product](), reflect.TypeFor[Script]()} {
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			members[strings.ToLower(typ.Name())+"."+name] = true
		}
	}
	for m := range members {
		if memberDocs[m] == "" {
			t.Errorf("%s has no text", m)
		}
	}
	for _, table := range []map[string]bool{keysOf(memberDocs), keysOf(memberWords)} {
		for m := range table {
			if !members[m] {
				t.Errorf("there is no member %s", m)
			}
		}
	}
	for p, has := range parameters {
		if !members["check."+p] || has(&Check{}) {
			t.Errorf("%s is no parameter", p)
		}
	}
	for _, d := range Definitions() {
		for _, p := range append(d.Params, d.Needs...) {
			if parameters[p] == nil {
				t.Errorf("%s reads %s, which is no parameter", d.ID, p)
			}
		}
	}
}

func keysOf[V any](m map[string]V) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

func TestSchemaRefuses(t *testing.T) {
	s := compiledSchema(t)
	text, _ := Default().YAML()
	if err := follows(s, text); err != nil {
		t.Errorf("the default policy: %v", err)
	}
	for name, document := range map[string]string{
		"unknown member":         small + "version: 7\n",
		"unknown check":          small + "checks: [{check: nonsense, severity: warning}]\n",
		"no severity":            small + "checks: [{check: screen_lock}]\n",
		"severity high":          small + "checks: [{check: screen_lock, severity: high}]\n",
		"foreign parameter":      small + "checks: [{check: screen_lock, severity: warning, max_age: 3d}]\n",
		"needed parameter":       small + "checks: [{check: os_version, severity: warning}]\n",
		"name where none is":     small + "checks: [{check: screen_lock, severity: warning, name: x}]\n",
		"custom without name":    small + "checks: [{check: custom_check, severity: warning}]\n",
		"duration without unit":  small + "checks: [{check: screen_lock, severity: warning, max_idle: \"15\"}]\n",
		"size without unit":      small + "checks: [{check: disk_space, severity: warning, min_free: \"15\"}]\n",
		"status":                 "name: x\nrules: [{name: d, status: exempted}]\n",
		"unknown rule condition": "name: x\nrules: [{name: d, status: compliant, min_critcal: 1}]\n",
		"no rules":               "name: x\n",
	} {
		if err := follows(s, []byte(document)); err == nil {
			t.Errorf("%s: the schema takes %s", name, document)
		}
	}
	for name, document := range map[string]string{
		"off without what it needs": small + "checks: [{check: os_version, severity: \"off\"}]\n",
		"a version as a number":     small + "checks: [{check: os_version, severity: warning, min_version: 10.0}]\n",
		"a named entry":             small + "checks: [{check: disk_space, name: data, severity: warning, min_free: 10GB}]\n",
	} {
		if err := follows(s, []byte(document)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What Parse accepts follows the schema: an editor does not complain about a policy that is right.
func TestSchemaTakesWhatParseDoes(t *testing.T) {
	s := compiledSchema(t)
	valid := 0
	rapid.Check(t, func(t *rapid.T) {
		p := mend(randomPolicy.Draw(t, "policy"))
		if p.Validate() != nil {
			return
		}
		valid++
		text, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if err := follows(s, text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	})
	if valid < 10 {
		t.Errorf("only %d valid policies were drawn", valid)
	}
}

// mend takes from a random policy what Validate would refuse, entry by entry and rule by rule.
func mend(p *Policy) *Policy {
	out := &Policy{Name: "n", Checks: []Check{}}
	base := Rule{Name: "last", Status: Compliant}
	out.Rules = []Rule{base}
	for _, c := range p.Checks {
		if def := define(c.ID); def != nil {
			v := reflect.ValueOf(&c).Elem()
			for name, has := range parameters {
				if f, _ := member(v, name); has(&c) && !def.reads(name) {
					f.SetZero()
				}
			}
			if c.Name = "n"; !def.named {
				c.Name = ""
			}
		}
		out.Checks = append(out.Checks, c)
		if out.Validate() != nil {
			out.Checks = out.Checks[:len(out.Checks)-1]
		}
	}
	for _, r := range p.Rules {
		r.Expression, r.Checks = "", nil
		out.Rules = append([]Rule{r}, out.Rules...)
		if out.Validate() != nil {
			out.Rules = out.Rules[1:]
		}
	}
	return out
}
