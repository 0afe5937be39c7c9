package api

import (
	"net/http"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// What lists and details show of a device in the same way.

// issueCounts has the union of the spellings that calls of the reference use for the same three numbers: clients are
// written against one call and used with another.
type issueCounts struct {
	Total          int `json:"total_issue"`
	Critical       int `json:"total_critical"`
	Warning        int `json:"total_warning"`
	CriticalIssue  int `json:"total_critical_issue"`
	WarningIssue   int `json:"total_warning_issue"`
	Issues         int `json:"total_issues"`
	CriticalIssues int `json:"total_critical_issues"`
	WarningIssues  int `json:"total_warning_issues"`
}

func countIssues(n device.Issues) issueCounts {
	return issueCounts{
		n.Total(), n.Critical, n.Warning,
		n.Critical, n.Warning,
		n.Total(), n.Critical, n.Warning,
	}
}

// linkUser is who an integrator linked to the device; {} for nobody.
type linkUser struct {
	Username string `json:"username,omitempty"`
	Group    string `json:"group,omitempty"`
}

// userInfo is the first user that the agent named; {} for none.
type userInfo struct {
	Username string `json:"username,omitempty"`
	Domain   string `json:"domain,omitempty"`
}

// osInfo is the same in all versions.
type osInfo struct {
	Family       string `json:"family,omitempty"`
	Name         string `json:"name,omitempty"`
	Version      string `json:"version,omitempty"`
	Vendor       string `json:"vendor,omitempty"`
	ServicePack  string `json:"service_pack_version,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	Language     string `json:"os_language,omitempty"`
	Password     string `json:"user_password_set"`
}

func renderOS(d *device.Device, p *device.Profile) osInfo {
	return osInfo{
		Family: wordFor(shownSystems, d.OSFamily), Name: d.OSName, Version: d.OSVersion,
		Vendor: p.Vendor, ServicePack: p.ServicePack, Architecture: p.Architecture, Language: p.Language,
		Password: [...]string{posture.NotReported: "-1", posture.No: "0", posture.Yes: "1"}[p.Password],
	}
}

// missing is what stands for an address that is not known: clients look for it.
const missing = "N/A"

// adapterV3 is an entry of network_info in v3 to v3.8.
type adapterV3 struct {
	Description  string `json:"description,omitempty"`
	MAC          string `json:"mac"`
	IPv4         string `json:"ipv4"`
	IPv6         string `json:"ipv6"`
	SubnetMask   string `json:"subnet_mask,omitempty"`
	MediaState   string `json:"media_state,omitempty"`
	DHCP         *int   `json:"dhcp_enabled,omitempty"`
	DHCPObtained string `json:"dhcp_obtained,omitempty"`
	DHCPExpires  string `json:"dhcp_expires,omitempty"`
	DHCPServer   string `json:"dhcp_server,omitempty"`
	Enabled      *int   `json:"adapter_enabled,omitempty"`
	Gateway      string `json:"default_gateway,omitempty"`
	DNS          string `json:"dns_addresses,omitempty"`
}

func renderAdaptersV3(list []device.Interface) []adapterV3 {
	out := make([]adapterV3, len(list))
	for i := range list {
		a := &list[i]
		out[i] = adapterV3{
			Description: a.Description, MAC: orMissing(a.MAC), IPv4: orMissing(first(a.IPv4)), IPv6: orMissing(first(a.IPv6)),
			SubnetMask: a.SubnetMask, MediaState: [...]string{posture.No: "disconnected", posture.Yes: "connected"}[a.Connected],
			DHCP: factNumber(a.DHCP), DHCPObtained: timestamp(a.DHCPObtained), DHCPExpires: timestamp(a.DHCPExpires),
			DHCPServer: a.DHCPServer, Enabled: factNumber(a.Enabled), Gateway: a.Gateway, DNS: strings.Join(a.DNS, ","),
		}
	}
	return out
}

// adapterV2 is an entry of network_info in v2 to v2.5.
type adapterV2 struct {
	MAC  string `json:"mac_addr"`
	IPv4 string `json:"ipv4_addr"`
	IPv6 string `json:"ipv6_addr"`
}

func renderAdaptersV2(list []device.Interface) []adapterV2 {
	out := make([]adapterV2, len(list))
	for i := range list {
		out[i] = adapterV2{MAC: list[i].MAC, IPv4: first(list[i].IPv4), IPv6: first(list[i].IPv6)}
	}
	return out
}

// first gives the first of some addresses: clients of the reference expect one for each adapter.
func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func orMissing(s string) string {
	if s == "" {
		return missing
	}
	return s
}

// The numbers that stand for no and yes.
var zero, one = 0, 1

// factNumber gives 0 or 1, nil where nothing is known.
func factNumber(f posture.Fact) *int {
	return [...]*int{posture.NotReported: nil, posture.No: &zero, posture.Yes: &one}[f]
}

func boolNumber(b bool) int {
	if b {
		return 1
	}
	return 0
}

// shownName is what people call a device.
func shownName(d *device.Device) string {
	if d.Name != "" {
		return d.Name
	}
	return d.HostName
}

// painter renders devices for one call.
type painter struct {
	version version
	pages   string // the address of the devices' own pages
	now     time.Time
	groups  map[posture.GroupID]string
}

// newPainter makes a painter; named is whether group names are wanted.
func (d *door) newPainter(c *call, named bool) (*painter, error) {
	p := &painter{version: c.version, pages: d.baseURL(c.r) + "/device/", now: d.Now()}
	if !named {
		return p, nil
	}
	var err error
	p.groups, err = d.Devices.GroupNames(c.r.Context(), c.account.ID)
	return p, err
}

func (d *door) baseURL(r *http.Request) string {
	if d.BaseURL == nil {
		return ""
	}
	return d.BaseURL(r)
}

func (p *painter) link(d *device.Device) string { return p.pages + d.ID }

// from gives a text only from a version on.
func (p *painter) from(v version, text string) string {
	if p.version < v {
		return ""
	}
	return text
}

// active reports whether the agent of a device has been heard of lately.
func (p *painter) active(d *device.Device) bool {
	return d.Managed && !d.SeenAt.IsZero() && p.now.Sub(d.SeenAt) <= device.ContactLost
}
