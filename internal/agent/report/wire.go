package report

import "time"

// The bodies of a registration and of a report, in the newest form of the protocol (docs/agent-protocol.md). Members that
// have no value are left out.

type registration struct {
	LicenseKey   string    `json:"license_key,omitempty"`
	GroupID      string    `json:"group_id,omitempty"`
	AgentVersion string    `json:"agent_version"`
	DeviceID     string    `json:"device_id,omitempty"`
	DeviceName   string    `json:"device_name,omitempty"`
	HostName     string    `json:"hostname,omitempty"`
	DeviceType   string    `json:"device_type,omitempty"`
	HardwareID   string    `json:"hardware_id,omitempty"`
	Serial       string    `json:"serial_number,omitempty"`
	Domain       string    `json:"domain,omitempty"`
	OS           osInfo    `json:"os"`
	Adapters     []adapter `json:"network_adapter_info"`
}

type body struct {
	AgentType    string     `json:"agent_type"`
	AgentVersion string     `json:"agent_version"`
	DeviceName   string     `json:"device_name,omitempty"`
	HostName     string     `json:"hostname,omitempty"`
	HardwareID   string     `json:"hardware_id,omitempty"`
	MachineID    string     `json:"machine_id,omitempty"`
	Serial       string     `json:"serial_number,omitempty"`
	Domain       string     `json:"domain,omitempty"`
	UserIdentity string     `json:"user_identity,omitempty"`
	ScanTime     *time.Time `json:"scan_time,omitempty"`
	LocalUsers   []user     `json:"local_user,omitempty"`
	SOH          health     `json:"soh"`
}

type health struct {
	OSInfo       []osInfo      `json:"os_info"`
	Collected    []string      `json:"collected"`
	Updates      *updates      `json:"updates,omitempty"`
	PasswordSet  *bool         `json:"user_password_set,omitempty"`
	ScreenLock   *screenLock   `json:"screen_lock,omitempty"`
	Applications []application `json:"applications"`
	Processes    []string      `json:"processes,omitempty"`
	Disks        []disk        `json:"disks,omitempty"`
	Patches      *patches      `json:"missing_patches,omitempty"`
	Threats      *threats      `json:"threats,omitempty"`
	Custom       []custom      `json:"custom_checks,omitempty"`
	Neighbours   []neighbour   `json:"neighbours,omitempty"`
	Unread       []Unread      `json:"unread,omitempty"`
}

type osInfo struct {
	Family       string    `json:"family"`
	Name         string    `json:"name,omitempty"`
	Version      string    `json:"version,omitempty"`
	Build        string    `json:"build,omitempty"`
	Vendor       string    `json:"vendor,omitempty"`
	Architecture string    `json:"architecture,omitempty"`
	Language     string    `json:"language,omitempty"`
	Distribution string    `json:"distribution,omitempty"`
	DeviceType   string    `json:"device_type,omitempty"`
	Virtual      *string   `json:"virtual,omitempty"`
	Adapters     []adapter `json:"network_adapter_info,omitempty"`
	System       *system   `json:"system,omitempty"`
}

type system struct {
	Vendor  string     `json:"vendor,omitempty"`
	Model   string     `json:"model,omitempty"`
	CPU     *cpu       `json:"cpu,omitempty"`
	Memory  *memory    `json:"memory,omitempty"`
	Battery *battery   `json:"battery,omitempty"`
	Uptime  int64      `json:"device_up_time,omitempty"` // seconds
	Booted  *time.Time `json:"last_reboot,omitempty"`
}

type cpu struct {
	Model  string `json:"model,omitempty"`
	Cores  int    `json:"cores,omitempty"`
	MaxMHz int    `json:"max_speed_mhz,omitempty"`
}

type memory struct {
	TotalMB     uint64 `json:"total_memory_mb"`
	AvailableMB uint64 `json:"available_memory_mb,omitempty"`
}

type battery struct {
	Percentage int  `json:"percentage"`
	Charging   bool `json:"is_charging"`
}

type adapter struct {
	MAC          string     `json:"mac"`
	PermanentMAC string     `json:"permanent_mac,omitempty"`
	Description  string     `json:"description"`
	IPv4         []string   `json:"ipv4"`
	IPv6         []string   `json:"ipv6"`
	Masks        []mask     `json:"subnet_masks,omitempty"`
	Enabled      bool       `json:"adapter_enabled"`
	MediaState   string     `json:"media_state"`
	Gateway      string     `json:"default_gateway,omitempty"`
	DNS          []string   `json:"dns_addresses,omitempty"`
	DHCP         *bool      `json:"dhcp_enabled,omitempty"`
	DHCPServer   string     `json:"dhcp_server,omitempty"`
	DHCPObtained *time.Time `json:"dhcp_obtained,omitempty"`
	DHCPExpires  *time.Time `json:"dhcp_expires,omitempty"`
}

type mask struct {
	Mask string `json:"mask"`
}

type user struct {
	Name   string `json:"name"`
	Domain string `json:"domain,omitempty"`
}

type application struct {
	Name        string     `json:"name"`
	Vendor      string     `json:"vendor,omitempty"`
	Version     string     `json:"version,omitempty"`
	Category    string     `json:"category,omitempty"`
	PURL        string     `json:"purl,omitempty"`
	Running     *bool      `json:"running,omitempty"`
	Enabled     *bool      `json:"enabled,omitempty"`
	Definitions *time.Time `json:"definitions_date,omitempty"`
	LastScan    *time.Time `json:"last_scan,omitempty"`
	Volumes     []volume   `json:"volumes,omitempty"`
}

type volume struct {
	Name      string `json:"name"`
	Encrypted *bool  `json:"encrypted,omitempty"`
	System    bool   `json:"system,omitempty"`
}

type updates struct {
	Pending  int        `json:"pending"`
	Security int        `json:"security"`
	Checked  *time.Time `json:"checked,omitempty"`
}

type screenLock struct {
	Enabled bool  `json:"enabled"`
	After   int64 `json:"after_seconds,omitempty"`
}

type disk struct {
	Name    string `json:"name"`
	TotalMB uint64 `json:"total_mb"`
	FreeMB  uint64 `json:"free_mb"`
	System  bool   `json:"system,omitempty"`
}

type patches struct {
	Checked *time.Time `json:"checked,omitempty"`
	Patches []patch    `json:"patches"`
}

type patch struct {
	KB       string     `json:"kb,omitempty"`
	Title    string     `json:"title,omitempty"`
	Product  string     `json:"product,omitempty"`
	Vendor   string     `json:"vendor,omitempty"`
	Severity string     `json:"severity,omitempty"`
	Category string     `json:"category,omitempty"`
	Released *time.Time `json:"released,omitempty"`
}

type threats struct {
	Scanned *time.Time `json:"scanned,omitempty"`
	Found   []threat   `json:"found"`
}

type threat struct {
	Source   string     `json:"source"`
	Name     string     `json:"name,omitempty"`
	File     string     `json:"file,omitempty"`
	Hash     string     `json:"hash,omitempty"`
	Found    *time.Time `json:"found,omitempty"`
	Severity string     `json:"severity,omitempty"`
	Action   string     `json:"action,omitempty"`
	Existing *bool      `json:"existing,omitempty"`
	Product  *product   `json:"product,omitempty"`
}

type product struct {
	Name string `json:"name"`
}

type custom struct {
	ID      string     `json:"id"`
	Outcome string     `json:"outcome"`
	Output  string     `json:"output,omitempty"`
	At      *time.Time `json:"at,omitempty"`
}

type neighbour struct {
	MAC     string `json:"mac"`
	IP      string `json:"ip,omitempty"`
	Adapter string `json:"adapter,omitempty"`
}
