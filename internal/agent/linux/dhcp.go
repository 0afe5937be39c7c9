package linux

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent/collect"
)

// lease is what a DHCP client notes of an address.
type lease struct {
	adapter           string // "" where the file says which it is of
	address, server   netip.Addr
	obtained, expires time.Time // zero where they are not told
}

// clients are the DHCP clients of the machine, as far as their notes are where they always are.
type clients struct {
	machine
	leases []lease           // of dhclient and dhcpcd
	static map[string]string // how /etc/network/interfaces sets an adapter: static, dhcp …
}

// maxLeases bounds the files of leases that are looked at: there is one for each network that the machine was ever in.
const maxLeases = 200

func (m machine) dhcpClients() clients {
	c := clients{machine: m, static: map[string]string{}}
	for _, dir := range []string{"var/lib/dhcp", "var/lib/dhclient", "var/lib/NetworkManager"} {
		for _, name := range m.leaseFiles(dir, "dhclient") {
			if raw, err := m.ReadFile(name); err == nil {
				c.leases = append(c.leases, parseDhclient(raw)...)
			}
		}
	}
	for _, name := range m.leaseFiles("var/lib/dhcpcd", "") {
		info, err := fs.Stat(m.Files, name)
		raw, err2 := readStart(m.Host, name, 4096)
		if err != nil || err2 != nil {
			continue
		}
		// dhcpcd takes the time of its file for that of the lease.
		if l, ok := parseDhcpcd(raw, info.ModTime()); ok {
			l.adapter, _, _ = strings.Cut(strings.TrimSuffix(name[len("var/lib/dhcpcd/"):], ".lease"), "-") // eth0, or wlan0-name of the network
			c.leases = append(c.leases, l)
		}
	}
	files := []string{"etc/network/interfaces"}
	if more, err := fs.Glob(m.Files, "etc/network/interfaces.d/*"); err == nil {
		files = append(files, more[:min(len(more), maxLeases)]...)
	}
	for _, name := range files {
		if raw, err := m.ReadFile(name); err == nil {
			parseInterfaces(raw, c.static)
		}
	}
	return c
}

func (m machine) leaseFiles(dir, prefix string) []string {
	entries, err := fs.ReadDir(m.Files, dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if len(out) < maxLeases && e.Type().IsRegular() && strings.HasPrefix(name, prefix) &&
			(strings.HasSuffix(name, ".lease") || strings.HasSuffix(name, ".leases")) {
			out = append(out, dir+"/"+name)
		}
	}
	return out
}

// of says how an adapter came by its IPv4 address: by a lease that holds for it; or the kernel knows that it ends, as only
// those from leases do; or it does not, and whoever sets addresses here always tells the kernel of the end of a lease.
func (c clients) of(l *link, addresses []address) collect.Fact[collect.DHCP] {
	own, ends := map[netip.Addr]bool{}, false
	for _, a := range addresses {
		if a.settled && a.prefix.Addr().Is4() {
			own[a.prefix.Addr()] = true
			ends = ends || !a.permanent
		}
	}
	if len(own) == 0 {
		return collect.DoesNotApply[collect.DHCP]("the adapter has no IPv4 address")
	}
	leases, managed := c.ofManagers(l.index)
	for _, one := range c.leases {
		if one.adapter == l.name {
			leases = append(leases, one)
		}
	}
	for _, one := range slices.Backward(leases) { // the last is the newest
		if own[one.address] && (one.expires.IsZero() || one.expires.After(c.Now())) {
			return collect.Known(collect.DHCP{Enabled: true, Server: one.server, Obtained: one.obtained, Expires: one.expires})
		}
	}
	method := c.static[l.name]
	switch {
	case ends || method == "dhcp":
		return collect.Known(collect.DHCP{Enabled: true})
	case managed || method == "static":
		return collect.Known(collect.DHCP{})
	}
	return collect.CouldNotReadf[collect.DHCP]("no known DHCP client, nor another that sets addresses")
}

// ofManagers reads what systemd-networkd and NetworkManager note of an adapter, and whether one of them set it up.
func (c clients) ofManagers(index int) (leases []lease, managed bool) {
	n := strconv.Itoa(index)
	if raw, err := c.ReadFile("run/systemd/netif/links/" + n); err == nil {
		managed = parseAssignments(raw)["ADMIN_STATE"] == "configured"
	}
	if raw, err := c.ReadFile("run/systemd/netif/leases/" + n); err == nil {
		if l, ok := parseNetworkd(raw); ok {
			leases = append(leases, l)
		}
	}
	if raw, err := c.ReadFile("run/NetworkManager/devices/" + n); err == nil {
		sections := parseINI(raw)
		device := sections["device"]
		managed = managed || device["managed"] == "true" && device["connection-uuid"] != ""
		if l, ok := leaseOfNetworkManager(sections["dhcp4"]); ok {
			leases = append(leases, l)
		}
	}
	return leases, managed
}

// parseNetworkd reads a lease of systemd-networkd, which does not note when it was obtained.
func parseNetworkd(raw []byte) (lease, bool) {
	v := parseAssignments(raw)
	address, err := netip.ParseAddr(v["ADDRESS"])
	if err != nil {
		return lease{}, false
	}
	server, _ := netip.ParseAddr(v["SERVER_ADDRESS"]) // the zero Addr is one that is not told
	return lease{address: address, server: server}, true
}

// leaseOfNetworkManager reads the section of a lease. That NetworkManager puts its name before each option may be a slip, so
// that both forms are read.
func leaseOfNetworkManager(section map[string]string) (lease, bool) {
	v := make(map[string]string, len(section))
	for key, value := range section {
		v[strings.TrimPrefix(key, "dhcp4.")] = value
	}
	address, err := netip.ParseAddr(v["ip_address"])
	if err != nil {
		return lease{}, false
	}
	server, _ := netip.ParseAddr(v["dhcp_server_identifier"]) // the zero Addr is one that is not told
	l := lease{address: address, server: server}
	expiry, err := strconv.ParseInt(v["expiry"], 10, 40)
	if err == nil && expiry > 0 {
		l.expires = time.Unix(expiry, 0).UTC()
		if seconds, err := strconv.ParseUint(v["dhcp_lease_time"], 10, 32); err == nil {
			l.obtained = l.expires.Add(-time.Duration(seconds) * time.Second)
		}
	}
	return l, true
}

// parseDhclient reads the leases of dhclient(8), dhclient.leases(5): blocks of statements that end in semicolons.
func parseDhclient(raw []byte) []lease {
	var out []lease
	var l lease
	var seconds uint64
	inside := false
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "lease") && strings.HasSuffix(line, "{"):
			l, seconds, inside = lease{}, 0, true
			continue
		case line == "}" && inside:
			if inside = false; l.address.IsValid() && l.adapter != "" {
				if seconds > 0 && !l.expires.IsZero() {
					l.obtained = l.expires.Add(-time.Duration(seconds) * time.Second)
				}
				out = append(out, l)
			}
			continue
		case !inside:
			continue
		}
		statement, _, _ := strings.Cut(line, ";")
		f := strings.Fields(strings.TrimPrefix(statement, "option "))
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "interface":
			l.adapter = unquote(f[1])
		case "fixed-address":
			l.address, _ = netip.ParseAddr(f[1]) // the zero Addr is one that is not told
		case "dhcp-server-identifier":
			l.server, _ = netip.ParseAddr(f[1]) // see above
		case "dhcp-lease-time":
			seconds, _ = strconv.ParseUint(f[1], 10, 32) // 0 is one that is not told
		case "expire":
			l.expires = dhclientTime(f[1:])
		}
	}
	return out
}

// dhclientTime reads "2 2026/12/01 06:00:00" in UTC, or "epoch 1796104800"; "never" is no time.
func dhclientTime(f []string) time.Time {
	switch {
	case len(f) == 2 && f[0] == "epoch":
		if n, err := strconv.ParseInt(f[1], 10, 40); err == nil {
			return time.Unix(n, 0).UTC()
		}
	case len(f) == 3:
		if t, err := time.Parse("2006/01/02 15:04:05", f[1]+" "+f[2]); err == nil {
			return t
		}
	}
	return time.Time{}
}

// Of a DHCP message (RFC 2131, RFC 2132).
const (
	bootpYours  = 16 // where the address stands that was given
	bootpCookie = 236
	optionTime  = 51
	optionFrom  = 54
)

// parseDhcpcd reads the message that dhcpcd keeps as it got it.
func parseDhcpcd(raw []byte, at time.Time) (lease, bool) {
	if len(raw) < bootpCookie+4 || !bytes.Equal(raw[bootpCookie:bootpCookie+4], []byte{99, 130, 83, 99}) {
		return lease{}, false
	}
	l := lease{address: netip.AddrFrom4([4]byte(raw[bootpYours : bootpYours+4])), obtained: at.UTC().Truncate(time.Second)}
	for options := raw[bootpCookie+4:]; len(options) >= 2; {
		if options[0] == 0 {
			options = options[1:]
			continue
		}
		length := int(options[1])
		if options[0] == 255 || len(options) < 2+length {
			break
		}
		value := options[2 : 2+length]
		switch {
		case options[0] == optionFrom && length == 4:
			l.server = netip.AddrFrom4([4]byte(value))
		case options[0] == optionTime && length == 4:
			if seconds := binary.BigEndian.Uint32(value); seconds != 1<<32-1 { // for ever
				l.expires = l.obtained.Add(time.Duration(seconds) * time.Second)
			}
		}
		options = options[2+length:]
	}
	return l, !l.address.IsUnspecified()
}

// parseInterfaces reads how adapters are set in /etc/network/interfaces, interfaces(5).
func parseInterfaces(raw []byte, into map[string]string) {
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) == 4 && f[0] == "iface" && f[2] == "inet" {
			into[f[1]] = f[3]
		}
	}
}
