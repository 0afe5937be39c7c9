package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"muster/internal/errs"
)

func TestReadBody(t *testing.T) {
	const limit = 8
	for _, c := range []struct {
		name, sent string
		code       errs.Code // "" for success
	}{
		{"nothing", "", ""},
		{"little", "{}", ""},
		{"as much as fits", "12345678", ""},
		{"one byte more", "123456789", errs.TooLarge},
		{"much more", strings.Repeat("x", 10000), errs.TooLarge},
		{"UTF-8", "žluť", ""},
		{"a cut character", "\xc5", errs.Invalid},
		{"no UTF-8", "a\xffb", errs.Invalid},
		{"half a surrogate pair", "\xed\xa0\x80", errs.Invalid},
	} {
		for form, body := range map[string]io.Reader{
			"announced": strings.NewReader(c.sent),
			// The wrapper hides the length, as a chunked body does.
			"chunked": io.MultiReader(strings.NewReader(c.sent)),
		} {
			t.Run(c.name+"/"+form, func(t *testing.T) {
				r := httptest.NewRequest("POST", "/", body)
				got, err := ReadBody(httptest.NewRecorder(), r, limit)
				if c.code != "" {
					if !errs.Is(err, c.code) || got != nil {
						t.Fatalf("%q, %v; want code %s", got, err, c.code)
					}
					return
				}
				if err != nil || string(got) != c.sent {
					t.Fatalf("%q, %v", got, err)
				}
			})
		}
	}
}

// brokenBody is a connection that ends too early.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errors.New("connection reset")
	}
	return n, err
}

func TestReadBodyThatBreaksOff(t *testing.T) {
	for name, announced := range map[string]int64{"announced": 6, "chunked": -1} {
		r := httptest.NewRequest("POST", "/", brokenBody{strings.NewReader("{\"a")})
		r.ContentLength = announced
		if _, err := ReadBody(httptest.NewRecorder(), r, 100); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A body that is announced as larger than the limit is refused before it is sent: the client waits for 100 Continue.
func TestReadBodyRefusesBeforeItIsSent(t *testing.T) {
	var got error
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, got = ReadBody(w, r, 8)
		PresentPlain(w, r, got)
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	first := make([]byte, len("HTTP/1.1 413"))
	if _, err := io.ReadFull(conn, first); err != nil || string(first) != "HTTP/1.1 413" {
		t.Errorf("%q, %v", first, err)
	}
	if !errs.Is(got, errs.TooLarge) {
		t.Error(got)
	}
}

// Most clients send the whole body before they read, whatever has been answered meanwhile. They are to find the answer,
// not a broken connection.
func TestRefusalReachesWhoSendsEverythingFirst(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := ReadBody(w, r, 4<<20)
		PresentPlain(w, r, err)
	}))
	defer srv.Close()
	const size = 11 << 20
	for name, head := range map[string]string{
		"announced": fmt.Sprintf("Content-Length: %d\r\n\r\n", size),
		"chunked":   fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+head+strings.Repeat("x", size)+"\r\n0\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != 413 || !strings.Contains(string(text), "larger than 4194304 bytes") {
				t.Errorf("%d %s, %v", answer.StatusCode, text, err)
			}
		})
	}
}

// endless is a body of which only the reader's patience is an end.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	return len(p), nil
}

// TestPatienceWithTooLargeBodies: what is refused anyway is taken in to a point, and not at all where that is no use.
func TestPatienceWithTooLargeBodies(t *testing.T) {
	const limit = 1 << 20
	for _, c := range []struct {
		name        string
		announced   int64
		expect      string
		least, most int64
	}{
		{"announced", limit + maxDrain, "", limit + maxDrain, limit + maxDrain},
		{"far too much announced", limit + maxDrain + 1, "", 0, 0},
		{"waits for leave", limit + 1, "100-Continue", 0, 0},
		{"no end", -1, "", limit + maxDrain, limit + maxDrain + 64<<10},
	} {
		body := &endless{}
		r := httptest.NewRequest("POST", "/", io.LimitReader(body, 100<<20))
		r.ContentLength = c.announced
		r.Header.Set("Expect", c.expect)
		_, err := ReadBody(httptest.NewRecorder(), r, limit)
		if !errs.Is(err, errs.TooLarge) || body.read < c.least || body.read > c.most {
			t.Errorf("%s: %d bytes read, %v", c.name, body.read, err)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	w := httptest.NewRecorder()
	WriteJSON(w, http.StatusTeapot, map[string]int{"a": 1})
	want := http.Header{"Content-Type": {"application/json"}, "Content-Length": {"7"}, "X-Content-Type-Options": {"nosniff"}}
	if w.Code != http.StatusTeapot || w.Body.String() != `{"a":1}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name := range want {
		if w.Header().Get(name) != want.Get(name) {
			t.Errorf("%s: %q", name, w.Header().Get(name))
		}
	}
}

func TestWriteJSONPanicsBeforeItWrites(t *testing.T) {
	w := httptest.NewRecorder()
	defer func() {
		if recover() == nil || w.Body.Len() != 0 {
			t.Errorf("no panic, or %q was written", w.Body)
		}
	}()
	WriteJSON(w, http.StatusOK, math.NaN())
}
