package gears

import "github.com/go-json-experiment/json/jsontext"

// The bodies of a registration and of a report, as the generations of agents send them. They differ less in what they
// say than in where and under which name, so one set of types reads them all; decode.go picks what was said.

// body is a registration or a report.
type body struct {
	shared
	AgentType    text              `json:"agent_type"`
	AgentVersion text              `json:"agent_version"`
	DeviceName   text              `json:"device_name"`
	HostName     text              `json:"hostname"`
	DeviceID     text              `json:"device_id"`
	DeviceType   text              `json:"device_type"`
	GroupID      text              `json:"group_id"`
	UserIdentity loose             `json:"user_identity"`
	TransID      loose             `json:"trans_id"` // what an integrator's link put on a phone
	CustomID     loose             `json:"custom_id"`
	CoreVersion  text              `json:"core_version"`
	ScanTime     moment            `json:"scan_time"`
	OS           system            `json:"os"`      // of registrations
	OSInfo       list[system]      `json:"os_info"` // of the oldest agents
	Adapters     list[wireAdapter] `json:"network_adapter_info"`
	SOH          health            `json:"soh"`
}

// shared are the members that Muster's own agent puts beside `soh` or into it.
type shared struct {
	HardwareID      text            `json:"hardware_id"`
	MachineID       loose           `json:"machine_id"`
	HWID            text            `json:"hwid"`
	Domain          text            `json:"domain"`
	SerialNumber    text            `json:"serial_number"`
	LocalUsers      list[wireUser]  `json:"local_user"`
	UserInfo        list[wireUser]  `json:"user_info"`
	UserPasswordSet flag            `json:"user_password_set"`
	ScreenLock      screenLock      `json:"screen_lock"`
	Updates         updates         `json:"updates"`
	Collected       list[collected] `json:"collected"`
}

// health is the state of health.
type health struct {
	shared
	OSInfo       list[system] `json:"os_info"`
	System       hardware     `json:"system"`
	Applications applications `json:"applications"`
	findings
}

// system is an operating system, with what some agents flatten into it. The names with os_ are those of the oldest
// agents.
type system struct {
	Family         text              `json:"family"`
	OSFamily       text              `json:"os_family"`
	Name           text              `json:"name"`
	OSName         text              `json:"os_name"`
	Version        text              `json:"version"`
	OSVersion      text              `json:"os_version"`
	Vendor         text              `json:"vendor"`
	OSVendor       text              `json:"os_vendor"`
	Architecture   text              `json:"architecture"`
	OSArchitecture text              `json:"os_architecture"`
	Language       text              `json:"language"`
	OSLanguage     text              `json:"os_language"`
	ServicePack    text              `json:"service_pack"`
	SPVersion      text              `json:"sp_version"`
	OSSPVersion    text              `json:"os_sp_version"`
	Distribution   text              `json:"distribution"`
	Build          loose             `json:"build"`
	Virtual        hypervisor        `json:"virtual"`
	DeviceType     text              `json:"device_type"`
	SerialNumber   text              `json:"serial_number"`
	Adapters       list[wireAdapter] `json:"network_adapter_info"`
	Adapters2      list[wireAdapter] `json:"network_adapters"`
	LocalUsers     list[wireUser]    `json:"local_user"`
	PasswordSet    flag              `json:"user_password_set"`
	System         hardware          `json:"system"`
	// Nested is the same once more, one level down: agents for systems other than Linux do not flatten.
	Nested *system `json:"os"`
}

func (system) form() (int, jsontext.Kind) { return maxSystems, '{' }

// hardware is the state of the machine; the phone agents put the owner's settings here.
type hardware struct {
	Passcode   flag `json:"passcode"`
	Authentic  flag `json:"authentic"`
	Encryption struct {
		Internal flag `json:"internal"`
		External flag `json:"external"`
	} `json:"encryption"`
	LastReboot   looseMoment `json:"last_reboot"`
	SerialNumber text        `json:"serial_number"`
	machine
}

type wireAdapter struct {
	MAC         text          `json:"mac"`
	Description text          `json:"description"`
	IPv4        list[address] `json:"ipv4"`
	IPv6        list[address] `json:"ipv6"`
	Enabled     flag          `json:"adapter_enabled"`
	MediaState  text          `json:"media_state"`
	Permanent   loose         `json:"permanent_mac"`
	network
}

func (wireAdapter) form() (int, jsontext.Kind) { return maxAdapters, '{' }

type wireUser struct {
	Name     text `json:"name"`
	Username text `json:"username"`
	Domain   text `json:"domain"`
}

func (wireUser) form() (int, jsontext.Kind) { return maxUsers, '{' }

type screenLock struct {
	Enabled      flag  `json:"enabled"`
	AfterSeconds count `json:"after_seconds"`
}

type updates struct {
	Pending  count  `json:"pending"`
	Security count  `json:"security"`
	Checked  moment `json:"checked"`
}

// collected is the name of a category that the agent looked for.
type collected text

func (collected) form() (int, jsontext.Kind) { return maxCategories, '"' }

// UnmarshalJSON reads the name as a text.
func (c *collected) UnmarshalJSON(raw []byte) error { return (*text)(c).UnmarshalJSON(raw) }
