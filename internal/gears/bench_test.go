package gears

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"muster/internal/posture"
)

// readSample gives one of the example bodies.
func readSample(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func BenchmarkDigest(b *testing.B) {
	body := readSample(b, "reports/linux.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := digestOf(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	body := readSample(b, "reports/linux.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeReport(body); err != nil {
			b.Fatal(err)
		}
	}
}

// quiet is a response writer that costs next to nothing.
type quiet struct {
	header http.Header
	status int
}

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) Write(b []byte) (int, error) { return len(b), nil }
func (q *quiet) WriteHeader(status int)      { q.status = status }

// benchmarkCall measures one call through the whole door, without net/http around it.
func benchmarkCall(b *testing.B, method, path, body string) {
	v := newWorld()
	v.devices.summary.Status = posture.StatusCompliant
	payload := strings.NewReader(body)
	r := httptest.NewRequest(method, path, payload)
	r.Header.Set("Gears-Access-Key", theSecret)
	r.Header.Set("Gears-Access-Token", theSecret2)
	q := &quiet{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		payload.Reset(body)
		clear(q.header)
		v.handler.ServeHTTP(q, r)
		v.devices.calls = v.devices.calls[:0]
		if q.status != 0 && q.status != 200 {
			b.Fatal(q.status)
		}
	}
}

func BenchmarkPing(b *testing.B) { benchmarkCall(b, "POST", deviceURL("/ping"), "{}") }

func BenchmarkReportUnchanged(b *testing.B) {
	benchmarkCall(b, "PUT", deviceURL("/report/health"), string(readSample(b, "reports/linux.json")))
}

func BenchmarkPolicyCheck(b *testing.B) { benchmarkCall(b, "GET", deviceURL("/policy_check"), "") }
