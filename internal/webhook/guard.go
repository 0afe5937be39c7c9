package webhook

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"muster/internal/errs"
)

// Guard says which addresses webhooks may be sent to: those that the whole Internet shares, and the networks that the
// operator named. Without it, whoever may make a webhook could have the server call what only the server can reach.
type Guard struct {
	// Allowed are the networks that are not public and may be reached all the same.
	Allowed []netip.Prefix
}

// special are the parts of the address space that are not public, other than those that netip knows. Several of them hold
// services that hand credentials of the machine to whoever asks.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4",
	"168.63.129.16/32",           // a cloud's service for its machines, on an address that looks public
	"2001::/23",                  // Teredo, benchmarks, ORCHID …
	"2001:db8::/32", "2002::/16", // documentation; IPv4 in IPv6, which may lead anywhere
	"3fff::/20",
)

// global is the part of IPv6 that is given to networks. All else is special.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// Permits reports whether a webhook may be sent to an address.
func (g Guard) Permits(addr netip.Addr) bool { return g.Names(addr) || public(plain(addr)) }

// Names reports whether an address lies in a network that the operator named.
func (g Guard) Names(addr netip.Addr) bool { return within(g.Allowed, plain(addr)) }

// plain takes away what lets one address be written in several ways.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func within(networks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func public(addr netip.Addr) bool {
	if !addr.IsValid() || !addr.IsGlobalUnicast() || addr.IsPrivate() || within(special, addr) {
		return false
	}
	return addr.Is4() || global.Contains(addr)
}

// maxURL is how long an address may be, in bytes.
const maxURL = 2048

// CheckURL looks at an address before it is stored. What a name stands for is seen only when it is dialled. Invalid: it
// cannot be sent to.
func (g Guard) CheckURL(text string) error {
	bad := func(format string, args ...any) error { return errs.InvalidField("url", format, args...) }
	if len(text) > maxURL {
		return bad("url must have at most %d characters", maxURL)
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return bad("url must be an address such as https://receiver.example/hook")
	}
	if u.User != nil {
		return bad("url must not hold a user or password: they would be logged by others on the way")
	}
	if u.Fragment != "" {
		return bad("url must not have a part behind #: it is not sent")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return bad("url has no port that could be reached: 1 to 65535")
		}
	}
	return g.checkHost(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Scheme == "https")
}

func (g Guard) checkHost(host string, secure bool) error {
	addr, err := netip.ParseAddr(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		addr, err = netip.MustParseAddr("127.0.0.1"), nil
	}
	switch {
	case err == nil && !g.Permits(addr):
		return errs.InvalidField("url", "url leads to an address that is not public; the operator of the server may allow it with --webhook-allow-private")
	case !secure && (err == nil && !g.Names(addr) || len(g.Allowed) == 0):
		return errs.InvalidField("url", "url must begin with https://; plain http:// is for networks that the operator of the server allowed with --webhook-allow-private")
	default:
		return nil
	}
}
