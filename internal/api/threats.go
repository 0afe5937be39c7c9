package api

import "muster/internal/posture"

// foundThreat is one find of the antimalware on the device. Device Details shows the same finds with other members.
type foundThreat struct {
	ScanTime       string `json:"scan_time,omitempty"`
	Repeat         int    `json:"repeat"`
	File           string `json:"file,omitempty"`
	ThreatName     string `json:"threat_name,omitempty"`
	ProductName    string `json:"product_name,omitempty"`
	ProductVendor  string `json:"product_vendor,omitempty"`
	ProductVersion string `json:"product_version,omitempty"`
	Action         string `json:"action,omitempty"`
	Existing       *int   `json:"existing,omitempty"`
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
	report, err := d.reportOn(c, id)
	if err != nil {
		return err
	}
	var answer struct {
		Scan  *[]scanThreat  `json:"antimalware_scan,omitempty"`
		Local *[]foundThreat `json:"local_antimalware_threats,omitempty"`
	}
	rest := 0
	if scans {
		list := scanThreats(report)
		part := pageOf(list, number, limit)
		answer.Scan, rest = &part, len(part)
	}
	if locals {
		list := foundThreats(report)
		part := pageOf(list, number, limit)
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
		if t := &r.Threats[i]; t.Source == posture.ThreatScan {
			out = append(out, scanThreatOf(t))
		}
	}
	return out
}

func foundThreats(r *posture.Report) []foundThreat {
	out := []foundThreat{}
	for i := range r.Threats {
		if t := &r.Threats[i]; t.Source == posture.ThreatLocal {
			out = append(out, foundThreat{
				timestamp(t.Found), t.Repeat, t.File, t.Name, t.Product, t.ProductVendor, t.ProductVersion, t.Action,
				factNumber(t.Existing),
			})
		}
	}
	return out
}

// reportOn gives the last report of a device that is named by its id or a MAC address; an empty one if it never reported.
func (d *door) reportOn(c *call, value string) (*posture.Report, error) {
	found, err := d.findDevice(c, value)
	if err != nil {
		return nil, err
	}
	return d.reportOf(c, found.ID)
}
