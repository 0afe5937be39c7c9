package api

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"muster/internal/device"
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
func benchmark(b *testing.B, method, target, body string, prepare ...func(*lab)) {
	l := newLab()
	fleet(l)
	for _, do := range prepare {
		do(l)
	}
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

// fifty puts fifty devices like the one that shows the most into the stock.
func fifty(l *lab) {
	list := make([]device.Device, 50)
	for i := range list {
		list[i] = l.devices.stock.devices[0]
		list[i].ID = fmt.Sprintf("%032x", i+1)
	}
	l.devices.stock.devices = list
}

func BenchmarkDevicesV2(b *testing.B) { benchmark(b, "GET", "/o/api/v2.3/devices?limit=50", "", fifty) }
func BenchmarkDevicesV33(b *testing.B) {
	benchmark(b, "POST", "/o/api/v3.3/devices", `{"limit":50,"filter":{"device_status":["non_compliant"]}}`, fifty)
}
func BenchmarkDevicesV37(b *testing.B) {
	benchmark(b, "POST", "/o/api/v3.7/devices", `{"limit":50}`, fifty)
}
func BenchmarkDeviceDetailV38(b *testing.B) {
	benchmark(b, "POST", "/o/api/v3.8/devices/detail", `{"ids":["`+hardwareID+`"]}`)
}
func BenchmarkDeviceDetailV38All(b *testing.B) {
	benchmark(b, "POST", "/o/api/v3.8/devices/detail", `{"ids":["`+hardwareID+`"],"verbose":{"categories":1,"detected_patches":1}}`)
}
func BenchmarkDeviceV21(b *testing.B) {
	benchmark(b, "GET", "/o/api/v2.1/devices/"+mac.String()+"?opt=1", "")
}
func BenchmarkDeviceInfo(b *testing.B) {
	benchmark(b, "POST", "/o/api/v3/device_info", `{"ids":["`+hardwareID+`"]}`)
}
