package gears

import (
	"net/netip"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/posture"
)

// network is how an adapter came by its addresses. Of the times the form is not known for certain.
type network struct {
	SubnetMasks  list[mask]    `json:"subnet_masks"`
	Gateway      list[address] `json:"default_gateway"`
	DNS          list[address] `json:"dns_addresses"`
	DHCPEnabled  flag          `json:"dhcp_enabled"`
	DHCPServer   list[address] `json:"dhcp_server"`
	DHCPObtained looseMoment   `json:"dhcp_obtained"`
	DHCPExpires  looseMoment   `json:"dhcp_expires"`
}

// mask is a subnet mask, in an object of its own or plain.
type mask text

func (mask) form() (int, jsontext.Kind) { return maxAddresses, '{' }

// UnmarshalJSONFrom reads either form.
func (m *mask) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '{' {
		return json.UnmarshalDecode(dec, (*text)(m))
	}
	var in struct {
		Mask text `json:"mask"`
	}
	err := json.UnmarshalDecode(dec, &in)
	*m = mask(in.Mask)
	return err
}

// fill puts what is known into the adapter; what is no address, such as N/A, is passed over.
func (n *network) fill(a *posture.Adapter) {
	for _, m := range n.SubnetMasks {
		if s := ipText(string(m)); s != "" && a.SubnetMask == "" {
			a.SubnetMask = s
		}
	}
	a.DNS = ipTexts(n.DNS)
	a.Gateway, a.DHCPServer = firstIP(n.Gateway), firstIP(n.DHCPServer)
	a.DHCP = posture.Fact(n.DHCPEnabled)
	a.DHCPObtained, a.DHCPExpires = n.DHCPObtained.Time, n.DHCPExpires.Time
}

func firstIP(l list[address]) string {
	if ips := ipTexts(l); len(ips) > 0 {
		return ips[0]
	}
	return ""
}

// ipTexts gives the addresses of a list. One text may hold several, with commas, semicolons or blanks between them.
func ipTexts(l list[address]) []string {
	var out []string
	for _, a := range l {
		for s := range strings.FieldsFuncSeq(string(a), isBetween) {
			if ip := ipText(s); ip != "" {
				out = append(out, ip)
			}
		}
	}
	return out
}

func isBetween(r rune) bool { return r == ',' || r == ';' || r == ' ' }

// ipText writes an address in the one usual way, and "" for what is none.
func ipText(s string) string {
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.IsUnspecified() {
		return ""
	}
	return ip.Unmap().WithZone("").String()
}
