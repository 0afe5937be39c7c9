package api

import (
	"bytes"
	"encoding/json"
	"strings"

	"muster/internal/device"
	"muster/internal/errs"
)

// detailVersions are those that answer for several devices at once.
var detailVersions = []version{v31, v32, v33, v34, v35, v36, v37, v38}

// deviceDetail is a device of details v3 to v3.8. Blocks that were not asked for are not there.
type deviceDetail struct {
	ID           string       `json:"device_id"`
	LinkedID     string       `json:"linked_id,omitempty"` // from v3.2
	Status       string       `json:"status"`
	StatusDetail statusDetail `json:"status_detail"`
	Severity     string       `json:"severity"`
	Issue        issueCounts  `json:"issue"`
	Group        string       `json:"group_name,omitempty"`
	AgentType    string       `json:"agent_type,omitempty"`
	Name         string       `json:"device_name,omitempty"`
	HostName     string       `json:"host_name,omitempty"` // from v3.8
	Nickname     string       `json:"nick_name,omitempty"`
	Type         string       `json:"device_type,omitempty"`
	AgentVersion string       `json:"agent_version,omitempty"`
	Engine       string       `json:"oesis_version,omitempty"`
	EnrolledAt   string       `json:"enrolled_at,omitempty"` // from v3.3
	LastSeen     string       `json:"last_seen,omitempty"`
	LastReboot   string       `json:"last_reboot,omitempty"` // from v3.1
	PublicIP     string       `json:"public_ip,omitempty"`
	UserIdentity string       `json:"user_identity,omitempty"`
	User         userInfo     `json:"user_info"`
	Link         string       `json:"remediation_link"`
	Linked       linkUser     `json:"link_user"`
	*systemInfo
	*reportBlocks
}

// systemInfo is the block system_info.
type systemInfo struct {
	OS      osInfo      `json:"os_info"`
	Network []adapterV3 `json:"network_info"`
}

// deviceV2 answers with one device and its products.
func (d *door) deviceV2(c *call) error {
	p := &c.params
	// opt says whether the path holds a hardware id (0) or a MAC address (1). It is checked and not needed: the value shows
	// what it is, and the other calls of v2 have the numbers the other way round.
	p.number("opt", inQuery, 0, 0, 1)
	if p.err != nil {
		return p.err
	}
	found, err := d.findDevice(c, strings.TrimSuffix(c.r.PathValue("value"), ".json"))
	if err != nil {
		return err
	}
	paint, err := d.newPainter(c, false)
	if err != nil {
		return err
	}
	know, err := d.knowledgeOf(c, found.ID)
	if err != nil {
		return err
	}
	item, err := paint.deviceV2(&found)
	if err != nil {
		return err
	}
	item.AgentType, item.deviceV21 = found.AgentType, paint.deviceV21(&found)
	c.answer(struct {
		deviceV2
		Applications []labelledProducts `json:"applications"`
	}{item, paint.labelledProducts(know)})
	return nil
}

// findDevice gives the device that a path names.
func (d *door) findDevice(c *call, value string) (device.Device, error) {
	sel, err := selectorOf(value)
	if err != nil {
		return device.Device{}, err
	}
	return d.Devices.Find(c.r.Context(), c.account.ID, sel)
}

// deviceV3 answers with one device.
func (d *door) deviceV3(c *call) error {
	want := readVerbose(&c.params, true)
	if c.params.err != nil {
		return c.params.err
	}
	found, err := d.findDevice(c, c.r.PathValue("value"))
	if err != nil {
		return err
	}
	paint, err := d.newPainter(c, true)
	if err != nil {
		return err
	}
	item, err := d.detail(c, paint, &found, want)
	if err != nil {
		return err
	}
	c.answer(item)
	return nil
}

// deviceDetails answers with those of some devices that there are. One that was named twice is there once.
func (d *door) deviceDetails(c *call) error {
	sels := readIDs(&c.params, c.version >= v32)
	want := readVerbose(&c.params, false)
	if c.params.err != nil {
		return c.params.err
	}
	found, err := d.findDevices(c, sels)
	if err != nil {
		return err
	}
	paint, err := d.newPainter(c, true)
	if err != nil {
		return err
	}
	// One device after the other is written, so that what is held at a time is bounded.
	out := bytes.NewBufferString("[")
	for i, one := range found {
		item, err := d.detail(c, paint, one, want)
		if err != nil {
			return err
		}
		text, err := json.Marshal(item)
		if err != nil {
			panic("api: answer cannot be encoded: " + err.Error())
		}
		if out.Len()+len(text) > maxAnswer {
			return errs.New(errs.TooLarge, "The answer would be larger than %d bytes: ask for fewer ids at a time", maxAnswer)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(text)
	}
	out.WriteByte(']')
	c.answerRaw(out.Bytes())
	return nil
}

// findDevices gives the devices that there are, each once, in the order in which they were named.
func (d *door) findDevices(c *call, sels []device.Selector) ([]*device.Device, error) {
	if len(sels) == 0 {
		return nil, nil
	}
	found, err := d.Devices.FindMany(c.r.Context(), c.account.ID, sels)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(found))
	out := make([]*device.Device, 0, len(found))
	for _, one := range found {
		if one != nil && !seen[one.ID] {
			seen[one.ID] = true
			out = append(out, one)
		}
	}
	return out, nil
}

// detail renders a device with the blocks that are wanted. Only for those its report and verdict are read.
func (d *door) detail(c *call, paint *painter, one *device.Device, want verbose) (*deviceDetail, error) {
	out, err := paint.detail(one, want.system)
	if err != nil || !want.report() {
		return out, err
	}
	know, err := d.knowledgeOf(c, one.ID)
	if err != nil {
		return nil, err
	}
	out.reportBlocks = paint.blocks(know, want)
	return out, nil
}

func (p *painter) detail(d *device.Device, system bool) (*deviceDetail, error) {
	profile, err := d.Profile()
	if err != nil {
		return nil, err
	}
	status := wordFor(detailStatuses, d.Cell.Status)
	out := &deviceDetail{
		ID: d.ID, LinkedID: p.from(v32, d.LinkedID), Status: status,
		StatusDetail: detailOf(d),
		Severity:     wordFor(detailSeverities, d.Cell.Severity), Issue: countIssues(d.Issues),
		Group: p.groups[d.Cell.Group], AgentType: d.AgentType, Name: shownName(d), HostName: p.from(v38, d.HostName),
		Nickname: shownName(d), Type: string(d.Type), AgentVersion: d.AgentVersion, Engine: profile.EngineVersion,
		EnrolledAt: p.from(v33, timestamp(d.EnrolledAt)), LastSeen: timestamp(d.SeenAt),
		LastReboot: p.from(v31, timestamp(profile.Reboot)), PublicIP: profile.PublicIP, UserIdentity: d.UserIdentity,
		User: userInfo{profile.User.Name, profile.User.Domain}, Link: p.link(d), Linked: linkUser(d.Link),
	}
	if system {
		out.systemInfo = &systemInfo{OS: renderOS(d, &profile), Network: renderAdaptersV3(profile.Adapters)}
	}
	return out, nil
}

// verbose says which blocks are wanted.
type verbose struct {
	system, categories, unclassified, mobile, processes, packages, patches, infection bool
}

// report says whether a block is wanted that only the last report has.
func (v verbose) report() bool {
	return v.categories || v.unclassified || v.mobile || v.processes || v.packages || v.patches || v.infection
}

// readVerbose reads the flags of the member verbose.
func readVerbose(p *params, categories bool) verbose {
	in := p.object("verbose")
	v := verbose{
		system:       in.flag("system_info", inBody, true),
		categories:   in.flag("categories", inBody, categories),
		unclassified: in.flag("unclassified", inBody, false),
		mobile:       in.flag("mobile_apps", inBody, false),
		processes:    in.flag("detected_processes", inBody, false),
		packages:     in.flag("detected_packages", inBody, false),
		patches:      in.flag("detected_patches", inBody, false),
	}
	// The reference shows the block infection and no flag for it. It comes with every block for which the report has to be
	// read anyway, unless the flag says otherwise.
	v.infection = in.flag("infection", inBody, v.report())
	return v
}
