package windows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

// hardware collects the machine itself, from the table that its firmware left.
func (m *machine) hardware(_ context.Context, s *collect.Snapshot) error {
	f, err := m.firmware()
	power, powerErr := m.power()
	hw := &s.Hardware
	hw.Vendor = collect.Of(named(f.vendor, "maker", err))
	hw.Model = collect.Of(named(f.model, "model", err))
	s.Identity.Serial = collect.Of(named(f.serial, "serial number", err))
	s.Identity.HardwareID = collect.Of(m.hardwareID(f, err))
	hw.Virtual = collect.Of(m.hypervisor(f, err))
	hw.Type = collect.Of(m.deviceType(f, hw.Virtual.Value, power.Battery, err))
	hw.Battery = collect.Of(batteryOf(power, powerErr))
	return nil
}

func (m *machine) firmware() (firmware, error) {
	if m.h.Native == nil {
		return firmware{}, errNoCalls
	}
	raw, err := m.h.Native.Firmware()
	if err != nil {
		return firmware{}, err
	}
	return parseFirmware(raw)
}

func (m *machine) power() (host.Power, error) {
	if m.h.Native == nil {
		return host.Power{}, errNoCalls
	}
	return m.h.Native.Power()
}

// named gives a text of the firmware if it is one, and not what stands there where nobody filled it in.
func named(text, what string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if !common.IsSerial(text) {
		return "", collect.NotApplicableError("the firmware tells no " + what)
	}
	return text, nil
}

// hardwareID is made of the firmware's UUID. A machine that has none, or one that thousands have, is known by the id of the
// installed system. That the firmware cannot be read is another matter: a machine must not have one id today and another
// one tomorrow.
func (m *machine) hardwareID(f firmware, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if id, ok := common.HardwareID(f.uuid); ok {
		return id, nil
	}
	id, err := m.machineID()
	if err != nil {
		return "", fmt.Errorf("the firmware has no id of its own, and: %w", err)
	}
	return id, nil
}

// hypervisors by what their firmware says of maker and model, in systemd's names.
var hypervisors = []struct{ vendor, model, name string }{
	{"vmware", "", "vmware"},
	{"innotek", "", "oracle"},
	{"", "virtualbox", "oracle"},
	{"microsoft corporation", "virtual machine", "microsoft"},
	{"qemu", "", "qemu"},
	{"red hat", "", "kvm"},
	{"", "kvm", "kvm"},
	{"xen", "", "xen"},
	{"", "hvm domu", "xen"},
	{"amazon ec2", "", "amazon"},
	{"google", "google compute engine", "google"},
	{"parallels", "", "parallels"},
	{"nutanix", "ahv", "kvm"},
	{"openstack", "", "kvm"},
	{"digitalocean", "", "kvm"},
	{"hetzner", "vserver", "kvm"},
	{"alibaba cloud", "ecs", "kvm"},
	{"bochs", "", "bochs"},
	{"bhyve", "", "bhyve"},
	{"apple inc.", "apple virtualization", "apple"},
}

// hypervisor names what the machine runs on, "" for a physical one.
func (m *machine) hypervisor(f firmware, err error) (string, error) {
	// Written by the integration services of Hyper-V in its guests.
	_, guest := m.text(localMachine+`SOFTWARE\Microsoft\Virtual Machine\Guest\Parameters`, "VirtualMachineName")
	if guest == nil {
		return "microsoft", nil
	}
	if err != nil {
		return "", err
	}
	vendor, model := strings.ToLower(f.vendor), strings.ToLower(f.model)
	if vendor == "amazon ec2" && strings.HasSuffix(model, ".metal") {
		return "", nil
	}
	for _, h := range hypervisors {
		if strings.HasPrefix(vendor, h.vendor) && strings.Contains(model, h.model) {
			return h.name, nil
		}
	}
	return "", nil
}

// portable are the kinds of chassis of machines that people carry: portable, laptop, notebook, sub notebook, tablet,
// convertible, detachable.
var portable = []byte{8, 9, 10, 14, 30, 31, 32}

func (m *machine) deviceType(f firmware, virtual string, battery bool, err error) (posture.DeviceType, error) {
	switch {
	case virtual != "":
		return posture.VM, nil
	case err != nil:
		return "", err
	case m.isServer():
		return posture.Server, nil
	case slices.ContainsFunc(f.chassis, func(kind byte) bool { return slices.Contains(portable, kind) }):
		return posture.Laptop, nil
	case slices.Contains(f.chassis, 3), slices.Contains(f.chassis, 13): // desktop, all in one: with a UPS they have a battery too
		return posture.Desktop, nil
	case f.battery || battery:
		return posture.Laptop, nil
	default:
		return posture.Desktop, nil
	}
}

func batteryOf(p host.Power, err error) (collect.Battery, error) {
	switch {
	case err != nil:
		return collect.Battery{}, err
	case !p.Battery:
		return collect.Battery{}, collect.NotApplicableError("there is no battery")
	case p.Percent < 0:
		return collect.Battery{}, errors.New("the charge of the battery is not told")
	default:
		return collect.Battery{Percent: min(p.Percent, 100), Charging: p.Mains}, nil
	}
}

// cpu reads what Windows noted of the processors as it started: a key for each logical one. The speed is measured at every start,
// and never quite the same.
func (m *machine) cpu(context.Context) (collect.CPU, error) {
	const processors = localMachine + `HARDWARE\DESCRIPTION\System\CentralProcessor`
	all, err := m.subkeys(processors)
	if err != nil {
		return collect.CPU{}, err
	}
	model, err := m.text(processors+`\0`, "ProcessorNameString")
	if err != nil {
		return collect.CPU{}, err
	}
	speed, err := m.number(processors+`\0`, "~MHz")
	if err != nil {
		speed = 0 // it is not told
	}
	return collect.CPU{Model: collect.Plain(model), Cores: len(all), MaxMHz: int(min(speed, 100_000)+50) / 100 * 100}, nil
}
