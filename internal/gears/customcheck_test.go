package gears

import (
	"encoding/json"
	"strings"
	"testing"
)

const asksForChecks = `{"include":["privacy","custom_checks"]}`

func TestConfigAsksForCustomChecks(t *testing.T) {
	v := newWorld()
	v.checks = []CustomCheck{
		{ID: "dock", Interpreter: "sh", Seconds: 30, Systems: []string{"linux"}, Text: "exit 0\n", Signature: "v1:x"},
		{ID: "b", Interpreter: "python", Seconds: 5, Text: "<&>"},
	}
	w := v.do(t, call{method: "POST", path: deviceURL("/config"), body: asksForChecks})
	want := `,"custom_checks":[{"id":"dock","interpreter":"sh","timeout_seconds":30,"os":["linux"],"text":"exit 0\n","signature":"v1:x"},` +
		`{"id":"b","interpreter":"python","timeout_seconds":5,"text":"\u003c\u0026\u003e"}]}`
	if w.Code != 200 || !strings.HasSuffix(w.Body.String(), want) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// They cost reading the device: agents that know nothing of them ask every minute.
	for _, body := range []string{"", "{}", "[]", "null", `{"include":null}`, `{"include":["privacy"]}`, `{"include":"custom_checks"}`, `{"include":["custom_checks"]`} {
		w = v.do(t, call{method: "POST", path: deviceURL("/config"), body: body})
		if w.Code != 200 || strings.Contains(w.Body.String(), "custom_checks") {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// An agent reads 1 MiB of an answer: what is too much comes without its text, and nothing is left out.
func TestCustomChecksFitIntoAnAnswer(t *testing.T) {
	v := newWorld()
	for _, id := range []string{"a", "b", "c", "d"} {
		v.checks = append(v.checks, CustomCheck{ID: id, Text: strings.Repeat("<", 40_000), Signature: "v1:x"})
	}
	v.checks[3].Text = "short"
	w := v.do(t, call{method: "POST", path: deviceURL("/config"), body: asksForChecks})
	var got struct {
		Checks []CustomCheck `json:"custom_checks"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Checks) != 4 {
		t.Fatal(err, len(got.Checks))
	}
	for i, length := range []int{40_000, 40_000, 40_000, 5} {
		if len(got.Checks[i].Text) != length {
			t.Errorf("%d: %d", i, len(got.Checks[i].Text))
		}
	}
	v.checks[1].Text = strings.Repeat("<", 120_000)
	w = v.do(t, call{method: "POST", path: deviceURL("/config"), body: asksForChecks})
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Body.Len() > 1<<20 {
		t.Fatal(err, w.Body.Len())
	}
	for i, length := range []int{40_000, 0, 40_000, 5} {
		if c := got.Checks[i]; len(c.Text) != length {
			t.Errorf("%d: %d", i, len(c.Text))
		}
	}
}
