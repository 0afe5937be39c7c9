package device

import "testing"

func TestCompareAgents(t *testing.T) {
	for _, c := range []struct {
		older, newer string
	}{
		{"7.6.206.0", "7.6.231.0"}, {"7.6.9", "7.6.10"}, {"1", "1.0"}, {"1.2", "1.2-beta"}, {"1.2.3", "1.2.beta"}, {"", "0.1"},
		{"9.99", "10.0"}, {"1.2-alpha", "1.2-beta"},
	} {
		if CompareAgents(c.older, c.newer) >= 0 || CompareAgents(c.newer, c.older) <= 0 {
			t.Errorf("%q is not older than %q", c.older, c.newer)
		}
		if CompareAgents(c.older, c.older) != 0 {
			t.Errorf("%q is not itself", c.older)
		}
	}
}

func TestReleased(t *testing.T) {
	for version, want := range map[string]bool{"7.6.206.0": true, "1": true, "": false, "dev-build": false, "1.2-beta": false, "1..2": false, "99999999999999": false} {
		if got := Released(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}
