package api

import (
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "deflate, gzip": true, "gzip, deflate, br": true, "*": true, "br": false, "x-gzip2": false,
		"identity": false, "gzip;q=1.0": true, "gzip; q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false, "gzip;Q=0": false,
		"gzip ; q = 0": false, "*;q=0": false, "identity;q=1, *;q=0": false, "*, gzip;q=0": false, "*;q=0, gzip": true, "gzip;q=0, *": false,
		" , ,gzip ": true, ";;;,": false, "gzip;q=0.001": true,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

// An answer that is worth it is compressed for those who can read it, and says the same.
func TestCompression(t *testing.T) {
	l := newLab()
	ask := func(target, accepts string) answer {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Authorization", "Bearer "+freeToken)
		if accepts != "" {
			r.Header.Set("Accept-Encoding", accepts)
		}
		return l.serve(r)
	}
	const long, short = "/o/api/v2.3/devices?limit=50", "/o/api/v2/account"
	plain := ask(long, "")
	if plain.header.Get("Content-Encoding") != "" || plain.header.Get("Vary") != "Accept-Encoding" || len(plain.body) < worthPacking {
		t.Fatalf("%v, %d bytes", plain.header, len(plain.body))
	}
	for range 3 { // the packers are used again
		packed := ask(long, "gzip")
		if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Content-Type") != "application/json" ||
			packed.header.Get("Content-Length") != strconv.Itoa(len(packed.body)) || len(packed.body) > len(plain.body)/2 {
			t.Fatalf("%v, %d bytes", packed.header, len(packed.body))
		}
		r, err := gzip.NewReader(strings.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != plain.body {
			t.Errorf("%v: %s", err, text)
		}
	}
	if a := ask(long, "gzip;q=0"); a.body != plain.body {
		t.Errorf("%v", a.header)
	}
	if a := ask(short, "gzip"); a.header.Get("Content-Encoding") != "" || len(a.body) >= worthPacking {
		t.Errorf("a short answer is compressed: %v", a.header)
	}
}

func TestAnswerOfWhatCannotBeEncoded(t *testing.T) {
	w := httptest.NewRecorder()
	defer func() {
		if recover() == nil || w.Body.Len() > 0 {
			t.Errorf("no panic, or %q was written", w.Body)
		}
	}()
	(&call{w: w, r: httptest.NewRequest("GET", "/", nil)}).answer(func() {})
}
