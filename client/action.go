package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Action is what can be done with devices.
type Action string

// The actions.
const (
	// Exempt makes a device pass as exempted for ActionRequest.ExemptFor.
	Exempt   Action = "exempt"
	Unexempt Action = "unexempt"
	// Ignore hides a device that has no agent.
	Ignore   Action = "ignore"
	Unignore Action = "unignore"
	// Delete takes a device out; its agent is told to remove itself.
	Delete Action = "delete"
	// RenewDHCP has the agent renew the machine's address.
	RenewDHCP Action = "dhcprenew"
	// Reidentify has the agent ask its user who they are.
	Reidentify Action = "re-identify"
	// AssignGroup moves a device to ActionRequest.Group.
	AssignGroup Action = "assign_to_group"
	// FetchLog has the agent send its log, which Report gives then.
	FetchLog Action = "fetch_agent_log"
	// ScanThreats has the agent scan the machine as ActionRequest.Scan says.
	ScanThreats Action = "scan_threats"
)

// ActionRequest is one action on several devices, named by ids or by MAC addresses, not by both.
type ActionRequest struct {
	Action Action
	IDs    []string
	MACs   []string
	// ExemptFor is how long an exemption lasts, in whole hours, fewer than 65 000; 0 is for good.
	ExemptFor time.Duration
	Group     string // the id of one; "" is the default group
	Scan      *Scan  // nil: as the agent has it
}

// Scan says what is scanned for threats.
type Scan struct {
	Full bool
	// Parts are what a scan that is not full looks at.
	Parts []ScanPart
	// Path is for ScanPath.
	Path string
}

// ScanPart is a part of a machine.
type ScanPart int

// The parts.
const (
	ScanMemory       ScanPart = 0
	ScanSystemVolume ScanPart = 1
	ScanPortable     ScanPart = 2
	ScanOtherVolumes ScanPart = 3
	ScanPath         ScanPart = 4
	ScanBootRecords  ScanPart = 5
)

// ActionResult is what became of an action on one device.
type ActionResult struct {
	ID     string       `json:"id"` // as it was named
	Status ActionStatus `json:"status"`
	// CommandID names what the agent was asked for; Report gives its outcome. "" where there is none.
	CommandID Text `json:"command_id"`
}

// ActionStatus is whether an action was done.
type ActionStatus int

// The statuses.
const (
	ActionUnsupported ActionStatus = -1 // by a device of this kind
	ActionFailed      ActionStatus = 0  // there is no such device, mostly
	ActionDone        ActionStatus = 1  // or, where the agent has to do it, asked for
)

var errWholeHours = errors.New("client: an exemption lasts for whole hours, or 0 for good")

// MarshalJSON gives the body of the call.
func (r ActionRequest) MarshalJSON() ([]byte, error) {
	params := map[string]any{}
	if r.ExemptFor != 0 {
		params["exempt_time"] = int64(r.ExemptFor / time.Hour)
	}
	if r.Group != "" {
		params["group_id"] = r.Group
	}
	if r.Scan != nil {
		params["full_scan"] = Flag(r.Scan.Full)
		if len(r.Scan.Parts) > 0 {
			params["scan_types"] = r.Scan.Parts
		}
		if r.Scan.Path != "" {
			params["path"] = r.Scan.Path
		}
	}
	return json.Marshal(struct {
		Action Action         `json:"types"`
		IDs    []string       `json:"ids,omitempty"`
		MACs   []string       `json:"macs,omitempty"`
		Params map[string]any `json:"params,omitempty"`
	}{r.Action, r.IDs, r.MACs, params})
}

// Act does something with devices, and says of each whether it was done: Device Action v3.3.
func (c *Client) Act(ctx context.Context, r ActionRequest) ([]ActionResult, error) {
	switch {
	case len(r.IDs)+len(r.MACs) == 0:
		return nil, ErrNoDevice
	case len(r.IDs) > 0 && len(r.MACs) > 0:
		return nil, errMixed
	case r.ExemptFor < 0 || r.ExemptFor%time.Hour != 0:
		return nil, errWholeHours
	}
	return fetch[[]ActionResult](ctx, c, write("/v3.3/devices/action", r))
}

// DeleteMode says what becomes of what is known of a deleted device. Its agent is told to remove itself in any case.
type DeleteMode int

// The modes.
const (
	EraseData   DeleteMode = iota // the zero value, and the default of the API
	KeepDevice                    // it stays, as one without an agent
	ArchiveData                   // it goes, and what is known of it is kept
)

// number is the mode as the API has it.
func (m DeleteMode) number() (int, error) {
	switch m {
	case EraseData:
		return 1, nil
	case KeepDevice:
		return 0, nil
	case ArchiveData:
		return 2, nil
	default:
		return 0, fmt.Errorf("client: there is no DeleteMode %d", m)
	}
}

// DeleteDevice takes out a device, named by its id or a MAC address: Delete Device v2.2.
func (c *Client) DeleteDevice(ctx context.Context, device string, mode DeleteMode) error {
	path, err := devicePath("/v2.2", device, "/delete")
	if err != nil {
		return err
	}
	number, err := mode.number()
	if err != nil {
		return err
	}
	k := write(path, nil)
	k.query = url.Values{"opt": {strconv.Itoa(number)}}
	return c.settle(ctx, k)
}

// DeleteDevices takes out devices, named by ids or by MAC addresses, not by both, and says of each, in the same order,
// whether it was there: Delete Devices v2.
func (c *Client) DeleteDevices(ctx context.Context, devices []string, mode DeleteMode) ([]bool, error) {
	number, err := mode.number()
	if err != nil {
		return nil, err
	}
	body, err := deviceList(devices, map[string]any{"opt": number})
	if err != nil {
		return nil, err
	}
	k := write("/v2/devices/delete", body)
	out, err := fetch[struct {
		Result []Flag `json:"result"`
	}](ctx, c, k)
	if err != nil {
		return nil, err
	}
	if len(out.Result) != len(devices) {
		return nil, miscounted(&k, len(out.Result), len(devices))
	}
	deleted := make([]bool, len(devices))
	for i, done := range out.Result {
		deleted[i] = bool(done)
	}
	return deleted, nil
}

// miscounted is the error of a batch whose answer does not go with its request.
func miscounted(k *call, got, want int) error {
	return fmt.Errorf("client: %s: %d results for %d devices", k.name(), got, want)
}
