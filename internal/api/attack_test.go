package api

import (
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"muster/internal/device"
)

// Of networks there is nothing to list. The devices are counted, and not walked through to find that out.
func TestStatisticsOfNetworksWalkNowhere(t *testing.T) {
	l := newLab()
	a := l.do(request{method: "GET", target: "/o/api/v2/devices/stats?event=added&opt=3", token: freeToken})
	if a.status != 200 || a.body != `{"total_count":5,"devices":[]}` || len(l.devices.stock.asked) != 0 {
		t.Errorf("%d %s, asked %v", a.status, a.body, l.devices.stock.asked)
	}
}

func TestIsFormula(t *testing.T) {
	for cell, want := range map[string]bool{
		"": false, "a": false, "KB1": false, "1-2": false, "ž": false, "\xff": false, "  ": false, "'=": false, "=1": true, "+1": true, "-1": true,
		"@x": true, " =1": true, "\u00a0=1": true, "\t=1": true, "\n=1": true, "\r": true, "＝1": true, "＠x": true, "a=1": false,
	} {
		if got := isFormula(cell); got != want {
			t.Errorf("%q: %v", cell, got)
		}
	}
}

// A body that would have to be unpacked is not read.
func TestPackedBodies(t *testing.T) {
	l := newLab()
	for encoding, want := range map[string]int{"": 200, "identity": 200, "Identity": 200, "gzip": 415, "br": 415, "identity, gzip": 415} {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest("POST", "/o/api/v3.2/account", strings.NewReader("{}"))
			r.Header.Set("Authorization", "Bearer "+freeToken)
			if r.Header.Set("Content-Encoding", encoding); chunked {
				r.ContentLength = -1
			}
			if a := l.serve(r); a.status != want || want == 415 && !strings.Contains(a.body, "not compressed") {
				t.Errorf("%q, chunked %v: %d %s", encoding, chunked, a.status, a.body)
			}
		}
	}
}

// What goes badly wrong with one device of many must not end the program, which nobody could catch from outside.
func TestForEachPassesPanicsOn(t *testing.T) {
	var done atomic.Int64
	defer func() {
		if p := recover(); p != "the second" || done.Load() != 2 {
			t.Errorf("panic %v, %d done", p, done.Load())
		}
	}()
	_, err := forEach(batch{values: []string{"a", "b", "c", "a"}}, func(sel device.Selector) (int, error) {
		if sel.ID == "b" {
			panic("the second")
		}
		done.Add(1)
		return 1, nil
	})
	t.Error("no panic: ", err)
}
