package agent

import (
	"flag"
	"os"
	"strings"
	"testing"

	"muster/internal/agent/settings"
)

// TestDocs: docs/agent.md names every command and every setting, and its example is read as it stands.
func TestDocs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, c := range commands() {
		if !c.hidden && !strings.Contains(text, "| `"+c.name+"` |") {
			t.Errorf("the command %s is not in the table", c.name)
		}
	}
	none := func(string) (string, bool) { return "", false }
	f := settings.NewFlags("run", none)
	f.VisitAll(func(g *flag.Flag) {
		if !strings.Contains(text, "`--"+g.Name+"`") {
			t.Errorf("the setting --%s is not in the table", g.Name)
		}
	})
	_, example, _ := strings.Cut(text, "```json settings\n")
	example, _, _ = strings.Cut(example, "```")
	file := t.TempDir() + "/settings.json"
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	f = settings.NewFlags("run", none)
	if _, err := f.Load([]string{"--settings", file}); err != nil {
		t.Errorf("the example: %v", err)
	}
	if err := f.Settings.Validate(); err != nil {
		t.Errorf("the example: %v", err)
	}
}
