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
