package api

import (
	"muster/internal/errs"
	"muster/internal/posture"
)

// scanThreat is one find of the agent's own scan.
type scanThreat struct {
	Critical   int            `json:"critical"`
	ScanTime   string         `json:"scan_time,omitempty"`
	File       string         `json:"file"`
	Hash       string         `json:"hash"`
	ThreatName string         `json:"threat_name"`
	Details    []threatDetail `json:"details"`
}

// threatDetail is what one engine of a scan called it.
type threatDetail struct {
	ThreatName string `json:"threat_name"`
	AVName     string `json:"av_name"`
}

// localThreat is one find of the antimalware on the device.
type localThreat struct {
	ScanTime       string `json:"scan_time,omitempty"`
	Repeat         int    `json:"repeat"`
	File           string `json:"file"`
	ThreatName     string `json:"threat_name"`
	ProductName    string `json:"product_name"`
	ProductVendor  string `json:"product_vendor"`
	ProductVersion string `json:"product_version"`
	Action         string `json:"action"`
	Existing       int    `json:"existing"`
}

var threatLimits = limits{otherwise: 50, most: 50, refusal: 400, place: inQuery}

// threats lists the malware that was found on one device. A page holds as many entries of each of both lists.
func (d *door) threats(c *call) error {
	p := &c.params
	id := p.mustText("id", inBody, maxName)
	number, limit := threatLimits.paged(p)
	verbose := p.object("verbose")
	scans, locals := verbose.flag("antimalware_scan", inBody, true), verbose.flag("local_antimalware_threats", inBody, true)
	if p.err != nil {
		return p.err
	}
	report, err := d.reportOf(c, id)
	if err != nil {
		return err
	}
	var answer struct {
		Scan  *[]scanThreat  `json:"antimalware_scan,omitempty"`
		Local *[]localThreat `json:"local_antimalware_threats,omitempty"`
	}
	rest := 0
	if scans {
		list := scanThreats(report)
		part, _ := pageOf(list, number, limit)
		answer.Scan, rest = &part, len(part)
	}
	if locals {
		list := localThreats(report)
		part, _ := pageOf(list, number, limit)
		answer.Local, rest = &part, rest+len(part)
	}
	if number > 1 && rest == 0 {
		return errPastEnd()
	}
	c.answer(answer)
	return nil
}

func scanThreats(r *posture.Report) []scanThreat {
	out := []scanThreat{}
	for i := range r.Threats {
		t := &r.Threats[i]
		if t.Source != posture.ThreatScan {
			continue
		}
		s := scanThreat{
			Critical: boolNumber(t.Existing != posture.No), ScanTime: timestamp(t.Found), File: t.File, Hash: t.Hash,
			ThreatName: t.Name, Details: make([]threatDetail, len(t.Engines)),
		}
		for k, e := range t.Engines {
			s.Details[k] = threatDetail{e.Name, e.Engine}
		}
		out = append(out, s)
	}
	return out
}

func localThreats(r *posture.Report) []localThreat {
	out := []localThreat{}
	for i := range r.Threats {
		if t := &r.Threats[i]; t.Source == posture.ThreatLocal {
			out = append(out, localThreat{
				ScanTime: timestamp(t.Found), Repeat: t.Repeat, File: t.File, ThreatName: t.Name, ProductName: t.Product,
				ProductVendor: t.ProductVendor, ProductVersion: t.ProductVersion, Action: t.Action,
				Existing: boolNumber(t.Existing != posture.No),
			})
		}
	}
	return out
}

// reportOf gives the last report of a device that is named by its id or a MAC address; an empty one if it never reported.
func (d *door) reportOf(c *call, value string) (*posture.Report, error) {
	found, err := d.findDevice(c, value)
	if err != nil {
		return nil, err
	}
	report, _, err := d.Devices.LastReport(c.r.Context(), c.account.ID, found.ID)
	if errs.Is(err, errs.NotFound) {
		return &posture.Report{}, nil
	}
	return report, err
}
