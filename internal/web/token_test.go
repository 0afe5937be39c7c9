package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"muster/internal/web"
)

func TestPresentedToken(t *testing.T) {
	tests := []struct {
		name   string
		header map[string]string
		query  string
		want   string
	}{
		{"nowhere", nil, "", ""},
		{"bearer", map[string]string{"Authorization": "Bearer abc"}, "", "abc"},
		{"scheme in any case", map[string]string{"Authorization": "bearer abc"}, "", "abc"},
		{"blanks around", map[string]string{"Authorization": " BEARER   abc  "}, "", "abc"},
		{"header access_token", map[string]string{"access_token": "abc"}, "", "abc"},
		{"header in any case", map[string]string{"ACCESS_TOKEN": "abc"}, "", "abc"},
		{"header Access-Token", map[string]string{"Access-Token": "abc"}, "", "abc"},
		{"query", nil, "access_token=abc", "abc"},
		{"query among others", nil, "opt=1&verify=True&access_token=abc&limit=%zz;x", "abc"},
		{"query, encoded", nil, "access_token=a%2Eb", "a.b"},
		{"query, badly encoded", nil, "access_token=a%zz", ""},
		{"query, empty and then not", nil, "access_token=&access_token=abc", "abc"},
		{"query, encoded name", nil, "access%5Ftoken=abc", "abc"},
		{"query, another name", nil, "my_access_token=abc&access_tokens=def", ""},
		{"query, name without value", nil, "access_token", ""},
		{"all agree", map[string]string{"Authorization": "Bearer abc", "access_token": "abc"}, "access_token=abc", "abc"},
		{"bearer before header", map[string]string{"Authorization": "Bearer abc", "access_token": "def"}, "", "abc"},
		{"bearer before query", map[string]string{"Authorization": "Bearer abc"}, "access_token=def", "abc"},
		{"header before query", map[string]string{"access_token": "abc"}, "access_token=def", "abc"},
		{"access_token before Access-Token", map[string]string{"access_token": "abc", "Access-Token": "def"}, "", "abc"},
		{"empty bearer gives way", map[string]string{"Authorization": "Bearer "}, "access_token=abc", "abc"},
		{"only the scheme gives way", map[string]string{"Authorization": "Bearer"}, "access_token=abc", "abc"},
		{"empty header gives way", map[string]string{"access_token": " "}, "access_token=abc", "abc"},
		{"another scheme gives way", map[string]string{"Authorization": "Basic YTpi"}, "access_token=abc", "abc"},
		{"a token without a scheme is none", map[string]string{"Authorization": "abc"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/o/api/v3/groups?"+tt.query, nil)
			for name, value := range tt.header {
				r.Header.Set(name, value)
			}
			if got := web.PresentedToken(r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPresentedTokenIgnoresTheBody(t *testing.T) {
	for _, contentType := range []string{"application/x-www-form-urlencoded", "application/json"} {
		body := strings.NewReader(`access_token=abc`)
		r := httptest.NewRequest("POST", "/o/api/v3/groups", body)
		r.Header.Set("Content-Type", contentType)
		if got := web.PresentedToken(r); got != "" || body.Len() != 16 {
			t.Errorf("%s: got %q with %d bytes of the body left", contentType, got, body.Len())
		}
	}
}

// FuzzPresentedToken: whatever else a request holds, a header wins, and a well-formed query is read as the standard
// library reads it.
func FuzzPresentedToken(f *testing.F) {
	f.Add("Bearer abc", "def", "access_token=ghi")
	f.Add("Basic x", " ", "access_token=%2")
	f.Add("", "", "a=b;c&access_token=&access_token=+x&access%5ftoken=y")
	f.Fuzz(func(t *testing.T, authorization, header, query string) {
		present := func(authorization, header string) string {
			r := &http.Request{Header: http.Header{}, URL: &url.URL{RawQuery: query}}
			r.Header.Set("Authorization", authorization)
			r.Header.Set("access_token", header)
			return web.PresentedToken(r)
		}
		fromQuery := present("", "")
		values, err := url.ParseQuery(query)
		if want := firstOf(values["access_token"]); err == nil && fromQuery != want {
			t.Errorf("query %q gave %q, want %q", query, fromQuery, want)
		}
		fromHeader := strings.TrimSpace(header)
		if fromHeader == "" {
			fromHeader = fromQuery
		}
		if got := present("", header); got != fromHeader {
			t.Errorf("header %q and query %q gave %q", header, query, got)
		}
		want := strings.TrimSpace(authorization)
		if want == "" {
			want = fromHeader
		}
		if got := present("Bearer "+authorization, header); got != want {
			t.Errorf("bearer %q gave %q, want %q", authorization, got, want)
		}
	})
}

func firstOf(values []string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func BenchmarkPresentedToken(b *testing.B) {
	r := httptest.NewRequest("GET", "/o/api/v3/devices/x?verify=True&access_token=abc", nil)
	b.ReportAllocs()
	for b.Loop() {
		if web.PresentedToken(r) == "" {
			b.Fatal("no token")
		}
	}
}
