package gears

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/device"
)

// privateMembers are the members of reports that hold something private, wherever they stand: those that are read, and
// names that agents give to the same thing, for what Muster does not know is kept as well.
var privateMembers = []struct {
	private func(device.Privacy) bool
	names   []string
}{
	{func(p device.Privacy) bool { return p.UserName }, []string{
		"user_identity", "local_user", "local_users", "user_info", "user_name", "username", "user", "users", "logged_in_user", "account_name",
	}},
	{func(p device.Privacy) bool { return p.HostName }, []string{
		"hostname", "host_name", "device_name", "nickname", "nick_name", "computer_name", "fqdn", "netbios_name",
	}},
	{func(p device.Privacy) bool { return p.PublicIP }, []string{"public_ip", "public_ip_address", "external_ip"}},
	{func(p device.Privacy) bool { return p.MACAddress }, []string{"mac", "permanent_mac", "mac_addr", "mac_address", "mac_addresses", "physical_address"}},
	{func(p device.Privacy) bool { return p.LocalIP }, []string{
		"ipv4", "ipv6", "ipv4_addr", "ipv6_addr", "ip", "ip_address", "ip_addresses", "local_ip", "subnet_masks", "subnet_mask",
		"default_gateway", "gateway", "dns_addresses", "dhcp_server",
	}},
	{func(p device.Privacy) bool { return p.Geolocation }, []string{
		"geo_info", "geolocation", "geo_location", "latitude", "longitude", "lat", "lng", "lon", "gps",
	}},
	{func(p device.Privacy) bool { return p.SerialNumber }, []string{"serial_number", "serial", "serial_no", "serialnumber"}},
}

// withoutPrivate gives the body of a report, which was read before, without what is private. What is left is read as the
// report without it. A body that cannot be rewritten is not kept at all.
func withoutPrivate(body []byte, p device.Privacy) []byte {
	names := make(map[string]bool)
	for _, m := range privateMembers {
		if m.private(p) {
			for _, name := range m.names {
				names[name] = true
			}
		}
	}
	var out bytes.Buffer
	w := rewriter{
		in:  jsontext.NewDecoder(bytes.NewReader(body), scanOptions...),
		out: jsontext.NewEncoder(&out, scanOptions...), drop: names, hideUser: p.UserName,
	}
	for {
		err := w.step()
		if err != nil {
			return []byte("{}")
		}
		if w.in.StackDepth() == 0 {
			return bytes.TrimRight(out.Bytes(), "\n")
		}
	}
}

// rewriter copies JSON, but for members of some names.
type rewriter struct {
	in       *jsontext.Decoder
	out      *jsontext.Encoder
	drop     map[string]bool
	hideUser bool
}

// step copies or drops the next name, value or bracket.
func (w *rewriter) step() error {
	kind, length := w.in.StackIndex(w.in.StackDepth())
	isName := kind == '{' && length%2 == 0 && w.in.PeekKind() == '"'
	token, err := w.in.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != '"' {
		return w.out.WriteToken(token)
	}
	text := token.String()
	if isName && w.drop[strings.ToLower(text)] {
		return w.in.SkipValue()
	}
	if !isName && w.hideUser {
		text = device.HideUser(text)
	}
	return w.out.WriteToken(jsontext.String(text))
}
