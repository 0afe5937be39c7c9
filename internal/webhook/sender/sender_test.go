package sender_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"muster/internal/webhook"
	"muster/internal/webhook/sender"
)

var loopback = webhook.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}

func TestSend(t *testing.T) {
	var got *http.Request
	var body string
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, body = r, string(text)
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "thank\n\tyou \x00\xff")
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 1<<20)) })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusTemporaryRedirect) })
	mux.HandleFunc("/broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	s := sender.New(loopback, "Muster/test")
	send := func(path string) webhook.Answer {
		return s.Send(t.Context(), webhook.Request{URL: srv.URL + path, Header: map[string]string{"Authorization": "k-1"}, Body: []byte("[]")})
	}
	a := send("/ok")
	if a.StatusCode != 202 || a.Excerpt != "thank you \uFFFD" || a.Err != nil {
		t.Errorf("%+v", a)
	}
	if got.Method != "POST" || got.Header.Get("Authorization") != "k-1" || got.Header.Get("Content-Type") != "application/json" || got.UserAgent() != "Muster/test" || body != "[]" {
		t.Errorf("%s %v %q", got.Method, got.Header, body)
	}
	got = nil
	if a = send("/long"); a.StatusCode != 200 || len(a.Excerpt) != 160 {
		t.Errorf("%+v", a)
	}
	if a = send("/elsewhere"); a.StatusCode != 307 || got != nil {
		t.Errorf("a redirect: %+v", a)
	}
	if a = send("/broken"); a.Err == nil || strings.Contains(a.Err.Error(), "127.0.0.1") {
		t.Errorf("%+v", a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a = s.Send(ctx, webhook.Request{URL: srv.URL}); a.Err == nil {
		t.Errorf("%+v", a)
	}
}

// TestGuarded: what is not permitted is not dialled, under whichever name, and a certificate nobody knows is not believed.
func TestGuarded(t *testing.T) {
	called := false
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true })
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	port := plain.URL[strings.LastIndex(plain.URL, ":"):]
	elsewhere := webhook.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	t.Setenv("HTTP_PROXY", plain.URL)
	t.Setenv("HTTPS_PROXY", plain.URL)
	for _, c := range []struct {
		guard webhook.Guard
		url   string
		want  string
	}{
		{webhook.Guard{}, plain.URL, "not public"}, {webhook.Guard{}, secure.URL, "not public"}, {elsewhere, plain.URL, "not public"},
		{elsewhere, "http://localhost" + port, "not public"}, {elsewhere, "http://0.0.0.0" + port, "not public"},
		{elsewhere, "http://[::ffff:127.0.0.1]" + port, "not public"}, {elsewhere, "http://[::1]" + port, "not public"},
		{elsewhere, "http://127.1" + port, ""}, {elsewhere, "http://169.254.169.254/", "not public"},
		{elsewhere, "http://192.0.2.1.example.invalid/", ""}, {loopback, secure.URL, "certificate"}, {elsewhere, "http://\x7f/", "cannot be used"},
		{webhook.Guard{}, "http://8.8.8.8/", "not public"}, // plain HTTP only where it was allowed
	} {
		a := sender.New(c.guard, "Muster/test").Send(t.Context(), webhook.Request{URL: c.url})
		if a.Err == nil || !strings.Contains(a.Err.Error(), c.want) {
			t.Errorf("%s: %+v", c.url, a)
		}
	}
	if called {
		t.Error("it was called")
	}
}
