package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"muster/test/proof"
)

// machineReport is a report of Linux, as it is written in docs/agent-protocol.md. Members that do not apply there are not in
// it, nor those of neighbours and custom checks, which once does not show.
type machineReport struct {
	AgentType    string `json:"agent_type"`
	AgentVersion string `json:"agent_version"`
	DeviceName   string `json:"device_name"`
	UserIdentity string `json:"user_identity"`

	HostName   string    `json:"hostname"`
	HardwareID string    `json:"hardware_id"`
	MachineID  string    `json:"machine_id"`
	Serial     string    `json:"serial_number"`
	Domain     string    `json:"domain"`
	ScanTime   time.Time `json:"scan_time"`
	LocalUsers []struct {
		Name   string `json:"name"`
		Domain string `json:"domain"`
	} `json:"local_user"`
	SOH struct {
		OSInfo []struct {
			Family       string            `json:"family"`
			Name         string            `json:"name"`
			Version      string            `json:"version"`
			Build        string            `json:"build"`
			Vendor       string            `json:"vendor"`
			Architecture string            `json:"architecture"`
			Language     string            `json:"language"`
			Distribution string            `json:"distribution"`
			DeviceType   string            `json:"device_type"`
			Virtual      *string           `json:"virtual"`
			Adapters     []reportedAdapter `json:"network_adapter_info"`
			System       struct {
				Vendor string `json:"vendor"`
				Model  string `json:"model"`
				CPU    struct {
					Model  string `json:"model"`
					Cores  int    `json:"cores"`
					MaxMHz int    `json:"max_speed_mhz"`
				} `json:"cpu"`
				Memory struct {
					TotalMB     int64 `json:"total_memory_mb"`
					AvailableMB int64 `json:"available_memory_mb"`
				} `json:"memory"`
				Battery *struct {
					Percentage int  `json:"percentage"`
					Charging   bool `json:"is_charging"`
				} `json:"battery"`
				Uptime int64     `json:"device_up_time"`
				Booted time.Time `json:"last_reboot"`
			} `json:"system"`
		} `json:"os_info"`
		Collected []string `json:"collected"`
		Updates   *struct {
			Pending  int       `json:"pending"`
			Security int       `json:"security"`
			Checked  time.Time `json:"checked"`
		} `json:"updates"`
		PasswordSet *bool `json:"user_password_set"`
		ScreenLock  *struct {
			Enabled bool `json:"enabled"`
			After   int  `json:"after_seconds"`
		} `json:"screen_lock"`
		Applications []reportedApplication `json:"applications"`
		Threats      *struct {
			Scanned time.Time        `json:"scanned"`
			Found   []reportedThreat `json:"found"`
		} `json:"threats"`
		Processes []string `json:"processes"`
		Disks     []struct {
			Name    string `json:"name"`
			TotalMB int64  `json:"total_mb"`
			FreeMB  int64  `json:"free_mb"`
			System  bool   `json:"system"`
		} `json:"disks"`
		Unread []struct {
			Fact  string `json:"fact"`
			State string `json:"state"`
			Why   string `json:"why"`
		} `json:"unread"`
	} `json:"soh"`
}

type reportedApplication struct {
	Name        string    `json:"name"`
	Vendor      string    `json:"vendor"`
	Version     string    `json:"version"`
	Category    string    `json:"category"`
	PURL        string    `json:"purl"`
	Running     *bool     `json:"running"`
	Enabled     *bool     `json:"enabled"`
	Definitions time.Time `json:"definitions_date"`
	LastScan    time.Time `json:"last_scan"`
	Volumes     []struct {
		Name      string `json:"name"`
		Encrypted *bool  `json:"encrypted"`
		System    bool   `json:"system"`
	} `json:"volumes"`
}

type reportedThreat struct {
	Source   string    `json:"source"`
	Name     string    `json:"name"`
	File     string    `json:"file"`
	Hash     string    `json:"hash"`
	Found    time.Time `json:"found"`
	Existing *bool     `json:"existing"`
	Product  struct {
		Name string `json:"name"`
	} `json:"product"`
}

type reportedAdapter struct {
	MAC          string   `json:"mac"`
	PermanentMAC string   `json:"permanent_mac"`
	Description  string   `json:"description"`
	IPv4         []string `json:"ipv4"`
	IPv6         []string `json:"ipv6"`
	Masks        []struct {
		Mask string `json:"mask"`
	} `json:"subnet_masks"`
	Enabled    bool     `json:"adapter_enabled"`
	MediaState string   `json:"media_state"`
	Gateway    string   `json:"default_gateway"`
	DNS        []string `json:"dns_addresses"`
	DHCP       *bool    `json:"dhcp_enabled"`

	DHCPServer   string    `json:"dhcp_server"`
	DHCPObtained time.Time `json:"dhcp_obtained"`
	DHCPExpires  time.Time `json:"dhcp_expires"`
}

// unread gives why a fact is not in the report, "" if nothing is said about it.
func (r *machineReport) unread(fact string) string {
	for _, u := range r.SOH.Unread {
		if u.Fact == fact {
			return u.State + ": " + u.Why
		}
	}
	return ""
}

// once has the agent look at the machine, in a network, and gives the report that it would send.
func once(t *testing.T, in namespace) *machineReport {
	t.Helper()
	return onceBy(t, in.command("muster-agent", "once", "--json", "--settings", os.DevNull, "--state", t.TempDir())...)
}

// The report of this machine, for tests that do not change it.
var (
	looked sync.Once
	found  []byte
)

// ofMachine gives what the agent says of the machine as it is.
func ofMachine(t *testing.T) *machineReport {
	t.Helper()
	looked.Do(func() {
		found = rawReport(t, "muster-agent", "once", "--json", "--settings", os.DevNull, "--state", t.TempDir())
	})
	return parsed(t, found)
}

// onceBy has the agent look at the machine by a command line in which it is called muster-agent.
func onceBy(t *testing.T, line ...string) *machineReport {
	t.Helper()
	return parsed(t, rawReport(t, line...))
}

func parsed(t *testing.T, raw []byte) *machineReport {
	t.Helper()
	out := &machineReport{}
	read := json.NewDecoder(bytes.NewReader(raw))
	read.DisallowUnknownFields() // a member that is not written down above is one that no proof looks at
	if err := read.Decode(out); err != nil || len(out.SOH.OSInfo) != 1 {
		t.Fatalf("%v: this is no report: %s", err, raw)
	}
	return out
}

func rawReport(t *testing.T, line ...string) []byte {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i := range line {
		if line[i] == "muster-agent" {
			line[i] = self
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*proof.Limit)
	defer stop()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), runAs+"=muster-agent")
	var said proof.Buffer
	cmd.Stderr = &said
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", line, err, said.String())
	}
	return raw
}
