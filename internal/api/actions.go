package api

import (
	"slices"
	"strconv"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// actionWord is an action as a call spells it, and the version from which it is known.
type actionWord struct {
	action device.Action
	from   version
}

// actions are the values of types in v3.
var actions = []spelling[actionWord]{
	{word: "exempt", means: actionWord{device.ActExempt, v3}},
	{word: "unexempt", means: actionWord{device.ActUnexempt, v3}},
	{word: "ignore", means: actionWord{device.ActIgnore, v3}},
	{word: "unignore", means: actionWord{device.ActUnignore, v3}},
	{word: "delete", means: actionWord{device.ActDelete, v3}},
	{word: "dhcprenew", means: actionWord{device.ActRenewDHCP, v3}},
	{word: "re-identify", means: actionWord{device.ActReidentify, v3}},
	{word: "assign_to_group", means: actionWord{device.ActAssignGroup, v3}},
	{word: "fetch_agent_log", means: actionWord{device.ActFetchLog, v31}},
	{word: "scan_threats", means: actionWord{device.ActScanThreats, v32}},
}

// actionsV2 are those of v2. A device is exempted as a whole: there is no exemption from some of its issues only.
var actionsV2 = []spelling[device.Action]{
	{word: "dhcprenew", means: device.ActRenewDHCP},
	{word: "exempt_critical", means: device.ActExempt},
	{word: "exempt_all", means: device.ActExempt},
	{word: "unexempt", means: device.ActUnexempt},
}

// actionV2 does one thing with one device. That there is none is told in the body of a 200.
func (d *door) actionV2(c *call) error {
	p := &c.params
	required(p, "types", inQuery)
	action := choice(p, "types", inQuery, actionsV2, device.ActUnexempt)
	p.number("opt", inQuery, 0, 0, 1) // the value shows what it is
	if p.err != nil {
		return p.err
	}
	found, err := d.findDevice(c, c.r.PathValue("value"))
	if errs.Is(err, errs.NotFound) {
		c.answer(result{Result: 0, Msg: "Device not found"})
		return nil
	}
	var outcome device.Outcome
	if err == nil {
		outcome, err = d.Devices.Act(c.r.Context(), c.account.ID, device.ActionRequest{
			Action: action, Device: device.Selector{ID: found.ID}, Actor: c.client,
		})
	}
	switch {
	case err != nil:
		return err
	case outcome.Result == device.ActionDone:
		c.answer(result{Result: 1, Msg: "OK"})
	case outcome.Result == device.ActionUnsupported:
		c.answer(result{Result: 0, Msg: "The device does not support this action"})
	default:
		c.answer(result{Result: 0, Msg: "The action could not be carried out"})
	}
	return nil
}

// actionsV2Batch does one thing with several devices.
func (d *door) actionsV2Batch(c *call) error {
	p := &c.params
	required(p, "types", inBody)
	// exempt_critical is for single devices only.
	table := []spelling[device.Action]{actionsV2[0], actionsV2[2], actionsV2[3]}
	action := choice(p, "types", inBody, table, device.ActUnexempt)
	p.number("opt", inBody, 0, 0, 1)
	list := p.readBatch("MAC_list", "HWID_list")
	if p.err != nil {
		return p.err
	}
	outcomes, err := d.act(c, list, device.ActionRequest{Action: action, Actor: c.client})
	if err != nil {
		return err
	}
	done := make([]int, len(outcomes))
	for i, o := range outcomes {
		done[i] = boolNumber(o.Result == device.ActionDone)
	}
	c.answer(batchResult{done})
	return nil
}

// actionsV3 does one thing with several devices.
func (d *door) actionsV3(c *call) error {
	p := &c.params
	required(p, "types", inBody)
	var table []spelling[actionWord]
	for _, s := range actions {
		if s.means.from <= c.version {
			table = append(table, s)
		}
	}
	request := device.ActionRequest{Action: choice(p, "types", inBody, table, actionWord{}).action, Actor: c.client}
	readActionParams(p.object("params"), &request)
	list := p.readBatch("macs", "ids")
	if p.err != nil {
		return p.err
	}
	outcomes, err := d.act(c, list, request)
	if err != nil {
		return err
	}
	if c.version < v31 {
		byID := make(map[string]int, len(outcomes))
		for i, o := range outcomes {
			byID[list.values[i]] = int(o.Result)
		}
		c.answer(byID)
		return nil
	}
	type actionStatus struct {
		ID        string `json:"id"`
		Status    int    `json:"status"`
		CommandID string `json:"command_id"`
	}
	out := make([]actionStatus, len(outcomes))
	for i, o := range outcomes {
		out[i] = actionStatus{list.values[i], int(o.Result), o.CommandID}
	}
	c.answer(out)
	return nil
}

// readActionParams reads those of all actions; each action takes what concerns it.
func readActionParams(p *params, r *device.ActionRequest) {
	r.ExemptFor = time.Duration(p.number("exempt_time", inBody, 0, 0, device.MaxExemptHours)) * time.Hour
	r.Group = readGroup(p, r.Action == device.ActAssignGroup)
	scan := readScan(p, r.Action == device.ActScanThreats)
	if r.Action == device.ActScanThreats {
		r.Scan = scan
	}
}

const (
	// maxScanParts is more than the parts that a scan can have, each named once.
	maxScanParts = 100
	// scanPath is the part of a scan that needs a path, and the last but one.
	scanPath, lastScanPart = 4, 5
)

// readScan reads what is to be scanned: everything, or parts. Which goes together is told only if it is going to be done.
func readScan(p *params, wanted bool) device.CommandParams {
	var scan device.CommandParams
	for _, part := range p.numbers("scan_types", maxScanParts, 0, lastScanPart) {
		if !slices.Contains(scan.ScanTypes, int(part)) {
			scan.ScanTypes = append(scan.ScanTypes, int(part))
		}
	}
	scan.FullScan = p.flag("full_scan", inBody, len(scan.ScanTypes) == 0)
	scan.Path, _ = p.text("path", inBody, device.MaxScanPath)
	switch {
	case !wanted:
	case scan.FullScan:
		return device.CommandParams{FullScan: true}
	case len(scan.ScanTypes) == 0:
		p.wrong("scan_types", "is required where full_scan is 0")
	case !slices.Contains(scan.ScanTypes, scanPath):
		scan.Path = ""
	case scan.Path == "":
		p.wrong("path", "is required where scan_types has %d", scanPath)
	}
	return scan
}

// readGroup reads a group's id. One that is no number is that of no group, which is told for each device.
func readGroup(p *params, wanted bool) posture.GroupID {
	text, ok := p.text("group_id", inBody, maxName)
	if !ok || !wanted || text == "default" {
		return posture.DefaultGroup
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return noGroup
	}
	return posture.GroupID(id)
}

// noGroup is the id of no group.
const noGroup posture.GroupID = 0

// act does the same with every device of a list.
func (d *door) act(c *call, list batch, request device.ActionRequest) ([]device.Outcome, error) {
	return forEach(list, func(sel device.Selector) (device.Outcome, error) {
		one := request
		one.Device = sel
		return d.Devices.Act(c.r.Context(), c.account.ID, one)
	})
}

// required notes a parameter that has to be there.
func required(p *params, name string, documented place) {
	if _, k := p.find(name, documented); k == absent {
		p.wrong(name, "is required")
	}
}
