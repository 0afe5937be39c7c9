package macos

import (
	"context"
	"errors"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

// hardware collects the machine itself.
func (m *machine) hardware(ctx context.Context, s *collect.Snapshot) error {
	// Of a name that it does not know sysctl says so and ends with 1, but prints the others.
	out, err := m.h.Run(ctx, "sysctl", "hw.model", "hw.optional.arm64", "kern.hv_vmm_present")
	var exit *host.ExitError
	if errors.As(err, &exit) && len(out) > 0 {
		err = nil
	}
	all := values(out)
	model := all["hw.model"]
	if err == nil && model == "" {
		err = errors.New("sysctl does not tell the model")
	}
	hw := &s.Hardware
	hw.Vendor = collect.Known("Apple Inc.")
	hw.Model = collect.Of(model, err)
	hw.Battery = collect.Of(m.battery(ctx))
	hw.Virtual = collect.Of(hypervisor(model, all["kern.hv_vmm_present"], err))
	hw.Type = deviceType(model, hw.Virtual, hw.Battery)
	s.OS.Architecture = collect.Of(architecture(all, err))
	return nil
}

// architecture is that of the machine: the agent may be of another, which macOS then translates.
func architecture(all map[string]string, err error) (string, error) {
	if err == nil && all["hw.optional.arm64"] == "1" {
		return "arm64", nil
	}
	return "amd64", err // Macs with a processor by Intel do not know that name
}

// hypervisor names what the system runs in, "" for a Mac. present is 1 in a virtual machine; macOS before 11 does not know it.
func hypervisor(model, present string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	for prefix, name := range map[string]string{"VMware": "vmware", "Parallels": "parallels", "VirtualMac": "apple", "VirtualBox": "oracle"} {
		if strings.HasPrefix(model, prefix) {
			return name, nil
		}
	}
	switch present {
	case "0":
		return "", nil
	case "1":
		return "vm-other", nil // as systemd says of one that it does not know
	default:
		return "", errors.New("macOS does not tell whether it runs in a virtual machine")
	}
}

// deviceType: the models of today do not tell any more what is a MacBook; but each of those has a battery.
func deviceType(model string, virtual collect.Fact[string], battery collect.Fact[collect.Battery]) collect.Fact[posture.DeviceType] {
	switch {
	case virtual.State == collect.IsKnown && virtual.Value != "":
		return collect.Known(posture.VM)
	case strings.HasPrefix(model, "MacBook"), battery.State == collect.IsKnown:
		return collect.Known(posture.Laptop)
	case virtual.State != collect.IsKnown:
		return collect.Fact[posture.DeviceType]{State: virtual.State, Why: virtual.Why}
	case battery.State == collect.NotApplicable:
		return collect.Known(posture.Desktop)
	default:
		return collect.Fact[posture.DeviceType]{State: battery.State, Why: battery.Why}
	}
}

func (m *machine) battery(ctx context.Context) (collect.Battery, error) {
	out, err := m.h.Run(ctx, "ioreg", "-rn", "AppleSmartBattery", "-a")
	if err != nil {
		return collect.Battery{}, err
	}
	return parseBattery(out)
}

// parseBattery reads the entry of the battery. Its charge is in milliampere hours on Macs with a processor by Intel, in percent
// on the others, and its maximum likewise.
func parseBattery(out []byte) (collect.Battery, error) {
	d, err := firstOf(out)
	if err != nil {
		return collect.Battery{}, err
	}
	if installed, told := d.number("BatteryInstalled"); d == nil || told && installed == 0 {
		return collect.Battery{}, collect.NotApplicableError("there is no battery")
	}
	current, ok1 := d.number("CurrentCapacity")
	most, ok2 := d.number("MaxCapacity")
	mains, ok3 := d.number("ExternalConnected")
	if !ok1 || !ok2 || !ok3 || most <= 0 || current < 0 || current > 1<<32 {
		return collect.Battery{}, errors.New("ioreg does not tell the charge of the battery")
	}
	return collect.Battery{Percent: int(min(100, (current*100+most/2)/most)), Charging: mains == 1}, nil
}
