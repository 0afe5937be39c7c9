package config_test

import (
	"net/netip"
	"strings"
	"testing"

	"muster/internal/config"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  config.Server
		says []string // nothing: the configuration is good
	}{
		{"loopback", config.Server{Listen: "127.0.0.1:8080"}, nil},
		{"loopback, IPv6", config.Server{Listen: "[::1]:8080"}, nil},
		{"localhost", config.Server{Listen: "localhost:8080"}, nil},
		{"TLS", config.Server{Listen: "0.0.0.0:443", TLSCert: "c", TLSKey: "k"}, nil},
		{"proxy", config.Server{Listen: ":8080", BehindProxy: "10.0.0.0/8, 192.0.2.1"}, nil},
		{"plain", config.Server{Listen: "0.0.0.0:80"}, []string{"--listen"}},
		{"plain, name", config.Server{Listen: "muster.example:80"}, []string{"--listen"}},
		{"proxy of no network", config.Server{Listen: "127.0.0.1:1", BehindProxy: " ,"}, []string{"--behind-proxy"}},
		{"metrics", config.Server{Listen: "127.0.0.1:1", MetricsListen: "[::1]:9090"}, nil},
		{"metrics, behind a proxy", config.Server{Listen: ":1", MetricsListen: ":9090", BehindProxy: "10.0.0.0/8"}, nil},
		{"metrics for all", config.Server{Listen: "127.0.0.1:1", MetricsListen: "0.0.0.0:9090"}, []string{"--metrics-listen"}},
		{"metrics for all, TLS", config.Server{Listen: ":443", TLSCert: "c", TLSKey: "k", MetricsListen: ":9090"}, []string{"--metrics-listen"}},
		{"half a pair", config.Server{Listen: "127.0.0.1:1", TLSKey: "k"}, []string{"--tls-cert"}},
		{"all at once", config.Server{Listen: "x", MetricsListen: "y", RateLimit: -1, BehindProxy: "z", BaseURL: "ftp://x", KeepEvents: -1},
			[]string{"--listen", "--metrics-listen", "--rate-limit", "--behind-proxy", "--base-url", "--keep-events"}},
	} {
		err := c.cfg.Validate()
		if (err == nil) != (len(c.says) == 0) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, want := range c.says {
			if !strings.Contains(err.Error(), want+":") {
				t.Errorf("%s: %v does not speak of %s", c.name, err, want)
			}
		}
	}
}

func TestProxies(t *testing.T) {
	cfg := config.Server{BehindProxy: "10.1.2.3/8,192.0.2.1 2001:db8::/32"}
	got, err := cfg.Proxies()
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got[i], want[i])
		}
	}
}
