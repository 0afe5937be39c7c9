package api

import (
	"muster/internal/device"
	"muster/internal/posture"
)

// policyAnswer is Device Policy Check. Its first three members have no meaning any more.
type policyAnswer struct {
	PolicyName    string        `json:"policy_name"`
	User          string        `json:"user"`
	Location      string        `json:"location"`
	DeviceType    string        `json:"device_type"`
	OSType        string        `json:"os_type"`
	Status        int           `json:"status"`
	Total         int           `json:"total_issue"`
	TotalCritical int           `json:"total_critical_issue"`
	Critical      int           `json:"critical_status"`
	LastSeen      string        `json:"last_seen,omitempty"`
	Issues        []policyIssue `json:"issues"`
}

// policyIssue is one issue of a device. The members from Check on are there where details were asked for.
type policyIssue struct {
	Category    string `json:"category"`
	Critical    int    `json:"critical"`
	Desc        string `json:"desc"`
	Check       string `json:"check,omitempty"`
	Outcome     string `json:"outcome,omitempty"`
	Product     string `json:"product,omitempty"`
	Remediation string `json:"remediation,omitempty"`
}

// policyCheckOne says what the policy makes of one device, and why.
func (d *door) policyCheckOne(c *call) error {
	p := &c.params
	verbose := p.flag("verbose", inQuery, false)
	p.readKind(inQuery)
	if p.err != nil {
		return p.err
	}
	dev, err := d.findDevice(c, c.r.PathValue("value"))
	if err != nil {
		return err
	}
	out := policyAnswer{
		DeviceType: string(dev.Type), OSType: dev.OSName, Status: statusNumber(dev.Cell.Status), Total: dev.Issues.Total(),
		TotalCritical: dev.Issues.Critical, Critical: boolNumber(dev.Issues.Critical > 0), LastSeen: timestamp(dev.SeenAt),
	}
	out.Issues, err = d.issuesOf(c, &dev, verbose)
	if err != nil {
		return err
	}
	c.answer(out)
	return nil
}

// kindOfValue is what opt says of values in the calls of v2 that know three kinds of them.
type kindOfValue int64

const (
	valueMAC     kindOfValue = 0
	valueID      kindOfValue = 1
	valueNetwork kindOfValue = 3 // the name of a wireless network, by which Muster knows no device
)

// readKind reads opt. Where a value names a device, the value itself shows what it is.
func (p *params) readKind(documented place) kindOfValue {
	switch k := kindOfValue(p.number("opt", documented, 0, 0, 3)); k {
	case valueMAC, valueID, valueNetwork:
		return k
	default:
		p.wrong("opt", "must be 0, 1 or 3")
		return valueMAC
	}
}

// issuesOf gives the issues of a device, none if it never reported.
func (d *door) issuesOf(c *call, dev *device.Device, verbose bool) ([]policyIssue, error) {
	out := []policyIssue{}
	if dev.Issues.Total() == 0 {
		return out, nil
	}
	verdict, err := d.verdictOf(c, dev.ID)
	if err != nil {
		return nil, err
	}
	for i := range verdict.Issues {
		out = append(out, renderIssue(&verdict.Issues[i], verbose))
	}
	return out, nil
}

func renderIssue(i *posture.Issue, verbose bool) policyIssue {
	out := policyIssue{Category: categoryLabel(i.Category), Critical: boolNumber(i.Severity == posture.Critical), Desc: i.Evidence}
	if verbose {
		out.Check, out.Outcome, out.Product, out.Remediation = i.Check, string(i.Outcome), i.Product, i.Remediation
	}
	return out
}

// policyCheckMany says of each device that is named which status it has and whether it has critical issues.
func (d *door) policyCheckMany(c *call) error {
	p := &c.params
	p.readKind(inBody)
	list := p.readBatch("MAC_list", "HWID_list")
	if p.err != nil {
		return p.err
	}
	sels := make([]device.Selector, len(list.values))
	for i := range sels {
		sel, err := list.selector(list.values[i])
		if err == nil {
			sels[i] = sel
		}
	}
	found, err := d.Devices.FindMany(c.r.Context(), c.account.ID, sels)
	if err != nil {
		return err
	}
	answer := struct {
		Result   []int `json:"result"`
		Critical []int `json:"critical"`
	}{make([]int, len(found)), make([]int, len(found))}
	for i, dev := range found {
		answer.Result[i] = statusNotFound
		if dev != nil {
			answer.Result[i], answer.Critical[i] = statusNumber(dev.Cell.Status), boolNumber(dev.Issues.Critical > 0)
		}
	}
	c.answer(answer)
	return nil
}
