package policy

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"muster/internal/posture"
)

var documentedTypes = []posture.DeviceType{posture.Desktop, posture.Laptop, posture.Server, posture.VM, posture.Phone, posture.Tablet}

var documentedSystems = []struct {
	family posture.OSFamily
	name   string
}{{posture.Windows, "Windows"}, {posture.MacOS, "macOS"}, {posture.Linux, "Linux"}, {posture.IOS, "iOS"}, {posture.Android, "Android"}}

// row writes what the default policy asks of one check, as a line of the table; "" for a check that is off everywhere.
func row(t *testing.T, id string) string {
	cells := make([]string, len(documentedTypes))
	var systems []string
	for _, s := range documentedSystems {
		asked := false
		for i, d := range documentedTypes {
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

func TestDocumentedTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, d := range Definitions() {
		if r := row(t, d.ID); r != "" {
			want = append(want, r)
		}
	}
	got := regexp.MustCompile("(?m)^\\| `.*$").FindAllString(string(text), -1)
	if !slices.Equal(got, want) {
		t.Errorf("the table should read\n%s", strings.Join(want, "\n"))
	}
}

// The example of the documentation is a policy that is accepted.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile(`(?ms)^    \{"name".*?\]\}\n`).FindString(string(text))
	p, err := Parse([]byte(example))
	if err != nil || p.Name != "Laptops abroad" || len(p.Checks) != 3 {
		t.Errorf("%q: %v, %v", example, p, err)
	}
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
