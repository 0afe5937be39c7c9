package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// sink is a ResponseWriter that costs next to nothing, so that a benchmark shows the door and not the recorder.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// benchmark measures one call through the routing, the checks and the handler, with fakes behind the door.
func benchmark(b *testing.B, method, target, body string) {
	l := newLab()
	fleet(l)
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Authorization", "Bearer "+freeToken)
	r.ContentLength = int64(len(body))
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(strings.NewReader(body))
		clear(w.header)
		l.mux.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

func BenchmarkAccountV2(b *testing.B) { benchmark(b, "GET", "/o/api/v2/account", "") }
func BenchmarkAccountV32(b *testing.B) {
	benchmark(b, "POST", "/o/api/v3.2/account", `{"score_type":"cvss3_score"}`)
}
func BenchmarkLinkUser(b *testing.B) {
	benchmark(b, "POST", "/o/api/v2/devices/"+hardwareID+"/link_user?opt=1", `{"username":"kari","group":"staff"}`)
}
