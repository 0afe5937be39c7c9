package policy

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"muster/internal/posture"
)

var documentedSystems = []struct {
	family posture.OSFamily
	name   string
}{{posture.Windows, "Windows"}, {posture.MacOS, "macOS"}, {posture.Linux, "Linux"}, {posture.IOS, "iOS"}, {posture.Android, "Android"}}

// defaultRow writes what the default policy asks of one check, as a line of the table; "" for a check that is off everywhere.
func defaultRow(t *testing.T, id string) string {
	cells := make([]string, len(deviceTypes))
	var systems []string
	for _, s := range documentedSystems {
		asked := false
		for i, d := range deviceTypes {
			c := entryOf(id, kind{s.family, d})
			if c == nil {
				continue
			}
			if cells[i] != "" && cells[i] != string(c.Severity) {
				t.Errorf("%s on %s differs by system: the table cannot say so", id, d)
			}
			cells[i], asked = string(c.Severity), true
		}
		if asked {
			systems = append(systems, s.name)
		}
	}
	switch len(systems) {
	case 0:
		return ""
	case len(documentedSystems):
		systems = []string{"all"}
	}
	for i := range cells {
		if cells[i] == "" {
			cells[i] = "–"
		}
	}
	return "| `" + id + "` | " + strings.Join(systems, ", ") + " | " + strings.Join(cells, " | ") + " |"
}

// entryOf finds what the default policy asks by a check on a kind of machine; nil for nothing.
func entryOf(id string, k kind) *Check {
	for i := range areas {
		for _, a := range Default().active(&areas[i], k) {
			if a.def.id == id {
				return a.check
			}
		}
	}
	return nil
}

func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkTable compares the rows of the table that begins with these columns.
func checkTable(t *testing.T, columns string, want []string) {
	t.Helper()
	_, rest, ok := strings.Cut(documentation(t), columns+"\n")
	if !ok {
		t.Fatalf("there is no table %s", columns)
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	got := strings.Split(table, "\n")[1:]
	if !slices.Equal(got, want) {
		t.Errorf("the table should read\n%s", strings.Join(want, "\n"))
	}
}

func TestDocumentedTables(t *testing.T) {
	var checks, asked, defaults, rules, names []string
	params := map[string]bool{}
	for _, d := range Definitions() {
		var cells []string
		for _, p := range d.Params {
			cell := "`" + p + "`"
			if slices.Contains(d.Needs, p) {
				cell = "**" + cell + "**"
			}
			cells = append(cells, cell)
			params[p] = true
		}
		checks = append(checks, fmt.Sprintf("| `%s` | %s | %s | %s |", d.ID, d.Category, strings.ToLower(d.Title[:1])+d.Title[1:],
			strings.Join(cells, ", ")))
		if r := defaultRow(t, d.ID); r != "" {
			defaults = append(defaults, r)
		}
	}
	for _, m := range membersOf(Check{}) {
		if params[m] {
			asked = append(asked, fmt.Sprintf("| `%s` | %s |", m, memberDocs["check."+m]))
		}
	}
	for _, m := range membersOf(Rule{}) {
		if m != "name" && m != "status" && m != "grace" {
			rules = append(rules, fmt.Sprintf("| `%s` | %s |", m, memberDocs["rule."+m]))
		}
	}
	for _, v := range slices.Concat(joinVariables, deviceVariables) {
		names = append(names, fmt.Sprintf("| `%s` | %s |", v.name, v.doc))
	}
	checkTable(t, "| check | category | passes when | parameters |", checks)
	checkTable(t, "| parameter | what it asks |", asked)
	checkTable(t, "| member | holds when |", rules)
	checkTable(t, "| name | what it is |", names)
	checkTable(t, "| check | systems | desktop | laptop | server | vm | phone | tablet |", defaults)
}

// membersOf lists the names of members in the order of the document.
func membersOf(value any) []string {
	var out []string
	typ := reflect.TypeOf(value)
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// The examples of the documentation are policies that are accepted, by Parse and by the schema.
func TestDocumentedExamples(t *testing.T) {
	schema := compiledSchema(t)
	examples := regexp.MustCompile("(?ms)^```yaml policy\n(.*?)^```").FindAllStringSubmatch(documentation(t), -1)
	if len(examples) < 4 {
		t.Errorf("only %d examples", len(examples))
	}
	for _, e := range examples {
		p, err := Parse([]byte(e[1]))
		if err != nil {
			t.Errorf("%v in\n%s", err, e[1])
			continue
		}
		if err := follows(schema, []byte(e[1])); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
