package linux

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

// virtual gives the name of what the system runs in, "" for a physical machine. It looks where systemd-detect-virt looks,
// and uses its names. Where the processor alone says that it is virtual, a program has to ask it by whom.
func (m machine) virtual(ctx context.Context) (string, error) {
	if name := m.container(); name != "" {
		return name, nil
	}
	if name, known := m.xen(); known {
		return name, nil
	}
	raw, err := m.ReadFile("proc/cpuinfo")
	if err != nil {
		return "", err
	}
	cpu := parseCPUInfo(raw)
	name, hasDMI := m.hypervisorOfDMI()
	switch {
	case cpu.x86 && !cpu.hypervisor && always[name]:
		return name, nil
	case cpu.x86 && !cpu.hypervisor:
		return "", nil
	case name != "" && name != "qemu": // which emulates, or has the kernel's help
		return name, nil
	case cpu.hypervisor || name == "qemu":
		return m.asked(ctx, name), nil
	}
	if name, known := m.hypervisorOfTree(); known {
		return name, nil
	}
	if hasDMI {
		return "", nil
	}
	return "", errors.New("neither processor nor firmware tells whether the machine is virtual")
}

// containerName keeps what a container says of itself to a name.
func containerName(name string) string {
	if !isWord(name) || name == "oci" {
		return "container-other"
	}
	return name
}

// container gives the kind of container that the system runs in, "" for none.
func (m machine) container() string {
	if m.Exists("proc/vz") && !m.Exists("proc/bc") {
		return "openvz"
	}
	if kernel, err := m.line("proc/sys/kernel/osrelease"); err == nil && (strings.Contains(kernel, "Microsoft") || strings.Contains(kernel, "WSL")) {
		return "wsl"
	}
	for _, file := range []string{"run/host/container-manager", "run/systemd/container"} {
		if text, err := m.line(file); err == nil {
			return containerName(text)
		}
	}
	if raw, err := readStart(m.Host, "proc/1/environ", 64<<10); err == nil { // root's own, or another container's with one user
		for entry := range strings.SplitSeq(string(raw), "\x00") {
			if name, ok := strings.CutPrefix(entry, "container="); ok && name != "" {
				return containerName(name)
			}
		}
	}
	switch {
	case m.Exists("run/.containerenv"):
		return "podman"
	case m.Exists(".dockerenv"):
		return "docker"
	}
	return ""
}

// xen tells guests of Xen from its first domain, which is the physical machine.
func (m machine) xen() (name string, known bool) {
	kind, err := m.line("sys/hypervisor/type")
	if err != nil || kind != "xen" {
		return "", false
	}
	if caps, err := m.line("proc/xen/capabilities"); err == nil && strings.Contains(caps, "control_d") {
		return "", true
	}
	return "xen", true
}

// makers are what hypervisors write into the firmware of their machines, each at the beginning of one of its texts.
var makers = []struct{ text, name string }{
	{"KVM", "kvm"}, {"OpenStack", "kvm"}, {"KubeVirt", "kvm"}, {"Amazon EC2", "amazon"}, {"QEMU", "qemu"}, {"VMware", "vmware"}, {"VMW", "vmware"},
	{"innotek GmbH", "oracle"}, {"VirtualBox", "oracle"}, {"Oracle Corporation", "oracle"}, {"Xen", "xen"}, {"Bochs", "bochs"},
	{"Parallels", "parallels"}, {"BHYVE", "bhyve"}, {"Hyper-V", "microsoft"}, {"Apple Virtualization", "apple"}, {"Google Compute Engine", "google"},
}

// always are hypervisors whose firmware is on no physical machine, so that it counts where the processor says nothing.
// Amazon and Google rent physical machines under the names of their clouds.
var always = map[string]bool{"qemu": true, "oracle": true, "vmware": true, "bochs": true, "parallels": true, "bhyve": true}

func (m machine) hypervisorOfDMI() (name string, hasDMI bool) {
	texts := map[string]string{}
	for _, file := range []string{"product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"} {
		if text, err := m.line(dmi + file); err == nil {
			texts[file] = text
			hasDMI = true
		}
	}
	for _, file := range []string{"product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"} {
		for _, maker := range makers {
			// The maker of VirtualBox makes servers too, under the same name.
			if maker.text == "Oracle Corporation" && texts["product_name"] != "VirtualBox" {
				continue
			}
			if strings.HasPrefix(texts[file], maker.text) {
				return maker.name, true
			}
		}
	}
	if texts["sys_vendor"] == "Microsoft Corporation" && texts["product_name"] == "Virtual Machine" {
		return "microsoft", true
	}
	return "", hasDMI
}

// hypervisorOfTree reads what the device tree of other architectures says.
func (m machine) hypervisorOfTree() (name string, known bool) {
	if _, err := fs.Stat(m.Files, strings.TrimSuffix(deviceTree, "/")); err != nil {
		return "", false
	}
	compatible, err := m.line(deviceTree + "hypervisor/compatible")
	switch {
	case err == nil && compatible == "linux,kvm":
		return "kvm", true
	case err == nil && strings.Contains(compatible, "xen"):
		return "xen", true
	case err == nil && strings.Contains(compatible, "vmware"):
		return "vmware", true
	case err == nil:
		return "vm-other", true
	}
	if text, err := m.line(deviceTree + "compatible"); err == nil && strings.HasPrefix(text, "linux,dummy-virt") || m.Exists(deviceTree+"fw-cfg@9020000") {
		return "qemu", true
	}
	return "", true
}

// asked has a program ask the processor by whom it is made up. Both have been on nearly every system for many years.
func (m machine) asked(ctx context.Context, otherwise string) string {
	if out, err := m.Run(ctx, "systemd-detect-virt", "--vm"); err == nil {
		if name := strings.TrimSpace(string(out)); isWord(name) && name != "none" {
			return name
		}
	}
	if out, err := m.Run(ctx, "lscpu"); err == nil {
		if name := parseLscpu(out); name != "" {
			return name
		}
	}
	if otherwise == "" {
		return "vm-other"
	}
	return otherwise
}

// parseLscpu reads the name of the hypervisor.
func parseLscpu(out []byte) string {
	names := map[string]string{
		"KVM": "kvm", "Xen": "xen", "Microsoft": "microsoft", "VMware": "vmware", "Oracle": "oracle", "Parallels": "parallels", "bhyve": "bhyve",
	}
	for line := range strings.Lines(string(out)) {
		if vendor, ok := strings.CutPrefix(line, "Hypervisor vendor:"); ok {
			return names[strings.TrimSpace(vendor)]
		}
	}
	return ""
}

// isWord keeps what a program says to a name.
func isWord(s string) bool {
	return s != "" && len(s) < 40 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
