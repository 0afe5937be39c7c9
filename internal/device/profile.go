package device

import (
	"encoding/json"
	"fmt"
	"time"

	fastjson "github.com/go-json-experiment/json"

	"muster/internal/posture"
)

// Profile is what lists and details show of a machine and no query asks for. It is stored with the device as JSON, so
// that a list need not open fifty reports: members may be added, never renamed.
type Profile struct {
	Vendor        string       `json:"vendor,omitempty"` // of the operating system, as the next four
	Architecture  string       `json:"architecture,omitempty"`
	Language      string       `json:"language,omitempty"`
	ServicePack   string       `json:"service_pack,omitempty"`
	Password      posture.Fact `json:"password,omitempty"` // a user password is set
	User          posture.User `json:"user,omitzero"`      // the first that the agent named
	Reboot        time.Time    `json:"reboot,omitzero"`
	Adapters      []Interface  `json:"adapters,omitempty"`
	PublicIP      string       `json:"public_ip,omitempty"` // where the report came from
	EngineVersion string       `json:"engine,omitempty"`    // of the library that inspects products
	Witness       Witness      `json:"witness,omitzero"`    // of a device without an agent
}

// Interface is one network adapter of a profile.
type Interface struct {
	Description  string       `json:"description,omitempty"`
	MAC          string       `json:"mac,omitempty"`
	IPv4         []string     `json:"ipv4,omitempty"`
	IPv6         []string     `json:"ipv6,omitempty"`
	SubnetMask   string       `json:"mask,omitempty"`
	Gateway      string       `json:"gateway,omitempty"`
	DNS          []string     `json:"dns,omitempty"`
	Connected    posture.Fact `json:"connected,omitempty"`
	Enabled      posture.Fact `json:"enabled,omitempty"`
	DHCP         posture.Fact `json:"dhcp,omitempty"`
	DHCPServer   string       `json:"dhcp_server,omitempty"`
	DHCPObtained time.Time    `json:"dhcp_obtained,omitzero"`
	DHCPExpires  time.Time    `json:"dhcp_expires,omitzero"`
}

// Pack gives the stored form.
func (p *Profile) Pack() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic("device: a profile cannot be encoded: " + err.Error())
	}
	return string(text)
}

// Profile reads the stored profile; one that never reported has an empty one. Of a device under a veil it gives what can be
// shown: see Privacy.
func (d *Device) Profile() (Profile, error) {
	var p Profile
	if d.PackedProfile != "" {
		err := fastjson.Unmarshal([]byte(d.PackedProfile), &p)
		if err != nil {
			return Profile{}, fmt.Errorf("reading a stored profile: %w", err)
		}
	}
	d.Veiled.show(&p)
	return p, nil
}
