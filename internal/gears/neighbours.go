package gears

import (
	"bytes"
	"net/netip"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/device"
	"muster/internal/posture"
)

// neighbour is another machine that the agent saw on its network.
type neighbour struct {
	MAC     text `json:"mac"`
	IP      text `json:"ip"`
	Adapter text `json:"adapter"`
}

func (neighbour) form() (int, jsontext.Kind) { return maxNeighbours, '{' }

// aroundOf gives what a report says of other machines, nil for nothing, and the body without it: it is no part of what is
// stored of this one, and would make a small report a large one.
func aroundOf(body []byte, d *digested) (*device.Around, []byte) {
	if d.to == 0 {
		return nil, body
	}
	value := bytes.TrimLeft(body[d.from:d.to], " \t\r\n:")
	around := &device.Around{Set: d.set, Decode: func() ([]device.Neighbour, error) { return decodeNeighbours(value) }}
	without := make([]byte, 0, len(body))
	without = append(append(append(without, body[:d.from]...), ":null"...), body[d.to:]...)
	return around, without
}

// decodeNeighbours reads the list. A machine without an address that can be read is passed over, and so is what is no IP
// address.
func decodeNeighbours(value []byte) ([]device.Neighbour, error) {
	var in struct {
		SOH struct {
			Neighbours list[neighbour] `json:"neighbours"`
		} `json:"soh"`
	}
	// As a report, so that an error names the member by its place there.
	raw := append(append([]byte(`{"soh":{"neighbours":`), value...), "}}"...)
	if err := unmarshal(raw, &in); err != nil {
		return nil, err
	}
	out := make([]device.Neighbour, 0, len(in.SOH.Neighbours))
	for _, n := range in.SOH.Neighbours {
		mac, ok := posture.ParseMAC(string(n.MAC))
		if !ok {
			continue
		}
		ip, err := netip.ParseAddr(string(n.IP))
		if err != nil || ip.IsUnspecified() {
			ip = netip.Addr{}
		}
		out = append(out, device.Neighbour{MAC: mac, IP: ip.Unmap().WithZone(""), Adapter: string(n.Adapter)})
	}
	return out, nil
}
