package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"muster/internal/device"
)

// link calls link_user for a value as it stands in the path.
func (l *lab) link(value, query, body string) answer {
	return l.do(request{method: "POST", target: "/o/api/v2/devices/" + value + "/link_user" + query, token: freeToken, body: body})
}

const linkedAnswer, notFoundAnswer = `{"result":1,"msg":"OK"}`, `{"result":0,"msg":"Device not found"}`

func TestLinkUserNamesADevice(t *testing.T) {
	byMAC, byID := device.Selector{MAC: mac, ByMAC: true}, device.Selector{ID: hardwareID}
	for _, c := range []struct {
		name, value, query string
		want               device.Selector // the zero one: not found
	}{
		{"colons", "00:0c:29:aa:bb:cc", "?opt=0", byMAC},
		{"colons, escaped", "00%3A0c%3a29%3Aaa%3Abb%3Acc", "?opt=0", byMAC},
		{"capitals", "00:0C:29:AA:BB:CC", "?opt=0", byMAC},
		{"hyphens", "00-0c-29-aa-bb-cc", "?opt=0", byMAC},
		{"dots", "000c.29aa.bbcc", "?opt=0", byMAC},
		{"nothing between", "000c29aabbcc", "?opt=0", byMAC},
		{"without opt", "00:0c:29:aa:bb:cc", "", byMAC},
		{"with the wrong opt", "00:0c:29:aa:bb:cc", "?opt=1", byMAC},
		{"a hardware id", hardwareID, "?opt=1", byID},
		{"a hardware id without opt", hardwareID, "", byID},
		{"a hardware id with the wrong opt", hardwareID, "?opt=0", byID},
		{"with parameters that mean nothing here", hardwareID, "?opt=1&verify=True&%zz=1", byID},
		{"another MAC", "00:0c:29:aa:bb:cd", "?opt=0", device.Selector{}},
		{"another id", "ffaa11bb22cc33dd44ee55ff66778899", "?opt=1", device.Selector{}},
		{"text that names nothing", "%3Cscript%3E", "", device.Selector{}},
		{"a NUL", "a%00b", "", device.Selector{}},
		{"a line break", hardwareID + "%0A", "", device.Selector{}},
		{"no UTF-8", "%ff%fe", "", device.Selector{}},
		{"a very long value", strings.Repeat("a", 5000), "", device.Selector{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab()
			a := l.link(c.value, c.query, `{"username":"kari","group":"staff"}`)
			want := linkedAnswer
			if c.want == (device.Selector{}) {
				want = notFoundAnswer
			}
			if a.status != 200 || a.body != want {
				t.Fatalf("%d %s, want %s", a.status, a.body, want)
			}
			if want == linkedAnswer && l.devices.linked[c.want] != (device.LinkedUser{Username: "kari", Group: "staff"}) {
				t.Errorf("linked %v", l.devices.linked)
			}
			if want == notFoundAnswer && len(l.devices.linked) != 0 {
				t.Errorf("linked %v", l.devices.linked)
			}
		})
	}
}

func TestLinkUserStrangeValuesNeverReachTheStore(t *testing.T) {
	l := newLab()
	l.devices.err = errNotReached
	for _, value := range []string{"a%00b", "%ff", "%7f", "%C2%80"} {
		if a := l.link(value, "", `{"username":"kari"}`); a.status != 200 || a.body != notFoundAnswer {
			t.Errorf("%s: %d %s", value, a.status, a.body)
		}
	}
}

type sentinel string

func (s sentinel) Error() string { return string(s) }

const errNotReached = sentinel("the store was asked")

func TestLinkUserAnotherAccount(t *testing.T) {
	l := newLab()
	q := request{method: "POST", target: "/o/api/v2/devices/" + hardwareID + "/link_user", token: otherToken, body: `{"username":"a"}`}
	if a := l.do(q); a.status != 200 || a.body != notFoundAnswer {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestLinkUserAccepts(t *testing.T) {
	long := strings.Repeat("ž", 256)
	for _, c := range []struct {
		name, query, body string
		want              device.LinkedUser
	}{
		{"a username", "", `{"username":"kari"}`, device.LinkedUser{Username: "kari"}},
		{"one character", "", `{"username":"k","group":"g"}`, device.LinkedUser{Username: "k", Group: "g"}},
		{"256 characters", "", `{"username":"` + long + `","group":"` + long + `"}`, device.LinkedUser{Username: long, Group: long}},
		{"a group that is null", "", `{"username":"kari","group":null}`, device.LinkedUser{Username: "kari"}},
		{"blanks, kept", "", `{"username":" kari ","group":" "}`, device.LinkedUser{Username: " kari ", Group: " "}},
		{"signs", "", `{"username":"AD\\kari <k@acme.example> \"k\" 'k' & %"}`, device.LinkedUser{Username: `AD\kari <k@acme.example> "k" 'k' & %`}},
		{"escapes", "", `{"username":"\u017elu\u0165 \ud83d\ude00"}`, device.LinkedUser{Username: "žluť 😀"}},
		{"a number", "", `{"username":4711,"group":-1.50}`, device.LinkedUser{Username: "4711", Group: "-1.50"}},
		{"both in the query", "?username=kari&group=a+b%2Bc", ``, device.LinkedUser{Username: "kari", Group: "a b+c"}},
		{"in the query and an empty list", "?username=kari", `[]`, device.LinkedUser{Username: "kari"}},
		{"in both places", "?username=query", `{"username":"body"}`, device.LinkedUser{Username: "body"}},
		{"twice in the body", "", `{"username":"first","username":"last"}`, device.LinkedUser{Username: "last"}},
		{"twice in the query", "?username=first&username=last", ``, device.LinkedUser{Username: "first"}},
		{"unknown members", "", `{"username":"kari","access_token":"x","x":{"y":[1,null,true]},"Username":5}`, device.LinkedUser{Username: "kari"}},
		{"opt in the body", "", `{"username":"kari","opt":1}`, device.LinkedUser{Username: "kari"}},
		{"opt as a string", "", `{"username":"kari","opt":"0"}`, device.LinkedUser{Username: "kari"}},
		{"opt as 1.0", "", `{"username":"kari","opt":1.0}`, device.LinkedUser{Username: "kari"}},
		{"opt null", "", `{"username":"kari","opt":null}`, device.LinkedUser{Username: "kari"}},
		{"opt right in the query, wrong in the body", "?opt=1", `{"username":"kari","opt":"hwid"}`, device.LinkedUser{Username: "kari"}},
		{"a byte order mark", "", "\ufeff" + `{"username":"kari"}`, device.LinkedUser{Username: "kari"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab()
			a := l.link(hardwareID, c.query, c.body)
			if a.status != 200 || a.body != linkedAnswer {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if got := l.devices.linked[device.Selector{ID: hardwareID}]; got != c.want {
				t.Errorf("linked %q, want %q", got, c.want)
			}
		})
	}
}

func TestLinkUserRefuses(t *testing.T) {
	long := strings.Repeat("ž", 257)
	for _, c := range []struct{ name, query, body, about string }{
		{"nothing", "", ``, "username is required"},
		{"no username", "", `{"group":"staff"}`, "username is required"},
		{"a username in other letters", "", `{"Username":"kari"}`, "username is required"},
		{"a username that is null", "", `{"username":null}`, "username is required"},
		{"an empty username", "", `{"username":""}`, "username must have 1 to 256 characters"},
		{"an empty username in the query", "?username=", ``, "username must have 1 to 256 characters"},
		{"257 characters", "", `{"username":"` + long + `"}`, "username must have 1 to 256 characters"},
		{"a bool", "", `{"username":true}`, "username must be a string"},
		{"an array", "", `{"username":["kari"]}`, "username must be a string"},
		{"an object", "", `{"username":{"name":"kari"}}`, "username must be a string"},
		{"a NUL", "", `{"username":"ka\u0000ri"}`, "username must not hold control characters"},
		{"a line break", "", `{"username":"ka\nri"}`, "username must not hold control characters"},
		{"an escape", "", `{"username":"\u001b[31m"}`, "username must not hold control characters"},
		{"a late control character", "", `{"username":"\u0085"}`, "username must not hold control characters"},
		{"half a surrogate pair", "", `{"username":"\ud800"}`, "username must be a string"},
		{"a NUL in the query", "?username=%00", ``, "username must not hold control characters"},
		{"no UTF-8 in the query", "?username=%ff", ``, "username must be a string"},
		{"bad escaping in the query", "?username=%zz", ``, "username must be a string"},
		{"a number of 257 digits", "", `{"username":1` + strings.Repeat("0", 256) + `}`, "username must have 1 to 256 characters"},

		{"an empty group", "", `{"username":"kari","group":""}`, "group must have 1 to 256 characters"},
		{"a long group", "", `{"username":"kari","group":"` + long + `"}`, "group must have 1 to 256 characters"},
		{"a group that is false", "", `{"username":"kari","group":false}`, "group must be a string"},
		{"a NUL in the group", "", `{"username":"kari","group":"\u0000"}`, "group must not hold control characters"},

		{"opt 2", "?opt=2", `{"username":"kari"}`, "opt must be a whole number from 0 to 1"},
		{"opt -1", "?opt=-1", `{"username":"kari"}`, "opt must be"},
		{"opt empty", "?opt=", `{"username":"kari"}`, "opt must be"},
		{"opt a word", "?opt=mac", `{"username":"kari"}`, "opt must be"},
		{"opt 0.5", "?opt=0.5", `{"username":"kari"}`, "opt must be"},
		{"opt huge", "?opt=99999999999999999999", `{"username":"kari"}`, "opt must be"},
		{"opt true", "", `{"username":"kari","opt":true}`, "opt must be"},
		{"opt 3 in the body", "", `{"username":"kari","opt":3}`, "opt must be"},
		{"opt wrong in the query, right in the body", "?opt=hwid", `{"username":"kari","opt":1}`, "opt must be"},

		{"no JSON", "", `username=kari`, "not valid JSON"},
		{"JSON that is cut", "", `{"username":"kari"`, "not valid JSON"},
		{"JSON and more", "", `{"username":"kari"} x`, "not valid JSON"},
		{"two objects", "", `{"username":"kari"}{"username":"kari"}`, "not valid JSON"},
		{"a list", "", `[{"username":"kari"}]`, "must be a JSON object"},
		{"a string", "", `"kari"`, "must be a JSON object"},
		{"a number", "", `1`, "must be a JSON object"},
		{"no UTF-8", "", "{\"username\":\"\xff\"}", "UTF-8"},
		{"a raw control character", "", "{\"username\":\"a\x01b\"}", "not valid JSON"},
		{"nesting", "", `{"username":"kari","x":` + strings.Repeat(`[`, 64) + strings.Repeat(`]`, 64) + `}`, "64 levels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab()
			l.link(hardwareID, c.query, c.body).wantError(t, 400, "invalid_request", c.about, true)
			// What is wrong with the parameters is told before anybody looks for the device.
			l.link("nobody", c.query, c.body).wantError(t, 400, "invalid_request", c.about, true)
			if len(l.devices.linked) != 0 {
				t.Errorf("linked %v", l.devices.linked)
			}
		})
	}
}

// FuzzLinkUser sends any path value, query and body through the whole door: the answer is one of the documented ones,
// and what reaches the store is fit to be stored.
func FuzzLinkUser(f *testing.F) {
	f.Add(hardwareID, "opt=1", `{"username":"kari","group":"staff"}`)
	f.Fuzz(func(t *testing.T, value, query, body string) {
		l := newLab()
		r, err := http.NewRequest("POST", "/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.URL.RawQuery, r.ContentLength = "/o/api/v2/devices/"+value+"/link_user", query, int64(len(body))
		r.Header.Set("Authorization", "Bearer "+freeToken)
		a := l.serve(r)
		var m struct {
			Result *int   `json:"result"`
			Msg    string `json:"msg"`
			Error  string `json:"error"`
		}
		if err := json.Unmarshal([]byte(a.body), &m); err != nil {
			t.Fatalf("%v: %q", err, a.body)
		}
		switch {
		case a.status == 200 && (a.body == linkedAnswer) == (len(l.devices.linked) == 1):
		case a.status == 400 && m.Error == "invalid_request" && m.Result != nil && *m.Result == 0 && m.Msg != "":
		case a.status == 404 && m.Error == "not_found": // the value made another path of it
		default:
			t.Fatalf("%d %s, linked %v", a.status, a.body, l.devices.linked)
		}
		for _, user := range l.devices.linked {
			checkName(t, user.Username, 1)
			checkName(t, user.Group, 0)
		}
	})
}

func checkName(t *testing.T, s string, least int) {
	t.Helper()
	if n := utf8.RuneCountInString(s); n < least || n > 256 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		t.Errorf("accepted %q", s)
	}
}
