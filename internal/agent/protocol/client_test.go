package protocol

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestErrorsKeepSecrets: errors go into logs and to everybody on the machine, and the licence key stands in addresses.
func TestErrorsKeepSecrets(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("{"))
	}))
	defer broken.Close()
	who := Credentials{LicenseKey: "secret-license", DeviceID: "d", Key: "secret-key", Token: "secret-token"}
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx  context.Context
		base string
	}{"away": {t.Context(), away.URL}, "no address": {t.Context(), "http://[::1"}, "ended": {ended, broken.URL}, "broken off": {t.Context(), broken.URL}} {
		_, err := New(http.DefaultClient, c.base).As(who).Ping(c.ctx)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLargeAnswers: of what a server answers no more is taken than it should say, and an administrator is told.
func TestLargeAnswers(t *testing.T) {
	answers := func(say func(w http.ResponseWriter)) (Config, error) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w) }))
		defer srv.Close()
		return New(http.DefaultClient, srv.URL).As(Credentials{}).Config(t.Context())
	}
	empty := strings.TrimSuffix(strings.Repeat("{},", 100_000), ",")
	got, err := answers(func(w http.ResponseWriter) {
		_, _ = w.Write([]byte(`{"commands":[` + empty + `],"custom_checks":[` + empty + `]}`))
	})
	if err != nil || len(got.Commands) != maxListed || len(got.Checks) != maxListed {
		t.Errorf("%d commands and %d checks were read: %v", len(got.Commands), len(got.Checks), err)
	}
	got, err = answers(func(w http.ResponseWriter) {
		_, _ = w.Write([]byte(`{"commands":null,"custom_checks":[{"id":"a"},{"id":"b"}]}`))
	})
	if err != nil || len(got.Commands) != 0 || len(got.Checks) != 2 || got.Checks[1].ID != "b" {
		t.Errorf("%+v %v", got, err)
	}
	for _, wrong := range []string{`{"commands":{}}`, `{"commands":7}`, `{"commands":[7]}`} {
		if _, err = answers(func(w http.ResponseWriter) { _, _ = w.Write([]byte(wrong)) }); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
	_, err = answers(func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, maxAnswer+1)) })
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("of an answer without end: %v", err)
	}
}
