package api

import (
	"net/http"

	"muster/internal/device"
	"muster/internal/page"
)

// The sizes of pages of lists of devices.
var (
	deviceLimitsV2     = limits{otherwise: 1, most: 50, refusal: http.StatusNotAcceptable, place: inQuery}
	deviceLimitsV3     = limits{otherwise: 1, most: 50, refusal: http.StatusBadRequest}
	deviceLimitsV31    = limits{otherwise: 20, most: 50, refusal: http.StatusBadRequest}
	deviceLimitsCursor = deviceLimitsV31
)

var (
	groupings = []spelling[device.Order]{
		{word: "none", means: device.ByEnrolment},
		// Device ids are in the order of enrolment.
		{word: "hwid", means: device.ByEnrolment},
		{word: "host", means: device.ByHostName},
		{word: "issues", means: device.ByIssues},
	}
	deviceDirections = []spelling[bool]{ // whether it goes down
		{word: "asc", means: false},
		{word: "desc", means: true},
		{word: "des", means: true},
	}
	deviceFields = []spelling[device.Order]{
		{word: "enrolled_at", means: device.ByEnrolment},
		{word: "device_name", means: device.ByHostName},
	}
)

// devicesV2 answers with a page of all devices.
func (d *door) devicesV2(c *call) error {
	p := &c.params
	number, limit := deviceLimitsV2.paged(p)
	q := device.Query{
		Order:      choice(p, "GroupBy", inQuery, groupings, device.ByEnrolment),
		Descending: choice(p, "order", inQuery, deviceDirections, true),
	}
	if p.err != nil {
		return p.err
	}
	list, err := d.devicePage(c, &q, number, limit)
	if err != nil {
		return err
	}
	paint, err := d.newPainter(c, false)
	if err != nil {
		return err
	}
	out := make([]deviceV2, len(list))
	for i := range list {
		if out[i], err = paint.deviceV2(&list[i]); err != nil {
			return err
		}
	}
	c.answer(out)
	return nil
}

// devicesPage answers with a page of the devices that pass a filter.
func (d *door) devicesPage(c *call) error {
	p, size := &c.params, deviceLimitsV31
	if c.version < v31 {
		size = deviceLimitsV3
	}
	number, limit := size.paged(p)
	f := readDeviceFilter(p)
	q := device.Query{Filter: f.Filter}
	in := p.object("sort")
	q.Order = choice(in, "field", inBody, deviceFields, device.ByEnrolment)
	q.Descending = choice(in, "order", inBody, deviceDirections, false)
	if p.err != nil {
		return p.err
	}
	var list []device.Device
	var err error
	switch {
	case !f.Nothing:
		list, err = d.devicePage(c, &q, number, limit)
	case number > 1:
		err = errPastEnd()
	}
	if err != nil {
		return err
	}
	out, err := d.listedDevices(c, list)
	if err == nil {
		c.answer(out)
	}
	return err
}

// devicePage reads a page by its number.
func (d *door) devicePage(c *call, q *device.Query, number, limit int) (list []device.Device, err error) {
	chosen := *q
	err = d.readPage(c, chosen, number, limit, func(w page.Window) (int, string, error) {
		var next string
		q.Window = w
		list, next, err = d.Devices.Select(c.r.Context(), c.account.ID, *q)
		return len(list), next, err
	})
	return list, err
}

// devicesCursor answers with the devices that pass a filter in the order of their enrolment, and where the next part of them
// begins.
func (d *door) devicesCursor(c *call) error {
	p := &c.params
	limit := deviceLimitsCursor.limit(p)
	f := readDeviceFilter(p)
	after := p.readCursor(c.name, f)
	if p.err != nil {
		return p.err
	}
	var list []device.Device
	var next string
	var err error
	if !f.Nothing {
		q := device.Query{Filter: f.Filter, Window: page.Window{After: after, Limit: limit}}
		list, next, err = d.Devices.Select(c.r.Context(), c.account.ID, q)
	}
	if err != nil {
		return err
	}
	out, err := d.listedDevices(c, list)
	if err != nil {
		return err
	}
	c.answer(struct {
		Next    string         `json:"next_token"`
		Devices []listedDevice `json:"devices"`
	}{cursor(c.name, f, next), out})
	return nil
}

// listedDevice is an entry of a list of v3 to v3.7.
type listedDevice struct {
	ID           string      `json:"device_id"`
	Severity     string      `json:"severity"`
	EnrolledAt   string      `json:"enrolled_at,omitempty"` // from v3.3
	Status       string      `json:"status"`
	Name         string      `json:"device_name,omitempty"`
	HostName     string      `json:"host_name,omitempty"` // from v3.6
	PublicIP     string      `json:"public_ip,omitempty"` // from v3.7
	Nickname     string      `json:"nickname,omitempty"`
	Type         string      `json:"device_type,omitempty"`
	LastSeen     string      `json:"last_seen,omitempty"`
	LastReboot   string      `json:"last_reboot,omitempty"` // from v3.1
	AgentVersion string      `json:"agent_version,omitempty"`
	Link         string      `json:"remediation_link"`
	Group        string      `json:"group_name,omitempty"`
	Issue        issueCounts `json:"issue"`
	// Muster does not ask where on earth a device is.
	Geo     struct{}    `json:"geo_info"`
	Network []adapterV3 `json:"network_info"`
	OS      osInfo      `json:"os_info"`
	CVEs    cveCount    `json:"cves"`
	Linked  linkUser    `json:"link_user"`
	User    userInfo    `json:"user_info"`
}

type cveCount struct {
	Total int `json:"total"`
}

func (d *door) listedDevices(c *call, list []device.Device) ([]listedDevice, error) {
	paint, err := d.newPainter(c, true)
	if err != nil {
		return nil, err
	}
	out := make([]listedDevice, len(list))
	for i := range list {
		if out[i], err = paint.listed(&list[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *painter) listed(d *device.Device) (listedDevice, error) {
	profile, err := d.Profile()
	return listedDevice{
		ID: d.ID, Severity: wordFor(listSeverities, d.Cell.Severity), EnrolledAt: p.from(v33, timestamp(d.EnrolledAt)),
		Status: wordFor(listStatuses, d.Cell.Status),
		Name:   shownName(d), HostName: p.from(v36, d.HostName), PublicIP: p.from(v37, profile.PublicIP), Nickname: shownName(d),
		Type: string(d.Type), LastSeen: timestamp(d.SeenAt), LastReboot: p.from(v31, timestamp(profile.Reboot)),
		AgentVersion: d.AgentVersion, Link: p.link(d), Group: p.groups[d.Cell.Group],
		Issue: countIssues(d.Issues), Network: renderAdaptersV3(profile.Adapters), OS: renderOS(d, &profile),
		CVEs: cveCount{d.Vulnerabilities}, Linked: linkUser(d.Link), User: userInfo{profile.User.Name, profile.User.Domain},
	}, err
}

// deviceV2 is an entry of a list of v2 to v2.3, and most of the details of v2 to v2.5.
type deviceV2 struct {
	ID        string `json:"hwid"`
	AgentType string `json:"agent_type,omitempty"` // from v2.2
	*deviceV21
	HostName     string      `json:"hostname,omitempty"`
	Nickname     string      `json:"nickname,omitempty"`
	AgentVersion string      `json:"agent_version,omitempty"`
	LastSeen     string      `json:"last_seen,omitempty"`
	Type         string      `json:"machine_type,omitempty"`
	Active       int         `json:"active"`
	Issues       int         `json:"total_issue"`
	User         userInfo    `json:"user_info"`
	OS           osInfo      `json:"os_info"`
	Network      []adapterV2 `json:"network_info"`
}

// deviceV21 is what lists have from v2.1 on, and details always.
type deviceV21 struct {
	Link           string `json:"remediation_link"`
	Status         int    `json:"status"`
	CriticalIssue  int    `json:"critical_issue"` // whether there is any
	CriticalIssues int    `json:"total_critical_issue"`
	Exempt         int    `json:"exempt"`
}

func (p *painter) deviceV2(d *device.Device) (deviceV2, error) {
	profile, err := d.Profile()
	out := deviceV2{
		ID: d.ID, AgentType: p.from(v22, d.AgentType), HostName: d.HostName, Nickname: shownName(d),
		AgentVersion: d.AgentVersion, LastSeen: timestamp(d.SeenAt), Type: string(d.Type), Active: boolNumber(p.active(d)),
		Issues: d.Issues.Total(), User: userInfo{profile.User.Name, profile.User.Domain}, OS: renderOS(d, &profile),
		Network: renderAdaptersV2(profile.Adapters),
	}
	if p.version >= v21 {
		out.deviceV21 = p.deviceV21(d)
	}
	return out, err
}

func (p *painter) deviceV21(d *device.Device) *deviceV21 {
	return &deviceV21{
		Link: p.link(d), Status: numberStatuses[d.Cell.Status], CriticalIssue: boolNumber(d.Issues.Critical > 0),
		CriticalIssues: d.Issues.Critical, Exempt: boolNumber(d.Exempted),
	}
}
