package linux

import (
	"net/netip"
	"strings"
	"testing"

	"muster/internal/agent/collect"
	"muster/internal/agent/host/hosttest"
)

// firewallsOf are the firewalls of a machine, each as its name and whether it runs and is switched on.
func firewallsOf(t *testing.T, recording string) map[string][2]collect.Fact[bool] {
	t.Helper()
	h := hosttest.Of(t, recording)
	out := map[string][2]collect.Fact[bool]{}
	products, ok := gathered(t, h, firewallCollector(h)).Firewalls.Get()
	if !ok {
		t.Fatal("could not be read")
	}
	for _, p := range products {
		out[p.Name] = [2]collect.Fact[bool]{p.Running, p.Enabled}
	}
	return out
}

// nft makes the answer of nft of a chain and its rules, each the JSON of its expression.
func nft(base string, rules ...string) string {
	var b strings.Builder
	b.WriteString(`{"nftables":[{"metainfo":{}},{"table":{"family":"inet","name":"t"}},{"chain":{"family":"inet","table":"t","name":"in",` + base + `}},` +
		`{"chain":{"family":"inet","table":"t","name":"next"}},{"rule":{"family":"inet","table":"t","chain":"next","expr":[{"drop":null}]}}`)
	for _, r := range rules {
		b.WriteString(`,{"rule":{"family":"inet","table":"t","chain":"in","expr":[` + r + `]}}`)
	}
	return b.String() + "]}"
}

func TestNftFilters(t *testing.T) {
	const (
		open   = `"type":"filter","hook":"input","prio":0,"policy":"accept"`
		closed = `"type":"filter","hook":"input","prio":0,"policy":"drop"`
		drop   = `{"drop":null}`
		accept = `{"accept":null}`
		count  = `{"counter":{"packets":1,"bytes":2}},`
	)
	match := func(left, op, right string) string {
		return `{"match":{"op":"` + op + `","left":` + left + `,"right":` + right + `}},`
	}
	iif := match(`{"meta":{"key":"iifname"}}`, "==", `"eth0"`)
	for _, c := range []struct {
		what           string
		json           string
		asked, filters bool
	}{
		{"nothing", `{"nftables":[]}`, false, false},
		{"policy to drop", nft(closed), true, true},
		{"policy to accept", nft(open), true, false},
		{"policy to drop that nothing reaches", nft(closed, accept), true, false},
		{"policy to drop after what is accepted", nft(closed, match(`{"payload":{"protocol":"tcp","field":"dport"}}`, "==", "22")+accept), true, true},
		{"policy to drop what comes at lo", nft(closed, iif+accept), true, true},
		{"every new connection accepted", nft(closed, match(`{"ct":{"key":"state"}}`, "in", `["established","new"]`)+accept), true, false},
		{"what is established accepted", nft(closed, match(`{"ct":{"key":"state"}}`, "in", `["established","related"]`)+accept), true, true},
		{"a rule that drops all", nft(open, count+drop), true, true},
		{"a rule that rejects all", nft(open, `{"reject":{"type":"icmpx"}}`), true, true},
		{"a rule after one that accepts all", nft(open, accept, drop), true, false},
		{"an attacker dropped", nft(open, match(`{"payload":{"protocol":"ip","field":"saddr"}}`, "==", `"192.0.2.9"`)+drop), true, false},
		{"all but one network dropped", nft(open, match(`{"payload":{"protocol":"ip","field":"saddr"}}`, "!=", `"192.0.2.0"`)+drop), true, true},
		{"too many dropped", nft(open, `{"limit":{"rate":1,"per":"second"}},`+drop), true, false},
		{"what is out of place dropped", nft(open, match(`{"ct":{"key":"state"}}`, "in", `"invalid"`)+drop), true, false},
		{"what is new dropped", nft(open, match(`{"ct":{"key":"state"}}`, "in", `"new"`)+drop), true, true},
		{"what comes at an interface dropped", nft(open, iif+drop), true, true},
		{"all of TCP dropped", nft(open, match(`{"meta":{"key":"l4proto"}}`, "==", `"tcp"`)+drop), true, true},
		{"all of IPv6 dropped", nft(open, match(`{"meta":{"key":"nfproto"}}`, "==", `"ipv6"`)+drop), true, false},
		{"another chain drops", nft(open, `{"jump":{"target":"next"}}`), true, true},
		{"another chain at an interface", nft(open, `{"vmap":{"key":{"meta":{"key":"iif"}},"data":{"set":[["lo",{"accept":null}],["eth0",{"goto":{"target":"next"}}]]}}}`), true, true},
		{"another chain for one port", nft(open, match(`{"payload":{"protocol":"tcp","field":"dport"}}`, "==", "22")+`{"jump":{"target":"next"}}`), true, false},
		{"a chain that goes on to itself", nft(open, `{"jump":{"target":"in"}}`, `{"jump":{"target":"in"}}`), true, false},
		{"a chain for what goes out", nft(strings.Replace(closed, "input", "output", 1)), false, false},
		{"a chain of translation", nft(strings.Replace(closed, `"type":"filter"`, `"type":"nat"`, 1)), false, false},
		{"for IPv6 only", strings.ReplaceAll(nft(closed), `"inet"`, `"ip6"`), false, false},
		{"a table that is put to sleep", strings.Replace(nft(closed), `"name":"t"`, `"name":"t","flags":"dormant"`, 1), false, false},
		{"a statement of tomorrow", nft(open, `{"frobnicate":{}},`+drop), true, false},
	} {
		got := firewallsOf(t, "-- file usr/sbin/nft --\n-- run nft -j -t list ruleset --\n"+c.json+"\n")
		if want := [2]collect.Fact[bool]{collect.Known(c.asked), collect.Known(c.filters)}; got["nftables"] != want {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

func TestNftRecorded(t *testing.T) {
	h := hosttest.Load(t, "testdata/nft.txtar")
	p := gathered(t, h, firewallCollector(h)).Firewalls.Value[0]
	if p.Running != collect.Known(true) || p.Enabled != collect.Known(true) {
		t.Errorf("%+v", p)
	}
}

// TestIptables judges rules as iptables-save writes them.
func TestIptables(t *testing.T) {
	for rules, want := range map[string]bool{
		":INPUT ACCEPT [0:0]":                   false,
		":INPUT DROP [0:0]":                     true,
		":INPUT DROP [0:0]\n-A INPUT -j ACCEPT": false,
		":INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT":                                        true,
		":INPUT ACCEPT [0:0]\n-A INPUT -j REJECT --reject-with icmp-host-prohibited":                            true,
		":INPUT ACCEPT [0:0]\n-A INPUT -m comment --comment \"-j DROP all\" -j DROP":                            true,
		":INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.9/32 -j DROP":                                                 false,
		":INPUT ACCEPT [0:0]\n-A INPUT ! -s 192.0.2.0/24 -j DROP":                                               true,
		":INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate INVALID -j DROP":                                  false,
		":INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate NEW -j DROP":                                      true,
		":INPUT ACCEPT [0:0]\n-A INPUT ! -i lo -p tcp -m tcp ! --dport 22 -j DROP":                              true,
		":INPUT ACCEPT [0:0]\n-A INPUT -i lo -j DROP":                                                           false,
		":INPUT ACCEPT [0:0]\n-A INPUT -m limit --limit 5/min -j DROP":                                          false,
		":INPUT ACCEPT [0:0]\n:in - [0:0]\n-A INPUT -j LOG --log-prefix \"a b\"\n-A INPUT -g in\n-A in -j DROP": true,
		":INPUT ACCEPT [0:0]\n:f2b - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j f2b\n-A f2b -j DROP":    false,
		":INPUT ACCEPT [0:0]\n:in - [0:0]\n-A INPUT -j in\n-A in -j RETURN\n-A in -j DROP":                      false,
	} {
		got := firewallsOf(t, "-- run iptables-save -t filter --\n*nat\n:INPUT DROP [0:0]\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n"+rules+"\nCOMMIT\n")
		if got["iptables"] != [2]collect.Fact[bool]{collect.Known(true), collect.Known(want)} {
			t.Errorf("%s\n%+v", rules, got)
		}
	}
}

// TestFirewallsThatLookAfterIt: ufw is at work where its chains are, firewalld where its service is, and neither is
// switched on where the kernel drops nothing.
func TestFirewallsThatLookAfterIt(t *testing.T) {
	const (
		installed = "-- file usr/sbin/ufw --\n-- file usr/sbin/firewalld --\n-- file usr/sbin/nft --\n-- file proc/1/comm --\ninit\n"
		service   = "-- file proc/77/comm --\nfirewalld\n-- file proc/77/status --\nName:\tfirewalld\nUid:\t0\t0\t0\t0\n"
		of        = "-- file proc/77/comm --\nfirewalld\n-- file proc/77/status --\nName:\tfirewalld\nUid:\t1000\t1000\t1000\t1000\n"
		legacy    = "-- file proc/self/net/ip_tables_names --\nfilter\n-- run iptables-legacy-save -t filter --\n*filter\n:INPUT DROP [0:0]\n:ufw-user-input - [0:0]\nCOMMIT\n"
	)
	nftSays := func(json string) string { return "-- run nft -j -t list ruleset --\n" + json + "\n" }
	known := func(running, enabled bool) [2]collect.Fact[bool] {
		return [2]collect.Fact[bool]{collect.Known(running), collect.Known(enabled)}
	}
	for _, c := range []struct {
		what, recording      string
		kernel, ufw, daemons [2]collect.Fact[bool]
	}{
		{"all off", installed + nftSays(`{"nftables":[]}`), known(false, false), known(false, false), known(false, false)},
		{"firewalld runs and drops nothing", installed + service + nftSays(nft(`"type":"filter","hook":"input","policy":"accept"`)), known(true, false), known(false, false), known(true, false)},
		{"firewalld", installed + service + nftSays(nft(`"type":"filter","hook":"input","policy":"drop"`)), known(true, true), known(false, false), known(true, true)},
		{"somebody's program of that name", installed + of + nftSays(nft(`"type":"filter","hook":"input","policy":"drop"`)), known(true, true), known(false, false), known(false, false)},
		{"ufw in the older form", installed + legacy + nftSays(`{"nftables":[]}`), known(true, true), known(true, true), known(false, false)},
	} {
		got := firewallsOf(t, c.recording)
		if got["nftables"] != c.kernel || got["ufw"] != c.ufw || got["firewalld"] != c.daemons {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

// TestIPv6: a machine that is reached over IPv6 has to filter that, too.
func TestIPv6(t *testing.T) {
	const closed = `"type":"filter","hook":"input","policy":"drop"`
	four, six := strings.ReplaceAll(nft(closed), `"inet"`, `"ip"`), strings.ReplaceAll(nft(closed), `"inet"`, `"ip6"`)
	for _, c := range []struct {
		what, recording, address string
		want                     bool
	}{
		{"both, at once", nft(closed), "2001:db8::17/64", true},
		{"both, apart", `{"nftables":[` + inside(four) + "," + inside(six) + `]}`, "2001:db8::17/64", true},
		{"IPv4 alone", four, "2001:db8::17/64", false},
		{"IPv4 alone, with a private address", four, "fd00::17/64", false},
		{"IPv4 alone, without an address that leads anywhere", four, "fe80::17/64", true},
		{"IPv4 alone, on a machine that has no other", four, "192.0.2.17/24", true},
		{"IPv6 alone", six, "2001:db8::17/64", false},
	} {
		h := hosttest.Of(t, "-- file usr/sbin/nft --\n-- run nft -j -t list ruleset --\n"+c.recording+"\n")
		s := &collect.Snapshot{Adapters: collect.Known([]collect.Adapter{{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix(c.address)}}})}
		list, err := firewalls(t.Context(), h, s)
		if err != nil || list[0].Enabled != collect.Known(c.want) {
			t.Errorf("%s: %+v, %v", c.what, list, err)
		}
	}
	// In iptables the two are lists of their own.
	for programs, want := range map[string]bool{
		"-- run iptables-save -t filter --\n*filter\n:INPUT DROP [0:0]\n-- run ip6tables-save -t filter --\n*filter\n:INPUT DROP [0:0]\n":   true,
		"-- run iptables-save -t filter --\n*filter\n:INPUT DROP [0:0]\n-- run ip6tables-save -t filter --\n*filter\n:INPUT ACCEPT [0:0]\n": false,
		"-- run iptables-save -t filter --\n*filter\n:INPUT DROP [0:0]\n":                                                                   false,
	} {
		s := &collect.Snapshot{Adapters: collect.Known([]collect.Adapter{{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("2001:db8::17/64")}}})}
		list, err := firewalls(t.Context(), hosttest.Of(t, programs), s)
		if err != nil || list[0].Enabled != collect.Known(want) {
			t.Errorf("%s: %+v, %v", programs, list, err)
		}
	}
}

// inside takes the brackets off a ruleset.
func inside(ruleset string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(ruleset), `{"nftables":[`), "]}")
}

// TestFirewallThatCannotBeRead is never one that is off.
func TestFirewallThatCannotBeRead(t *testing.T) {
	h := hosttest.Of(t, "-- file usr/sbin/nft --\n-- run exit 1 nft -j -t list ruleset --\n-- run exit 1 nft -j list ruleset --\n")
	h.Privileged = false
	p := gathered(t, h, firewallCollector(h)).Firewalls.Value[0]
	if p.Enabled.State != collect.Unreadable || p.Running.State != collect.Unreadable || !strings.HasPrefix(p.Enabled.Why, "needs root: ") {
		t.Errorf("%+v", p)
	}
	h = hosttest.Of(t, "")
	if f := gathered(t, h, firewallCollector(h)).Firewalls; f.State != collect.Unreadable {
		t.Errorf("no program to ask: %+v", f)
	}
	h = hosttest.Of(t, "-- run nft -j -t list ruleset --\nnot json\n")
	if p := gathered(t, h, firewallCollector(h)).Firewalls.Value[0]; p.Enabled.State != collect.Unreadable {
		t.Errorf("not to be understood: %+v", p)
	}
}

func FuzzFirewallRules(f *testing.F) {
	f.Add([]byte(nft(`"type":"filter","hook":"input","policy":"accept"`, `{"jump":{"target":"in"}}`, `{"goto":{"target":"next"}}`)))
	f.Add([]byte("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT ! -i lo -m comment --comment \"a \\\" b\" -j DROP\nCOMMIT\n"))
	f.Fuzz(func(_ *testing.T, in []byte) {
		if r, err := parseNft(in); err == nil {
			for _, t := range r.tables {
				t.filters(ipv4)
				t.filters(ipv6)
			}
		}
		parseIptables(in, ipv6).filters(ipv6)
	})
}
