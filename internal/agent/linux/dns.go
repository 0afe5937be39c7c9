package linux

import (
	"errors"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"muster/internal/agent/collect"
)

// resolver is what the machine as a whole uses.
type resolver struct {
	servers  []netip.Addr
	resolved bool // by way of systemd-resolved, which knows servers of each adapter
	err      error
}

// resolver reads resolv.conf. Where that names a resolver on the machine itself, the servers behind it are in other files.
func (m machine) resolver() resolver {
	r := resolver{}
	raw, err := m.ReadFile("etc/resolv.conf")
	if err != nil {
		r.err = err
		if errors.Is(err, fs.ErrNotExist) {
			r.err = collect.NotApplicableError("the machine has no resolv.conf")
		}
		return r
	}
	r.servers = parseResolvConf(raw)
	if len(r.servers) == 0 {
		r.err = collect.NotApplicableError("the machine has no name servers set")
	}
	own := func(a netip.Addr) bool { return a.IsLoopback() }
	if len(r.servers) == 0 || !own(r.servers[0]) {
		return r
	}
	for _, file := range []string{"run/systemd/resolve/resolv.conf", "run/NetworkManager/no-stub-resolv.conf"} {
		raw, err := m.ReadFile(file)
		if err != nil {
			continue
		}
		r.servers, r.resolved = parseResolvConf(raw), strings.HasPrefix(file, "run/systemd")
		return r
	}
	return r // it may be a resolver of its own, that asks the roots
}

// dns gives the servers of an adapter: its own where systemd-resolved knows some, else those of the machine.
func (m machine) dns(r resolver, index int, inUse bool) collect.Fact[[]netip.Addr] {
	if !inUse {
		return collect.DoesNotApply[[]netip.Addr]("the adapter has no address that leads beyond its link")
	}
	if r.resolved {
		raw, err := m.ReadFile("run/systemd/resolve/netif/" + strconv.Itoa(index))
		if err == nil {
			if own := parseServers(parseAssignments(raw)["SERVERS"]); len(own) > 0 {
				return collect.Known(own)
			}
		}
		raw, err = m.ReadFile("run/systemd/netif/links/" + strconv.Itoa(index))
		if err == nil {
			if own := parseServers(parseAssignments(raw)["DNS"]); len(own) > 0 {
				return collect.Known(own)
			}
		}
	}
	return collect.Of(r.servers, r.err)
}

// maxServers is more than any resolver asks.
const maxServers = 16

// parseResolvConf gives the name servers, in their order.
func parseResolvConf(raw []byte) []netip.Addr {
	var out []netip.Addr
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(out) == maxServers {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			out = append(out, a.WithZone(""))
		}
	}
	return out
}

// parseServers reads servers as systemd notes them: ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, ADDRESS%ADAPTER or ADDRESS#NAME.
func parseServers(list string) []netip.Addr {
	var out []netip.Addr
	for word := range strings.FieldsSeq(list) {
		word, _, _ = strings.Cut(word, "#")
		word, _, _ = strings.Cut(word, "%")
		a, err := netip.ParseAddr(word)
		if err != nil {
			port, err := netip.ParseAddrPort(word)
			if err != nil {
				continue
			}
			a = port.Addr()
		}
		if len(out) < maxServers {
			out = append(out, a)
		}
	}
	return out
}
