package app

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// inspection is what the last report says of the machine itself, and what its agent could not find out. The names of its
// members stay.
type inspection struct {
	Build    string           `json:"os_build,omitempty"`
	Virtual  *string          `json:"virtual,omitempty"` // the hypervisor, "" for none
	Hardware *hardwareView    `json:"hardware,omitempty"`
	Unread   []posture.Unread `json:"unread,omitempty"`
	// SeenBy is which machine saw one that has no agent.
	SeenBy *witnessView `json:"seen_by,omitempty"`
}

type witnessView struct {
	DeviceID string    `json:"device_id"`
	Adapter  string    `json:"adapter,omitempty"`
	At       time.Time `json:"at"`
}

// witness takes by whom a device was seen.
func (i *inspection) witness(d *device.Device) error {
	p, err := d.Profile()
	if err == nil && p.Witness.Device != "" && !d.Managed {
		i.SeenBy = &witnessView{p.Witness.Device, p.Witness.Adapter, p.Witness.At}
	}
	return err
}

type hardwareView struct {
	Vendor   string `json:"vendor,omitempty"`
	Model    string `json:"model,omitempty"`
	CPU      string `json:"cpu,omitempty"`
	Cores    int    `json:"cores,omitempty"`
	MaxMHz   int    `json:"max_mhz,omitempty"`
	MemoryMB int    `json:"memory_mb,omitempty"`
}

// inspect takes what a report says.
func (i *inspection) inspect(r *posture.Report) {
	h := &r.Hardware
	i.Build, i.Unread = r.OS.Build, r.Unread
	if h.Virtual != posture.NotReported {
		i.Virtual = &h.Hypervisor
	}
	v := hardwareView{h.Vendor, h.Model, h.CPU, h.Cores, h.MaxMHz, h.MemoryMB}
	if v != (hardwareView{}) {
		i.Hardware = &v
	}
}

// printMachine adds the lines about the machine.
func (i *inspection) printMachine(t *table) {
	if i.Build != "" {
		t.row("build", i.Build)
	}
	if i.Virtual != nil {
		t.row("virtual", cmp.Or(*i.Virtual, "no"))
	}
	if w := i.SeenBy; w != nil {
		t.row("seen on the network by", strings.TrimSuffix(w.DeviceID+" on "+w.Adapter, " on ")+", "+stamp(w.At))
	}
	h := i.Hardware
	if h == nil {
		return
	}
	if name := strings.TrimSpace(h.Vendor + " " + h.Model); name != "" {
		t.row("machine", name)
	}
	if h.CPU != "" || h.Cores != 0 {
		cores := ""
		if h.Cores != 0 {
			cores = fmt.Sprintf("%d cores", h.Cores)
		}
		t.row("processor", strings.Trim(h.CPU+", "+cores, ", "))
	}
	if h.MemoryMB != 0 {
		t.row("memory", fmt.Sprintf("%d MiB", h.MemoryMB))
	}
}

// printUnread adds the lines about what the agent could not read. What does not apply is no gap: its names are enough.
func (i *inspection) printUnread(t *table) {
	var moot []string
	for _, u := range i.Unread {
		if u.State == posture.NotApplicable {
			moot = append(moot, u.Fact)
			continue
		}
		t.row("could not be read", u.Fact+because("", u.Why))
	}
	if len(moot) > 0 {
		t.row("does not apply", strings.Join(moot, ", "))
	}
}
