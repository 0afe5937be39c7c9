package webhook

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"muster/internal/event"
	"muster/internal/posture"
)

var at = time.Date(2026, 3, 1, 9, 0, 0, 123_000_000, time.UTC)

func pending(kind event.Kind, from, to posture.Status) Pending {
	return Pending{EventID: "0123456789abcdef0123456789abcdef", DeviceID: "K7Q2M4ZP9XAB3C5D", Kind: kind, From: from, To: to, At: at}
}

// TestOpswat: the form of the compatible API, to the letter.
func TestOpswat(t *testing.T) {
	target := Target{Webhook: Webhook{URL: "https://receiver.example/hook", Form: Opswat}, Key: "the key"}
	list := []Pending{
		pending(event.StatusChanged, 3, 4), pending(event.Enrolled, 0, 1), pending(event.Retired, 3, 3), pending(event.Unexempted, 6, 3),
	}
	r := target.request(list, at)
	want := `[{"device_id":"K7Q2M4ZP9XAB3C5D","status":"non_compliant","timestamp":1772355600123},` +
		`{"device_id":"K7Q2M4ZP9XAB3C5D","status":"installed","timestamp":1772355600123},` +
		`{"device_id":"K7Q2M4ZP9XAB3C5D","status":"deleted","timestamp":1772355600123},` +
		`{"device_id":"K7Q2M4ZP9XAB3C5D","status":"compliant","timestamp":1772355600123}]`
	if diff := cmp.Diff(want, string(r.Body)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"Authorization": "the key"}, r.Header); diff != "" || r.URL != target.URL {
		t.Error(diff, r.URL)
	}
	target.Key = ""
	if r = target.request(list, at); len(r.Header) != 0 {
		t.Errorf("without a key: %v", r.Header)
	}
}

// TestStandard: the form of Standard Webhooks, verified with the library of its makers.
func TestStandard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := newSecret(reader(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "secret")))
		target := Target{Webhook: Webhook{Form: Standard}, Key: secret}
		p := pending(event.StatusChanged, 3, 4)
		p.Detail = rapid.String().Draw(t, "reason")
		r := target.request([]Pending{p}, at)
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		for name, value := range r.Header {
			header.Set(name, value)
		}
		err = verifier.VerifyIgnoringTimestamp(r.Body, header)
		if err != nil {
			t.Error(err)
		}
		if header.Get("webhook-id") != p.EventID || header.Get("webhook-timestamp") != strconv.FormatInt(at.Unix(), 10) {
			t.Errorf("%v", header)
		}
		err = verifier.VerifyIgnoringTimestamp(append(r.Body, ' '), header)
		if err == nil {
			t.Error("another body is verified too")
		}
	})
}

type reader []byte

func (r reader) Read(p []byte) (int, error) { return copy(p, r), nil }

func TestStandardBody(t *testing.T) {
	target := Target{Webhook: Webhook{Form: Standard}, Key: newSecret(reader(make([]byte, 32)))}
	p := pending(event.StatusChanged, 3, 4)
	p.Detail = "default rule"
	fresh := pending(event.Enrolled, 0, 1)
	for want, r := range map[string]Request{
		`{"type":"device.status_changed","timestamp":"2026-03-01T09:00:00.123Z","data":{"event_id":"0123456789abcdef0123456789abcdef","device_id":"K7Q2M4ZP9XAB3C5D","status":"non_compliant","previous_status":"compliant","reason":"default rule"}}`: target.request([]Pending{p}, at),
		`{"type":"device.status_changed","timestamp":"2026-03-01T09:00:00.123Z","data":{"event_id":"0123456789abcdef0123456789abcdef","device_id":"K7Q2M4ZP9XAB3C5D","status":"installed"}}`:                                                           target.request([]Pending{fresh}, at),
		`{"type":"webhook.test","timestamp":"2026-03-01T09:00:00.123Z","data":{"event_id":"x","device_id":"00000000000000000000000000000000","status":"compliant","previous_status":"non_compliant","reason":"test"}}`:                                 target.testRequest("x", at),
	} {
		if diff := cmp.Diff(want, string(r.Body)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestTopics: each kind of event is what it is to webhooks.
func TestTopics(t *testing.T) {
	for _, c := range []struct {
		kind     event.Kind
		from, to posture.Status
		want     string
	}{
		{event.StatusChanged, 3, 4, "non_compliant"}, {event.StatusChanged, 4, 4, ""}, {event.Reported, 3, 4, ""}, {event.Moved, 3, 4, ""},
		{event.Enrolled, 0, 1, "installed"}, {event.Returned, 3, 3, "compliant"}, {event.Imported, 0, 0, "unknown"}, {event.Retired, 4, 4, "deleted"},
		{event.Deleted, 4, 4, "deleted"}, {event.DeletedByAPI, 0, 0, "deleted"}, {event.AgentRemoved, 3, 0, "unknown"}, {event.Exempted, 4, 6, "exempted"},
		{event.Ignored, 0, 9, "ignored"}, {event.StatusChanged, 4, 5, "in_grace"}, {event.StatusChanged, 4, 7, "quarantined"}, {event.StatusChanged, 4, 8, "out_of_license_usage"},
	} {
		got := ""
		if topic, ok := TopicOf(&event.Event{Kind: c.kind, From: c.from, To: c.to}); ok {
			got = topic.String()
		}
		if got != c.want {
			t.Errorf("%s from %v to %v: %q, want %q", c.kind, c.from, c.to, got, c.want)
		}
	}
	for _, s := range posture.Statuses {
		if got := strings.ReplaceAll(s.String(), "-", "_"); Topic(s).String() != got {
			t.Errorf("the topic of %v is %v", s, Topic(s))
		}
	}
	set, unknown := ParseTopics(TopicNames())
	if set != AllTopics || unknown != "" || len(set.Words()) != len(TopicNames()) {
		t.Errorf("%b, %q", set, unknown)
	}
	if diff := cmp.Diff([]string{"installed", "compliant", "non_compliant", "deleted"}, Reference.Words()); diff != "" {
		t.Error(diff)
	}
	for _, k := range event.Leaving {
		if topic, ok := TopicOf(&event.Event{Kind: k, From: 3, To: 3}); !ok || topic != Deleted {
			t.Errorf("%s: %v, %v", k, topic, ok)
		}
	}
}

// TestBodiesAreJSON: whatever a rule is called.
func TestBodiesAreJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, form := range Forms {
			target := Target{Webhook: Webhook{Form: form}, Key: secretPrefix}
			p := pending(event.StatusChanged, 3, 4)
			p.DeviceID, p.Detail = rapid.String().Draw(t, "device"), rapid.String().Draw(t, "reason")
			if body := target.request([]Pending{p}, at).Body; !json.Valid(body) {
				t.Errorf("%s", body)
			}
		}
	})
}
