package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"muster/internal/policy"
	"muster/tools/fleet"
)

// TestTrialsComeTrue tries random policies on a fleet of varied machines, then saves each: what the trial said must be what
// happens, device by device.
func TestTrialsComeTrue(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		var machines []*fleet.Machine
		for i := range 60 {
			machines = append(machines, fleet.Random(7, i, time.Now()))
		}
		_, err := fleet.Enrol(t.Context(), p.url, code, machines, 8)
		if err != nil {
			t.Fatal(err)
		}
		p.muster("device", "exempt", devicesOf(t, p)[0]["device_id"].(string))
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		changed := 0.0
		var trial object
		for round := range 6 {
			var n float64
			n, trial = oneTrial(t, p, file(t, randomPolicy(t, rng, round)))
			changed += n
		}
		checkIssues(t, p, trial)
		if changed == 0 {
			t.Error("no policy changed anything: that shows nothing")
		}
	})
}

func devicesOf(t *testing.T, p *program) []object {
	t.Helper()
	return decode[[]object](t, p.muster("device", "list", "--json"))
}

// oneTrial tries and saves a policy, and gives how many devices it changed, and the trial.
func oneTrial(t *testing.T, p *program, name string) (float64, object) {
	t.Helper()
	before := statusByID(devicesOf(t, p))
	trial := decode[object](t, p.muster("policy", "test", name, "--json"))
	p.muster("policy", "apply", name, "--policy", "1", "--wait")
	after := statusByID(devicesOf(t, p))
	want := map[string]float64{}
	for _, c := range trial["changes"].([]any) {
		change := c.(object)
		want[change["from"].(string)+" to "+change["to"].(string)] += change["devices"].(float64)
	}
	got := map[string]float64{}
	for id, status := range before {
		if after[id] != status {
			got[status+" to "+after[id]]++
		}
	}
	if !maps.Equal(want, got) {
		t.Errorf("the trial said %v, and there came %v", want, got)
	}
	for _, e := range trial["examples"].([]any) {
		example := e.(object)
		if id := example["device_id"].(string); before[id] != example["from"] || after[id] != example["to"] {
			t.Errorf("the example %v went from %s to %s", example, before[id], after[id])
		}
	}
	return trial["changed"].(float64), trial
}

// checkIssues compares what a trial said of the issues of each check with what each device has.
func checkIssues(t *testing.T, p *program, trial object) {
	t.Helper()
	issues := map[string]float64{}
	for id := range statusByID(devicesOf(t, p)) {
		checks := map[string]bool{}
		shown := decode[object](t, p.muster("device", "show", id, "--json"))
		list, _ := shown["issues"].([]any)
		for _, i := range list {
			checks[i.(object)["check"].(string)] = true
		}
		for check := range checks {
			issues[check]++
		}
	}
	for _, c := range trial["checks"].([]any) {
		check := c.(object)
		if n := issues[check["check"].(string)]; n != check["then"] {
			t.Errorf("the trial said that %v devices would have an issue of %v, and %v have", check["then"], check["check"], n)
		}
	}
}

func statusByID(list []object) map[string]string {
	out := make(map[string]string, len(list))
	for _, d := range list {
		out[d["device_id"].(string)] = d["status"].(string)
	}
	return out
}

// randomPolicy changes the default policy by chance.
func randomPolicy(t *testing.T, rng *rand.Rand, round int) string {
	t.Helper()
	p := policy.Default()
	p.Name = fmt.Sprintf("Trial %d", round)
	severities := []policy.Severity{policy.Off, policy.Warning, policy.Critical}
	for i := range p.Checks {
		if rng.IntN(2) == 0 {
			p.Checks[i].Severity = severities[rng.IntN(len(severities))]
		}
	}
	p.Rules[1].MinWarnings = 1 + rng.IntN(4)
	if rng.IntN(2) == 0 {
		p.Rules[0].Grace = policy.Duration(time.Hour)
	}
	text, err := p.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
