package linux

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

const (
	dmi        = "sys/class/dmi/id/"
	deviceTree = "proc/device-tree/" // of machines without a firmware of the PC's kind
)

// hardware reads what the machine is.
func hardware(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "machine", Collect: func(ctx context.Context, s *collect.Snapshot) error {
		m := machine{h}
		s.Hardware.Vendor = collect.Of(m.maker("sys_vendor", "board_vendor"))
		s.Hardware.Model = collect.Of(m.model())
		s.Hardware.Battery = collect.Of(m.battery())
		s.Hardware.Virtual = collect.Of(m.virtual(ctx))
		s.Hardware.Type = m.deviceType(s.Hardware.Virtual, s.Hardware.Battery)
		return nil
	}}
}

// maker gives the first of some texts of the firmware that says something.
func (m machine) maker(names ...string) (string, error) {
	for _, name := range names {
		text, err := m.line(dmi + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if err == nil && common.IsSerial(text) {
			return text, nil
		}
	}
	return "", collect.NotApplicableError("the firmware does not say")
}

func (m machine) model() (string, error) {
	model, err := m.maker("product_name", "board_name")
	if err != nil {
		if text, err := m.line(deviceTree + "model"); err == nil && text != "" {
			return text, nil
		}
		return "", err
	}
	// Of this maker's laptops the name that people know is in the version.
	if vendor, err := m.line(dmi + "sys_vendor"); err == nil && vendor == "LENOVO" {
		if version, err := m.line(dmi + "product_version"); err == nil && common.IsSerial(version) && strings.HasPrefix(version, "Think") {
			return version, nil
		}
	}
	return model, nil
}

// chassis are the kinds of SMBIOS (DSP0134, 7.4.1) that say what a machine is.
var chassis = map[int]posture.DeviceType{
	3: posture.Desktop, 4: posture.Desktop, 5: posture.Desktop, 6: posture.Desktop, 7: posture.Desktop, 13: posture.Desktop,
	15: posture.Desktop, 16: posture.Desktop, 24: posture.Desktop, 35: posture.Desktop, 36: posture.Desktop,
	8: posture.Laptop, 9: posture.Laptop, 10: posture.Laptop, 14: posture.Laptop, 31: posture.Laptop, 32: posture.Laptop,
	30: posture.Tablet,
	17: posture.Server, 23: posture.Server, 25: posture.Server, 28: posture.Server, 29: posture.Server,
}

// chassisNames are the words of the device tree and of machine-info.
var chassisNames = map[string]posture.DeviceType{
	"desktop": posture.Desktop, "laptop": posture.Laptop, "convertible": posture.Laptop, "server": posture.Server,
	"tablet": posture.Tablet, "handset": posture.Phone, "vm": posture.VM, "container": posture.VM,
}

// profiles are the preferred power management profiles of ACPI (5.2.9.1).
var profiles = map[string]posture.DeviceType{
	"1": posture.Desktop, "2": posture.Laptop, "3": posture.Desktop, "4": posture.Server, "5": posture.Server, "7": posture.Server, "8": posture.Tablet,
}

// deviceType asks those who should know, the most trustworthy first: what is virtual is a VM; the administrator may have
// said it; then the firmware, and a battery that runs the machine.
func (m machine) deviceType(virtual collect.Fact[string], battery collect.Fact[collect.Battery]) collect.Fact[posture.DeviceType] {
	if name, ok := virtual.Get(); ok && name != "" {
		return collect.Known(posture.VM)
	}
	if raw, err := m.ReadFile("etc/machine-info"); err == nil {
		if t, ok := chassisNames[parseAssignments(raw)["CHASSIS"]]; ok {
			return collect.Known(t)
		}
	}
	if text, err := m.line(dmi + "chassis_type"); err == nil {
		if n, err := strconv.Atoi(text); err == nil && chassis[n] != "" {
			return collect.Known(chassis[n])
		}
	}
	if text, err := m.line(deviceTree + "chassis-type"); err == nil && chassisNames[text] != "" {
		return collect.Known(chassisNames[text])
	}
	if _, ok := battery.Get(); ok {
		return collect.Known(posture.Laptop)
	}
	if text, err := m.line("sys/firmware/acpi/pm_profile"); err == nil && profiles[text] != "" {
		return collect.Known(profiles[text])
	}
	if virtual.State != collect.IsKnown {
		return collect.Fact[posture.DeviceType]{State: virtual.State, Why: virtual.Why}
	}
	return collect.CouldNotReadf[posture.DeviceType]("neither the firmware nor a battery tells what kind of machine it is")
}

// supply is one power supply as /sys/class/power_supply has it.
type supply struct {
	kind, scope, status, online string
	percent                     int // -1 where it is not told
	full, now                   uint64
}

// battery reads the batteries that run the machine; those of mice and keyboards are their own.
func (m machine) battery() (collect.Battery, error) {
	entries, err := fs.ReadDir(m.Files, "sys/class/power_supply")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return collect.Battery{}, err
	}
	var all []supply
	for _, e := range entries {
		all = append(all, m.supply("sys/class/power_supply/"+e.Name()+"/"))
	}
	return together(all)
}

func (m machine) supply(dir string) supply {
	text := func(name string) string {
		line, err := m.line(dir + name)
		if err != nil {
			return "" // what is not told
		}
		return line
	}
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(text(name), 10, 40)
		if err != nil {
			return 0
		}
		return n
	}
	s := supply{kind: text("type"), scope: text("scope"), status: text("status"), online: text("online"), percent: -1}
	s.full = cmp.Or(number("energy_full"), number("charge_full"))
	s.now = cmp.Or(number("energy_now"), number("charge_now"))
	if n, err := strconv.Atoi(text("capacity")); err == nil && n >= 0 && n <= 100 {
		s.percent = n
	} else if s.full > 0 {
		s.percent = int(min(s.now*100/s.full, 100))
	}
	return s
}

// together makes one battery of several: by what each holds where all tell it, and else by their percentages.
func together(all []supply) (collect.Battery, error) {
	onMains, told := false, false
	for _, s := range all {
		if s.kind != "Battery" && s.online != "" {
			told, onMains = true, onMains || s.online == "1"
		}
	}
	out := collect.Battery{Charging: true}
	var full, now uint64
	count, sum, weighed := 0, 0, true
	for _, s := range all {
		if s.kind != "Battery" || s.scope == "Device" {
			continue
		}
		switch {
		case s.percent < 0:
			return collect.Battery{}, errors.New("the battery does not tell its charge")
		case s.status == "" || s.status == "Unknown":
			if !told {
				return collect.Battery{}, errors.New("the battery does not tell its state")
			}
			out.Charging = out.Charging && onMains
		case s.status == "Discharging":
			out.Charging = false
		}
		count, sum, full, now = count+1, sum+s.percent, full+s.full, now+s.now
		weighed = weighed && s.full > 0
	}
	if count == 0 {
		return collect.Battery{}, collect.NotApplicableError("the machine has no battery")
	}
	out.Percent = sum / count
	if weighed && count > 1 {
		out.Percent = int(min(now*100/full, 100))
	}
	return out, nil
}
