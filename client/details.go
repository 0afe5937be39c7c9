package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
)

// DeviceDetail is a device with all that details tell. What was not asked for is absent.
type DeviceDetail struct {
	ID              string     `json:"device_id"`
	LinkedID        string     `json:"linked_id"`
	Status          Status     `json:"status"`
	Detail          Detail     `json:"status_detail"`
	Severity        Severity   `json:"severity"`
	Issues          Issues     `json:"issue"`
	GroupName       string     `json:"group_name"`
	AgentType       string     `json:"agent_type"`
	AgentVersion    string     `json:"agent_version"`
	EngineVersion   string     `json:"oesis_version"` // of the agent's library that inspects products
	Name            string     `json:"device_name"`
	HostName        string     `json:"host_name"`
	Nickname        string     `json:"nick_name"`
	Type            string     `json:"device_type"`
	Enrolled        Time       `json:"enrolled_at"`
	LastSeen        Time       `json:"last_seen"`
	LastReboot      Time       `json:"last_reboot"`
	PublicIP        string     `json:"public_ip"`
	Country         string     `json:"country"`
	User            User       `json:"user_info"`
	LinkedUser      LinkedUser `json:"link_user"`
	RemediationLink string     `json:"remediation_link"`
	OS              OS         `json:"os_info"`
	Networks        []Network  `json:"network_info"`
	// UserIdentity is what the user typed: a string, or an object.
	UserIdentity json.RawMessage `json:"user_identity"`

	Categories   []Category    `json:"categories"`
	Unclassified []Application `json:"unclassified"`
	MobileApps   []Application `json:"mobile_apps"`
	Processes    Processes     `json:"detected_processes"`
	Packages     Packages      `json:"detected_packages"`
	Patches      Patches       `json:"detected_patches"`
	// Infection is as the server sends it: its form depends on what scans the device.
	Infection json.RawMessage `json:"infection"`
}

// Detail is what a status does not tell.
type Detail struct {
	Exempted Flag `json:"exempted"`
	Pending  Flag `json:"pending"`
}

// Category is what a device has of one category.
type Category struct {
	ID     Text          `json:"category_id"`
	Issues Number        `json:"issue"`
	Apps   []Application `json:"apps"`
}

// Application is an installed product.
type Application struct {
	ID      Text     `json:"id"`
	Name    string   `json:"name"`
	Vendor  string   `json:"vendor"`
	Version Text     `json:"version"`
	Issues  Number   `json:"issue"`
	Health  []Health `json:"health_status"`
}

// Health is one thing that was looked at.
type Health struct {
	Status string `json:"status"`
	Issue  Number `json:"issue"`
	Log    string `json:"log"`
}

// Processes are what runs.
type Processes struct {
	Total int               `json:"total"`
	List  []json.RawMessage `json:"processes"` // names, or objects
}

// Packages are what a package manager installed.
type Packages struct {
	Total int               `json:"total"`
	List  []json.RawMessage `json:"packages"` // names, or objects
}

// Patches are the updates that a system lacks.
type Patches struct {
	Checked Time    `json:"timestamp"`
	Total   int     `json:"total"`
	List    []Patch `json:"patches"`
}

// Patch is an update that a system lacks.
type Patch struct {
	KB          string `json:"kb_name"`
	Title       Text   `json:"titles"`
	Description string `json:"description"`
	Category    string `json:"category"`
	Product     string `json:"product"`
	Vendor      string `json:"vendor"`
	Severity    string `json:"severity"`
	Released    Time   `json:"release_date"`
}

// MaxIDs is how many devices one call for details may name.
const MaxIDs = 50

// DetailsQuery names devices and what to tell of them besides the ordinary.
type DetailsQuery struct {
	IDs  []string // at most MaxIDs
	Kind IDKind
	// WithoutSystem leaves OS and Networks out.
	WithoutSystem bool
	Categories    bool
	Unclassified  bool // Windows and macOS
	MobileApps    bool // iOS and Android
	Processes     bool // Linux
	Packages      bool // Linux
	Patches       bool // Windows and macOS
}

// MarshalJSON gives the body of the call.
func (q DetailsQuery) MarshalJSON() ([]byte, error) {
	verbose := map[string]Flag{}
	for name, wanted := range map[string]bool{
		"categories": q.Categories, "unclassified": q.Unclassified, "mobile_apps": q.MobileApps,
		"detected_processes": q.Processes, "detected_packages": q.Packages, "detected_patches": q.Patches,
	} {
		if wanted {
			verbose[name] = true
		}
	}
	if q.WithoutSystem {
		verbose["system_info"] = false
	}
	return json.Marshal(struct {
		IDs     []string        `json:"ids"`
		Opt     IDKind          `json:"opt"`
		Verbose map[string]Flag `json:"verbose,omitempty"`
	}{q.IDs, q.Kind, verbose})
}

// DeviceDetails gives the devices that exist, which may be fewer than were named: Device Details v3.8.
func (c *Client) DeviceDetails(ctx context.Context, q DetailsQuery) ([]DeviceDetail, error) {
	if len(q.IDs) == 0 {
		return nil, ErrNoDevice
	}
	if len(q.IDs) > MaxIDs {
		return nil, fmt.Errorf("client: %d devices are more than the %d that one call may name; AllDeviceDetails makes several calls", len(q.IDs), MaxIDs)
	}
	return fetch[[]DeviceDetail](ctx, c, post("/v3.8/devices/detail", q))
}

// DeviceDetail gives one device. What is said of it besides the ordinary is as q says; its ids are not looked at.
func (c *Client) DeviceDetail(ctx context.Context, device string, q DetailsQuery) (DeviceDetail, error) {
	q.IDs = []string{device}
	list, err := c.DeviceDetails(ctx, q)
	if err != nil {
		return DeviceDetail{}, err
	}
	if len(list) == 0 {
		k := post("/v3.8/devices/detail", nil)
		return DeviceDetail{}, &Error{Status: http.StatusNotFound, Code: codeNotFound, Description: "Device not found", Call: k.name()}
	}
	return list[0], nil
}

// AllDeviceDetails gives the devices that exist of any number, MaxIDs with each call.
func (c *Client) AllDeviceDetails(ctx context.Context, q DetailsQuery) iter.Seq2[DeviceDetail, error] {
	return func(yield func(DeviceDetail, error) bool) {
		for part := range slices.Chunk(q.IDs, MaxIDs) {
			ask := q
			ask.IDs = part
			list, err := c.DeviceDetails(ctx, ask)
			if !handOut(list, err, yield) {
				return
			}
		}
	}
}

// DeviceInfo is how a device stands in each category.
type DeviceInfo struct {
	ID         string             `json:"device_id"`
	Status     Status             `json:"status"`
	Severity   Severity           `json:"severity"`
	Name       string             `json:"device_name"` // <private> where a setting hides it
	Categories []CategorySeverity `json:"categories"`
}

// CategorySeverity is the worst issue in a category.
type CategorySeverity struct {
	ID       Text     `json:"id"`
	Severity Severity `json:"severity"`
}

// InfoQuery names devices, and the categories to look at: all that apply if there are none.
type InfoQuery struct {
	IDs        []string
	Kind       IDKind
	Categories []string
}

// MarshalJSON gives the body of the call.
func (q InfoQuery) MarshalJSON() ([]byte, error) {
	body := map[string]any{"ids": q.IDs, "opt": q.Kind}
	if len(q.Categories) > 0 {
		body["select"] = map[string][]string{"categories": q.Categories}
	}
	return json.Marshal(body)
}

// DeviceInfo gives the devices that exist with their worst issues: Device Information v3.
func (c *Client) DeviceInfo(ctx context.Context, q InfoQuery) ([]DeviceInfo, error) {
	if len(q.IDs) == 0 {
		return nil, ErrNoDevice
	}
	return fetch[[]DeviceInfo](ctx, c, post("/v3/device_info", q))
}
