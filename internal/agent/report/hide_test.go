package report

import (
	"strings"
	"testing"

	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
)

// Of a text nothing goes but what is private, and of that nothing stays.
func TestHidden(t *testing.T) {
	users, hosts, serials := protocol.Privacy{Username: 1}, protocol.Privacy{HostName: 1}, protocol.Privacy{SerialNumber: 1}
	addresses, macs := protocol.Privacy{LocalIP: 1}, protocol.Privacy{MAC: 1}
	for _, c := range []struct {
		what    string
		privacy protocol.Privacy
		text    string
		want    string
	}{
		{"nothing", protocol.Privacy{}, "open /home/anna/x: SECRET-USER", "open /home/anna/x: SECRET-USER"},
		{"a folder", users, `error="open /home/anna/.config/dconf/user: permission denied" again_in=1m`, `error="open /home/<private>: permission denied" again_in=1m`},
		{"a folder alone", users, "stat /home/anna: no such file", "stat /home/<private>: no such file"},
		{"a folder within a domain", users, "stat /home/LAB/anna, and more", "stat /home/<private>, and more"},
		{"a folder on macOS", users, "/Users/anna/Applications/x.app is broken", "/Users/<private> is broken"},
		{"a stick", users, "the device of /run/media/anna/USB has no name", "the device of /run/media/<private> has no name"},
		{"a folder on Windows", users, `error="open C:\\Users\\Anna Lie\\x.log: denied" n=1`, `error="open C:\\Users\\<private>: denied" n=1`},
		{"the folder of all", users, "open /home: permission denied", "open /home: permission denied"},
		{"one who is logged on", users, "asked secret-user, not SECRET-USERS", "asked <private>, not SECRET-USERS"},
		{"what a user answered", users, "user=SECRET-ID", "user=<private>"},
		{"a host", hosts, "lookup SECRET-HOST.example.net as SECRET-NAME", "lookup <private>.example.net as <private>"},
		{"a serial number", serials, `"SECRET-SERIAL"`, `"<private>"`},
		{"an address", addresses, "read tcp 192.0.2.17:41234->192.0.2.170:443, [2001:db8::17]:9, by 192.0.2.53 and 192.0.2.1", "read tcp <private>:41234->192.0.2.170:443, [<private>]:9, by <private> and <private>"},
		{"a MAC address", macs, "52:54:00:12:34:BB 52:54:00:12:34:bc", "<private> 52:54:00:12:34:bc"},
	} {
		a := about()
		a.Privacy = c.privacy
		if got := Hidden(c.text, whole(), a); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.what, got, c.want)
		}
	}
}

// Where user names are private, no report tells them by the way.
func TestReasonsAndThreatsNameNoUser(t *testing.T) {
	s := whole()
	s.Updates = collect.CouldNotReadf[collect.Updates]("open /home/anna/x: permission denied")
	s.Threats.Value.Found[0].File = "/home/anna/Downloads/eicar.com"
	a := about()
	if body := string(made(t, s, a).Body); strings.Count(body, "/home/anna/") != 2 {
		t.Errorf("what is not private is hidden: %s", body)
	}
	a.Privacy.Username = 1
	body := string(made(t, s, a).Body)
	if strings.Contains(body, "anna") || !strings.Contains(body, `/home/\u003cprivate\u003e/Downloads/eicar.com`) {
		t.Errorf("%s", body)
	}
}

// FuzzHidden: no word that is private is left standing alone, whatever is around it.
func FuzzHidden(f *testing.F) {
	f.Add("open /home/anna/x: ", " denied")
	f.Add("\xff", "\xff")
	f.Fuzz(func(t *testing.T, before, after string) {
		a := about()
		a.Privacy = protocol.Privacy{Username: 1, HostName: 1}
		if got := Hidden(before+" SECRET-USER SECRET-HOST "+after, whole(), a); strings.Contains(got, " SECRET-USER ") || strings.Contains(got, " SECRET-HOST ") {
			t.Errorf("%q", got)
		}
	})
}
