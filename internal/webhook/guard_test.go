package webhook

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"muster/internal/errs"
)

var lab = Guard{Allowed: prefixes("10.1.0.0/16", "fd00:1::/32", "127.0.0.0/8")}

func TestPermits(t *testing.T) {
	for text, want := range map[string][2]bool{ // without networks, with those of the lab
		"8.8.8.8": {true, true}, "1.1.1.1": {true, true}, "2606:4700::1111": {true, true}, "::ffff:8.8.8.8": {true, true},
		"10.1.2.3": {false, true}, "::ffff:10.1.2.3": {false, true}, "10.2.0.1": {false, false}, "::ffff:10.2.0.1": {false, false},
		"127.0.0.1": {false, true}, "127.255.0.1": {false, true}, "::1": {false, false}, "::ffff:127.0.0.1": {false, true},
		"0.0.0.0": {false, false}, "0.1.2.3": {false, false}, "::": {false, false}, "255.255.255.255": {false, false},
		"192.168.1.1": {false, false}, "172.16.0.1": {false, false}, "172.32.0.1": {true, true}, "169.254.169.254": {false, false},
		"::ffff:169.254.169.254": {false, false}, "100.64.0.1": {false, false}, "100.100.100.200": {false, false}, "100.128.0.1": {true, true},
		"192.0.0.192": {false, false}, "168.63.129.16": {false, false}, "224.0.0.1": {false, false}, "239.1.1.1": {false, false},
		"240.0.0.1": {false, false}, "198.18.0.1": {false, false}, "192.0.2.1": {false, false}, "203.0.113.9": {false, false}, "198.51.100.1": {false, false},
		"192.88.99.1": {false, false}, "fd00:1::5": {false, true}, "fd00:1::5%eth0": {false, true}, "fd00:ec2::254": {false, false},
		"fe80::1": {false, false}, "fe80::1%eth0": {false, false}, "fec0::1": {false, false}, "ff02::1": {false, false},
		"64:ff9b::a9fe:a9fe": {false, false}, "64:ff9b:1::1": {false, false}, "2002:a9fe:a9fe::1": {false, false}, "2001::1": {false, false},
		"2001:db8::1": {false, false}, "::127.0.0.1": {false, false}, "100::1": {false, false}, "3fff::1": {false, false}, "5f00::1": {false, false},
		"2001:4860:4860::8888": {true, true},
	} {
		addr := netip.MustParseAddr(text)
		for i, g := range []Guard{{}, lab} {
			if got := g.Permits(addr); got != want[i] {
				t.Errorf("%s with %v: %v", text, g.Allowed, got)
			}
		}
	}
	if (Guard{}).Permits(netip.Addr{}) {
		t.Error("no address at all")
	}
}

func TestCheckURL(t *testing.T) {
	for text, want := range map[string][2]bool{
		"https://receiver.example/hook": {true, true}, "https://receiver.example:8443/?a=b": {true, true}, "HTTPS://receiver.example": {true, true},
		"http://receiver.example/": {false, true}, "http://8.8.8.8/": {false, false}, "https://8.8.8.8/": {true, true},
		"https://10.1.0.1/": {false, true}, "http://10.1.0.1/": {false, true}, "https://10.2.0.1/": {false, false}, "http://localhost:8080/": {false, true},
		"https://LOCALHOST./": {false, true}, "https://a.localhost/": {false, true}, "https://[::1]/": {false, false}, "https://[::ffff:10.1.0.1]/": {false, true},
		"https://169.254.169.254/latest/meta-data": {false, false}, "https://[fe80::1%25eth0]/": {false, false},
		"": {}, "receiver.example": {}, "ftp://receiver.example/": {}, "file:///etc/passwd": {}, "https:///hook": {}, "https://": {}, "https:receiver": {},
		"https://user@receiver.example/": {}, "https://user:word@receiver.example/": {}, "https://receiver.example/#part": {}, "https://receiver.example:0/": {},
		"https://receiver.example:99999/": {}, "https://receiver.example:/": {}, "https://receiver.example/\n": {}, "https://receiver.example/" + strings.Repeat("x", maxURL): {},
	} {
		for i, g := range []Guard{{}, lab} {
			err := g.CheckURL(text)
			if (err == nil) != want[i] || err != nil && !errs.Is(err, errs.Invalid) {
				t.Errorf("%q with %v: %v", text, g.Allowed, err)
			}
		}
	}
}

// FuzzCheckURL: what is accepted can be asked for, and leads to no address that is not permitted.
func FuzzCheckURL(f *testing.F) {
	for _, text := range []string{"https://receiver.example/hook", "https://[::1]:80/", "http://10.1.0.1", "https://a:b@c/", "https://%31%32%37.1/", "https://[fe80::1%25eth0]/", "https://２.example/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if (Guard{}).CheckURL(text) != nil {
			return
		}
		r, err := http.NewRequest(http.MethodPost, text, nil)
		if err != nil {
			t.Fatalf("accepted, and cannot be asked for: %v", err)
		}
		if r.URL.Scheme != "https" || r.URL.User != nil || r.URL.Hostname() == "" {
			t.Errorf("accepted: %v", r.URL)
		}
		addr, err := netip.ParseAddr(r.URL.Hostname())
		if err == nil && !(Guard{}).Permits(addr) {
			t.Errorf("accepted: %v", addr)
		}
	})
}
