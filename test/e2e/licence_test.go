package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestBeyondTheLicence has an agent try until there is room for it.
func TestBeyondTheLicence(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		p.muster("account", "set", "--devices-allowed", "1")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		mac := func(i int) string { return fmt.Sprintf("00:0c:29:00:00:%02x", i) }
		try := func(i int) *response {
			return p.call("POST", "/api/v2/accounts/devices/registration_code", []string{"Gears-Auth", code}, registration(mac(i)))
		}
		in := p.register(code, registration(mac(1)))
		for range 3 {
			if r := try(2).want(406); !strings.Contains(r.body, `"error_type":"Exceeded token usage"`) {
				t.Errorf("refused with %s", r.body)
			}
		}
		shown := decode[object](t, p.muster("device", "show", mac(2), "--json"))
		if shown["status"] != "out-of-license-usage" {
			t.Errorf("the one that waits: %v", shown)
		}
		p.muster("account", "set", "--devices-allowed", "2")
		eventually(t, "it comes in when it tries again", func() bool { return try(2).status == 200 })
		if again := decode[object](t, p.muster("device", "show", mac(2), "--json")); again["status"] != "installed" || again["device_id"] != shown["device_id"] {
			t.Errorf("in: %v", again)
		}
		try(3).want(406)
		// One that is removed leaves its place to the next, and waits itself when it comes back.
		p.muster("device", "delete", in.ID)
		third := p.register(code, registration(mac(3)))
		try(1).want(406)
		if got := decode[object](t, p.muster("device", "show", in.ID, "--json"))["status"]; got != "out-of-license-usage" {
			t.Errorf("back, and its place is taken: %v", got)
		}
		p.muster("device", "delete", third.ID)
		if back := p.register(code, registration(mac(1))); back.ID != in.ID {
			t.Errorf("it came back as %s", back.ID)
		}
	})
}
