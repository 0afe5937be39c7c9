package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Device is a device as lists have it.
type Device struct {
	ID              string             `json:"device_id"`
	Status          Status             `json:"status"`
	Severity        Severity           `json:"severity"`
	Issues          Issues             `json:"issue"`
	Name            string             `json:"device_name"`
	HostName        string             `json:"host_name"`
	Nickname        string             `json:"nickname"`
	Type            string             `json:"device_type"`
	GroupName       string             `json:"group_name"`
	PublicIP        string             `json:"public_ip"`
	AgentVersion    string             `json:"agent_version"`
	Enrolled        Time               `json:"enrolled_at"`
	LastSeen        Time               `json:"last_seen"`
	LastReboot      Time               `json:"last_reboot"`
	RemediationLink string             `json:"remediation_link"`
	OS              OS                 `json:"os_info"`
	Networks        []Network          `json:"network_info"`
	Location        Location           `json:"geo_info"`
	User            User               `json:"user_info"`
	LinkedUser      LinkedUser         `json:"link_user"`
	Vulnerabilities VulnerabilityTotal `json:"cves"`
}

// Issues is how many issues a device has.
type Issues struct{ Total, Critical, Warning int }

// UnmarshalJSON takes the spellings of all calls.
func (i *Issues) UnmarshalJSON(data []byte) error {
	var n struct {
		Total     *int `json:"total_issue"`
		Totals    *int `json:"total_issues"`
		Critical  *int `json:"total_critical"`
		Criticals *int `json:"total_critical_issue"`
		Critical3 *int `json:"total_critical_issues"`
		Warning   *int `json:"total_warning"`
		Warnings  *int `json:"total_warning_issue"`
		Warning3  *int `json:"total_warning_issues"`
	}
	err := json.Unmarshal(data, &n)
	*i = Issues{first(n.Total, n.Totals), first(n.Critical, n.Criticals, n.Critical3), first(n.Warning, n.Warnings, n.Warning3)}
	return err
}

func first(values ...*int) int {
	for _, v := range values {
		if v != nil {
			return *v
		}
	}
	return 0
}

// OS is an operating system.
type OS struct {
	Family       string `json:"family"`
	Name         string `json:"name"`
	Version      Text   `json:"version"`
	Vendor       string `json:"vendor"`
	Architecture string `json:"architecture"`
	Type         string `json:"type"`
	ServicePack  Text   `json:"service_pack_version"`
	Language     Text   `json:"os_language"`
	PasswordSet  Text   `json:"user_password_set"` // 1, 0, or -1 where the agent could not tell
}

// Network is a network adapter. What the agent did not tell is "" or absent.
type Network struct {
	Description  string    `json:"description"`
	MAC          string    `json:"mac"`
	IPv4         Addresses `json:"ipv4"`
	IPv6         Addresses `json:"ipv6"`
	SubnetMask   string    `json:"subnet_mask"`
	Gateway      Addresses `json:"default_gateway"`
	DNS          Addresses `json:"dns_addresses"`
	MediaState   Text      `json:"media_state"`
	Enabled      Text      `json:"adapter_enabled"`
	DHCP         Text      `json:"dhcp_enabled"`
	DHCPServer   string    `json:"dhcp_server"`
	DHCPObtained Text      `json:"dhcp_obtained"`
	DHCPExpires  Text      `json:"dhcp_expires"`
}

// Location is where a device's public address is.
type Location struct {
	Country     string `json:"country"`
	CountryCode string `json:"country_code"`
	CountryName string `json:"country_name"`
	City        string `json:"city"`
	RegionName  string `json:"region_name"`
	RegionCode  Text   `json:"region_code"`
}

// User is who uses the machine.
type User struct {
	Name   string `json:"username"`
	Domain string `json:"domain"`
}

// LinkedUser is who another system, such as a NAC, says that the device belongs to.
type LinkedUser struct {
	Username string `json:"username"`
	Group    string `json:"group,omitempty"` // of the user
}

// VulnerabilityTotal is how many open vulnerabilities a device has.
type VulnerabilityTotal struct {
	Total int `json:"total"`
}

// DeviceFilter chooses devices. Several values in one member are alternatives; different members must all hold. The
// reference of the newest version has none; Muster honours it.
type DeviceFilter struct {
	Statuses   []Status   `json:"device_status,omitempty"`
	Severities []Severity `json:"severity,omitempty"`
	Types      []string   `json:"device_type,omitempty"` // desktop, laptop, server, vm, phone, tablet
	OS         []string   `json:"os,omitempty"`          // windows, mac, linux, ios, android
	Categories []string   `json:"category,omitempty"`    // the device has an issue in one of them
	// AgentStatuses are connected, disconnected, unseen, and out_of_date: older than the newest agent that the account
	// has on the same system.
	AgentStatuses []string `json:"agent_status,omitempty"`
	Groups        []string `json:"group_id,omitempty"`
	Products      []int64  `json:"product_ids,omitempty"` // installed: see App
	CVEs          []string `json:"cve_ids,omitempty"`
	// VulnerabilityLevels are those of OPSWATScore: the device has a vulnerability of one of them.
	VulnerabilityLevels []string `json:"vulnerability_severity,omitempty"`
}

// MarshalJSON spells statuses and severities as this call does.
func (f DeviceFilter) MarshalJSON() ([]byte, error) {
	type plain DeviceFilter
	p := plain(f)
	p.Statuses = respelt(f.Statuses, NonCompliant, "non_compliant")
	p.Severities = respelt(f.Severities, NoIssue, "no_issues")
	return json.Marshal(p)
}

func respelt[T comparable](list []T, from, to T) []T {
	out := make([]T, len(list))
	for i, v := range list {
		if v == from {
			v = to
		}
		out[i] = v
	}
	return out
}

// DevicesQuery chooses devices.
type DevicesQuery struct {
	Filter *DeviceFilter `json:"filter,omitempty"`
	// Search holds words that each begin a word of the device's names, users, numbers or addresses. Like Filter, it is
	// Muster's: the reference has neither in this call.
	Search string `json:"search,omitempty"`
	// Token is the position that the page before gave; "" is the beginning.
	Token string `json:"token"`
	Limit int    `json:"limit,omitempty"` // at most 50; 0 is 20
}

// DevicesPage is a part of the devices.
type DevicesPage struct {
	Devices []Device `json:"devices"`
	// NextToken is the position of the next page; "" if this was the last.
	NextToken string `json:"next_token"`
}

// Devices gives devices in the order of their enrolment: Get Devices v3.7.
func (c *Client) Devices(ctx context.Context, q DevicesQuery) (DevicesPage, error) {
	return fetch[DevicesPage](ctx, c, post("/v3.7/devices", q))
}

// AllDevices walks the devices from q.Token on. It misses none and repeats none, whatever changes meanwhile.
func (c *Client) AllDevices(ctx context.Context, q DevicesQuery) iter.Seq2[Device, error] {
	q.Limit = orDefault(q.Limit, maxPage)
	return byToken(q.Token, func(token string) ([]Device, string, error) {
		q.Token = token
		page, err := c.Devices(ctx, q)
		return page.Devices, page.NextToken, err
	})
}

// FoundDevice is a device as a search has it.
type FoundDevice struct {
	ID              string `json:"hwid"`
	Status          Status `json:"status"`
	HostName        string `json:"hostname"`
	Nickname        string `json:"nickname"`
	Type            string `json:"machine_type"`
	AgentVersion    string `json:"agent_version"`
	LastSeen        Time   `json:"last_seen"`
	TotalIssues     int    `json:"total_issue"`
	RemediationLink string `json:"remediation_link"`
	OS              OS     `json:"os_info"`
	User            User   `json:"user_info"`
}

// SearchQuery is what to search devices for.
type SearchQuery struct {
	Text  string // words, of 3 to 100 characters in all
	In    string // the fields to search, with commas between them; "" is all
	Page  int    // from 1
	Limit int    // at most 50; 0 is 10
}

// SearchPage is a part of what was found.
type SearchPage struct {
	Total   int           `json:"total_count"`
	Devices []FoundDevice `json:"results"`
}

// SearchDevices gives a page of the devices that a text fits: Search Devices v2.1.
func (c *Client) SearchDevices(ctx context.Context, q SearchQuery) (SearchPage, error) {
	v := url.Values{"q": {q.Text}, "in": {cmp.Or(q.In, "all")}}
	setInt(v, "page", q.Page)
	setInt(v, "limit", q.Limit)
	return fetch[SearchPage](ctx, c, get("/v2.1/devices/search", v))
}

// AllFound walks what a search finds, from q.Page on.
func (c *Client) AllFound(ctx context.Context, q SearchQuery) iter.Seq2[FoundDevice, error] {
	q.Limit = orDefault(q.Limit, maxPage)
	return byPage(q.Page, q.Limit, func(page int) ([]FoundDevice, error) {
		q.Page = page
		found, err := c.SearchDevices(ctx, q)
		return found.Devices, err
	})
}

// setText sets a parameter that has a value.
func setText(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func setInt(v url.Values, name string, value int) {
	if value != 0 {
		v.Set(name, strconv.Itoa(value))
	}
}

// ErrNoDevice is the error of a call that names no device.
var ErrNoDevice = errors.New("client: a device is named by its id or a MAC address, not by an empty text or dots")

// devicePath gives the path of a call on one device.
func devicePath(version, device, rest string) (string, error) {
	if device == "" || device == "." || device == ".." {
		return "", ErrNoDevice
	}
	return version + "/devices/" + url.PathEscape(device) + rest, nil
}

// isMAC reports whether a name of a device is a MAC address, in any writing: device ids never look like one.
func isMAC(device string) bool {
	digits := 0
	for _, r := range device {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'f', r >= 'A' && r <= 'F':
			digits++
		case r != ':' && r != '-' && r != '.':
			return false
		}
	}
	return digits == 12
}

// opt is how the version 2 calls are told what a device is named by.
func opt(device string) string {
	if isMAC(device) {
		return "0"
	}
	return "1"
}

// errMixed is the error of a batch that names devices in two ways.
var errMixed = errors.New("client: one call takes device ids or MAC addresses, not both")

// deviceList puts devices into the member of a version 2 batch that fits them.
func deviceList(devices []string, members map[string]any) (map[string]any, error) {
	macs := 0
	for _, d := range devices {
		if isMAC(d) {
			macs++
		}
	}
	switch {
	case len(devices) == 0:
		return nil, ErrNoDevice
	case macs == len(devices):
		members["MAC_list"] = devices
	case macs == 0:
		members["HWID_list"] = devices
	default:
		return nil, errMixed
	}
	return members, nil
}

// LinkUser says who a device, named by its id or a MAC address, belongs to: Link User v2.
func (c *Client) LinkUser(ctx context.Context, device string, user LinkedUser) error {
	path, err := devicePath("/v2", device, "/link_user")
	if err != nil {
		return err
	}
	k := write(path, user)
	k.query = url.Values{"opt": {opt(device)}}
	return c.settle(ctx, k)
}

// settle makes a call that answers with a result and a message.
func (c *Client) settle(ctx context.Context, k call) error {
	done, err := fetch[outcome](ctx, c, k)
	if err != nil {
		return err
	}
	return done.failure(k.name())
}

// RemediationLink gives the address of the page that tells a device's owner what to do: Get Remediation Link v3.
func (c *Client) RemediationLink(ctx context.Context, id string, kind IDKind) (string, error) {
	path, err := devicePath("/v3", id, "/remediation")
	if err != nil {
		return "", err
	}
	k := get(path, url.Values{"opt": {strconv.Itoa(int(kind))}})
	out, err := fetch[struct {
		Result int    `json:"result"`
		Link   string `json:"remediation_link"`
	}](ctx, c, k)
	switch {
	case err != nil:
		return "", err
	case out.Result == 1:
		return out.Link, nil
	case out.Result == -1:
		return "", &Error{Status: http.StatusOK, Code: codeOutOfLicence, Description: "The device is beyond the licence", Call: k.name()}
	default:
		return "", refused(k.name(), "Device not found")
	}
}
