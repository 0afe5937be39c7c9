package api

import (
	"net/http"
	"slices"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
)

// maxChangeAge is how far back changes can be asked for, and are by default, in seconds.
const maxChangeAge = 86400

// osTypes are the values of os_type in Status Change v2.1.
var osTypes = []spelling[[]posture.OSFamily]{
	{word: "win_or_mac", means: []posture.OSFamily{posture.Windows, posture.MacOS, ""}},
	{word: "linux_or_mobile", means: []posture.OSFamily{posture.Linux, posture.IOS, posture.Android}},
}

// changedV21 is one device in Status Change v2.1. Of one that is gone only the first three members are told.
type changedV21 struct {
	HWID     string         `json:"hwid"`
	MACs     *[]string      `json:"mac_addresses,omitempty"`
	MACs2    *[]string      `json:"mac_address,omitempty"` // what the table of the reference calls it
	Status   int            `json:"status"`
	Critical *int           `json:"critical_status,omitempty"`
	Total    *int           `json:"total_issue,omitempty"`
	Worst    *int           `json:"total_critical_issue,omitempty"`
	Issues   *[]policyIssue `json:"issues,omitempty"`
}

// maxChanged bounds an answer of Status Change v2.1, which has no pages. Beyond it the caller is told to ask for less: to
// leave devices out without a word would let them in, or keep them out.
const maxChanged = 50000

// changedPart is how many devices are read at once.
const changedPart = 500

// statusChangedV21 lists the devices whose status changed, or that came or went.
func (d *door) statusChangedV21(c *call) error {
	p := &c.params
	age := p.number("age", inQuery, maxChangeAge, 0, maxChangeAge)
	verbose := p.flag("verbose", inQuery, false)
	q := device.ChangeQuery{OS: choice(p, "os_type", inQuery, osTypes, osTypes[0].means)}
	if p.err != nil {
		return p.err
	}
	q.Since, q.Limit = d.Now().Add(-time.Duration(age)*time.Second), changedPart
	out := []changedV21{}
	for {
		list, next, err := d.Devices.Changes(c.r.Context(), c.account.ID, q)
		if err != nil {
			return err
		}
		for i := range list {
			one, err := d.renderChangedV21(c, &list[i], verbose)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		if q.After = next; next == "" {
			break
		}
		if len(out) >= maxChanged {
			return errs.New(errs.TooLarge, "age spans changes of more than %d devices: ask for a shorter time", maxChanged)
		}
	}
	c.answer(struct {
		Devices []changedV21 `json:"devices"`
	}{out})
	return nil
}

func (d *door) renderChangedV21(c *call, dev *device.Device, verbose bool) (changedV21, error) {
	out := changedV21{HWID: dev.ID, Status: statusNumber(dev.Cell.Status)}
	if dev.Lifecycle != device.Live {
		out.Status = statusNotFound
	}
	if !verbose || out.Status == statusNotFound {
		macs, err := d.macsOf(c, dev)
		if err != nil {
			return out, err
		}
		out.MACs, out.MACs2 = &macs, &macs
	}
	if out.Status == statusNotFound {
		return out, nil
	}
	critical, total := boolNumber(dev.Issues.Critical > 0), dev.Issues.Total()
	out.Critical, out.Total, out.Worst = &critical, &total, &dev.Issues.Critical
	if verbose {
		issues, err := d.issuesOf(c, dev, true)
		if err != nil {
			return out, err
		}
		out.Issues = &issues
	}
	return out, nil
}

// macsOf gives the addresses that a device has, or had last if it is gone and nothing else is known of it.
func (d *door) macsOf(c *call, dev *device.Device) ([]string, error) {
	out := []string{}
	profile, err := dev.Profile()
	if err != nil {
		return nil, err
	}
	for _, a := range profile.Adapters {
		if a.MAC != "" && !slices.Contains(out, a.MAC) {
			out = append(out, a.MAC)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	claims, err := d.Devices.Adapters(c.r.Context(), c.account.ID, dev.ID)
	for _, claim := range claims {
		if claim.Current {
			out = append(out, claim.MAC.String())
		}
	}
	return out, err
}

// changedV3 is one device in Status Change v3.
type changedV3 struct {
	ID           string        `json:"device_id"`
	Status       string        `json:"status"`
	StatusDetail statusDetail  `json:"status_detail"`
	Severity     string        `json:"severity"`
	Issue        issueCounts   `json:"issue"`
	GroupName    string        `json:"group_name"`
	Name         string        `json:"device_name,omitempty"`
	Nickname     string        `json:"nickname,omitempty"`
	Type         string        `json:"device_type,omitempty"`
	AgentVersion string        `json:"agent_version,omitempty"`
	LastSeen     string        `json:"last_seen,omitempty"`
	User         userInfo      `json:"user_info"`
	OS           osInfo        `json:"os_info"`
	Network      []adapterV3   `json:"network_info"`
	Issues       []policyIssue `json:"issues,omitempty"`
}

type statusDetail struct {
	Exempted int `json:"exempted"`
	Pending  int `json:"pending"`
}

// detailOf says more of a status: whether there is an exemption, and whether a verdict is outstanding or has not yet taken
// effect.
func detailOf(dev *device.Device) statusDetail {
	s := dev.Cell.Status
	outstanding := s == posture.StatusInstalled || s == posture.StatusPending || s == posture.StatusInGrace
	return statusDetail{boolNumber(dev.Exempted), boolNumber(outstanding)}
}

type deletedDevice struct {
	ID string `json:"device_id"`
}

// statusChangedV3 lists the same page by page, those that are gone apart.
func (d *door) statusChangedV3(c *call) error {
	p := &c.params
	age := p.number("age", inBody, maxChangeAge, 0, maxChangeAge)
	verbose := p.flag("verbose", inBody, false)
	pageNumber, limit := limits{otherwise: 20, most: 50, refusal: http.StatusNotAcceptable}.paged(p)
	if p.err != nil {
		return p.err
	}
	names, err := d.Devices.GroupNames(c.r.Context(), c.account.ID)
	if err != nil {
		return err
	}
	var list []device.Device
	q := device.ChangeQuery{Since: d.Now().Add(-time.Duration(age) * time.Second)}
	err = d.readPage(c, age, pageNumber, limit, func(w page.Window) (int, string, error) {
		q.Window = w
		var next string
		var err error
		list, next, err = d.Devices.Changes(c.r.Context(), c.account.ID, q)
		return len(list), next, err
	})
	if err != nil {
		return err
	}
	var answer struct {
		Monitored []changedV3     `json:"monitored_devices"`
		Deleted   []deletedDevice `json:"deleted_devices"`
	}
	answer.Monitored, answer.Deleted = []changedV3{}, []deletedDevice{}
	for i := range list {
		if list[i].Lifecycle != device.Live {
			answer.Deleted = append(answer.Deleted, deletedDevice{list[i].ID})
			continue
		}
		one, err := renderChangedV3(&list[i], names)
		if err != nil {
			return err
		}
		if verbose {
			one.Issues, err = d.issuesOf(c, &list[i], true)
			if err != nil {
				return err
			}
		}
		answer.Monitored = append(answer.Monitored, one)
	}
	c.answer(answer)
	return nil
}

func renderChangedV3(dev *device.Device, groups map[posture.GroupID]string) (changedV3, error) {
	profile, err := dev.Profile()
	return changedV3{
		ID: dev.ID, Status: wordFor(detailStatuses, dev.Cell.Status), StatusDetail: detailOf(dev),
		Severity: wordFor(detailSeverities, dev.Cell.Severity), Issue: countIssues(dev.Issues),
		GroupName: groups[dev.Cell.Group], Name: shownName(dev), Nickname: shownName(dev), Type: string(dev.Type),
		AgentVersion: dev.AgentVersion, LastSeen: timestamp(dev.SeenAt),
		User: userInfo{profile.User.Name, profile.User.Domain}, OS: renderOS(dev, &profile), Network: renderAdaptersV3(profile.Adapters),
	}, err
}
