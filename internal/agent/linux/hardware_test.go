package linux

import (
	"strings"
	"testing"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host/hosttest"
	"muster/internal/posture"
)

// What firmware says is written after the kernel's documents (Documentation/ABI/testing/sysfs-firmware-dmi-tables,
// sysfs-class-power) and the texts that systemd-detect-virt knows.

const (
	x86     = "-- file proc/cpuinfo --\nprocessor : 0\nflags : fpu vme lahf_lm\n"
	x86Flag = "-- file proc/cpuinfo --\nprocessor : 0\nflags : fpu hypervisor lahf_lm\n"
	arm     = "-- file proc/cpuinfo --\nprocessor : 0\nCPU part : 0xd0c\n"
)

func dmiOf(texts ...string) string {
	var b strings.Builder
	for _, t := range texts {
		name, value, _ := strings.Cut(t, "=")
		b.WriteString("-- file " + dmi + name + " --\n" + value + "\n")
	}
	return b.String()
}

func TestVirtual(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recording string
		want      string
	}{
		"a laptop":                         {x86 + dmiOf("sys_vendor=LENOVO", "product_name=21HMS1AB00"), ""},
		"a board with an old name":         {x86 + dmiOf("sys_vendor=Oracle Corporation", "product_name=SUN FIRE X4170 M3"), ""},
		"KVM":                              {x86Flag + dmiOf("sys_vendor=QEMU", "product_name=Standard PC (Q35 + ICH9, 2009)") + "-- run systemd-detect-virt --vm --\nkvm\n", "kvm"},
		"QEMU, and nobody to confirm":      {x86Flag + dmiOf("sys_vendor=QEMU"), "qemu"},
		"KVM by name":                      {x86Flag + dmiOf("product_name=KVM", "sys_vendor=Red Hat"), "kvm"},
		"VMware":                           {x86Flag + dmiOf("sys_vendor=VMware, Inc.", "product_name=VMware Virtual Platform"), "vmware"},
		"VirtualBox":                       {x86Flag + dmiOf("sys_vendor=innotek GmbH", "product_name=VirtualBox"), "oracle"},
		"VirtualBox that hides":            {x86 + dmiOf("sys_vendor=innotek GmbH", "product_name=VirtualBox"), "oracle"},
		"Hyper-V":                          {x86Flag + dmiOf("sys_vendor=Microsoft Corporation", "product_name=Virtual Machine"), "microsoft"},
		"a laptop of that maker":           {x86 + dmiOf("sys_vendor=Microsoft Corporation", "product_name=Surface Laptop 5"), ""},
		"Amazon":                           {x86Flag + dmiOf("sys_vendor=Amazon EC2", "product_name=m5.large"), "amazon"},
		"a whole machine of Amazon's":      {x86 + dmiOf("sys_vendor=Amazon EC2", "product_name=m5.metal"), ""},
		"Google":                           {x86Flag + dmiOf("sys_vendor=Google", "product_name=Google Compute Engine"), "google"},
		"Parallels":                        {x86Flag + dmiOf("sys_vendor=Parallels International GmbH."), "parallels"},
		"a processor alone, systemd":       {x86Flag + "-- run systemd-detect-virt --vm --\nkvm\n", "kvm"},
		"a processor alone, lscpu":         {x86Flag + "-- run exit 1 systemd-detect-virt --vm --\nnone\n-- run lscpu --\nVendor ID: AuthenticAMD\nHypervisor vendor:    KVM\nVirtualization type: full\n", "kvm"},
		"a processor alone, and nobody":    {x86Flag, "vm-other"},
		"a program that says more":         {x86Flag + "-- run systemd-detect-virt --vm --\nkvm and more\n", "vm-other"},
		"a guest of Xen":                   {x86 + "-- file sys/hypervisor/type --\nxen\n", "xen"},
		"the first domain of Xen":          {x86Flag + "-- file sys/hypervisor/type --\nxen\n-- file proc/xen/capabilities --\ncontrol_d\n", ""},
		"ARM, KVM by tree":                 {arm + "-- file proc/device-tree/hypervisor/compatible --\nlinux,kvm\x00", "kvm"},
		"ARM, QEMU by tree":                {arm + "-- file proc/device-tree/compatible --\nlinux,dummy-virt\x00", "qemu"},
		"ARM, a Raspberry Pi":              {arm + "-- file proc/device-tree/compatible --\nraspberrypi,5-model-b\x00brcm,bcm2712\x00", ""},
		"ARM, a server":                    {arm + dmiOf("sys_vendor=GIGABYTE", "product_name=R272-P30"), ""},
		"ARM, of Amazon":                   {arm + dmiOf("sys_vendor=Amazon EC2", "product_name=t4g.small"), "amazon"},
		"docker":                           {x86Flag + "-- file .dockerenv --\n", "docker"},
		"podman":                           {x86 + "-- file run/.containerenv --\nengine=\"podman\"\n", "podman"},
		"LXC, by its init":                 {x86 + "-- file proc/1/environ --\nPATH=/bin\x00container=lxc\x00container_uuid=5\x00", "lxc"},
		"systemd-nspawn":                   {x86 + "-- file run/systemd/container --\nsystemd-nspawn\n", "systemd-nspawn"},
		"a container by its manager":       {x86 + "-- file run/host/container-manager --\noci\n", "container-other"},
		"a container that is no name":      {x86 + "-- file run/systemd/container --\n<b>\n", "container-other"},
		"OpenVZ":                           {x86 + "-- file proc/vz/veinfo --\n", "openvz"},
		"a node of OpenVZ":                 {x86 + "-- file proc/vz/veinfo --\n-- file proc/bc/0 --\n" + dmiOf("sys_vendor=HPE"), ""},
		"Windows":                          {x86Flag + "-- file proc/sys/kernel/osrelease --\n5.15.167.4-microsoft-standard-WSL2\n", "wsl"},
		"a kernel of a cloud is no answer": {x86 + dmiOf("sys_vendor=HPE") + "-- file proc/sys/kernel/osrelease --\n6.8.0-1018-azure\n", ""},
	} {
		h := hosttest.Of(t, c.recording)
		s := collected(t, h, hardware(h))
		if s.Hardware.Virtual != collect.Known(c.want) {
			t.Errorf("%s: %+v, want %q", name, s.Hardware.Virtual, c.want)
		}
		if c.want != "" && s.Hardware.Type != collect.Known(posture.VM) {
			t.Errorf("%s: type %+v", name, s.Hardware.Type)
		}
	}
	h := hosttest.Of(t, arm)
	if s := collected(t, h, hardware(h)); s.Hardware.Virtual.State != collect.Unreadable || s.Hardware.Type.State != collect.Unreadable {
		t.Errorf("nobody tells: %+v", s.Hardware)
	}
}

func powerSupply(name string, texts ...string) string {
	var b strings.Builder
	for _, t := range texts {
		file, value, _ := strings.Cut(t, "=")
		b.WriteString("-- file sys/class/power_supply/" + name + "/" + file + " --\n" + value + "\n")
	}
	return b.String()
}

func TestDeviceType(t *testing.T) {
	t.Parallel()
	battery := powerSupply("BAT0", "type=Battery", "status=Discharging", "capacity=80")
	for name, c := range map[string]struct {
		recording string
		want      posture.DeviceType
	}{
		"a notebook":                  {x86 + dmiOf("chassis_type=10"), posture.Laptop},
		"a convertible":               {x86 + dmiOf("chassis_type=31"), posture.Laptop},
		"a tower":                     {x86 + dmiOf("chassis_type=7"), posture.Desktop},
		"a mini PC":                   {x86 + dmiOf("chassis_type=35"), posture.Desktop},
		"a rack":                      {x86 + dmiOf("chassis_type=23"), posture.Server},
		"a blade":                     {x86 + dmiOf("chassis_type=28"), posture.Server},
		"a tablet":                    {x86 + dmiOf("chassis_type=30"), posture.Tablet},
		"a desktop with a battery":    {x86 + dmiOf("chassis_type=3") + battery, posture.Desktop},
		"a battery alone":             {x86 + dmiOf("chassis_type=2") + battery, posture.Laptop},
		"a server by its power":       {x86 + dmiOf("chassis_type=1") + "-- file sys/firmware/acpi/pm_profile --\n4\n", posture.Server},
		"a word of the administrator": {x86 + dmiOf("chassis_type=3") + "-- file etc/machine-info --\nCHASSIS=server\n", posture.Server},
		"a laptop with a device tree": {arm + "-- file proc/device-tree/chassis-type --\nlaptop\x00", posture.Laptop},
		"an unknown word":             {arm + "-- file proc/device-tree/chassis-type --\nembedded\x00", ""},
		"a rack that is made up":      {x86Flag + dmiOf("chassis_type=23", "sys_vendor=VMware, Inc."), posture.VM},
		"nobody says":                 {x86 + dmiOf("chassis_type=2"), ""},
	} {
		h := hosttest.Of(t, c.recording)
		got := collected(t, h, hardware(h)).Hardware.Type
		if c.want == "" && got.State != collect.Unreadable || c.want != "" && got != collect.Known(c.want) {
			t.Errorf("%s: %+v, want %q", name, got, c.want)
		}
	}
}

func TestBattery(t *testing.T) {
	t.Parallel()
	mouse := powerSupply("hidpp_battery_0", "type=Battery", "scope=Device", "status=Discharging", "capacity=5")
	for name, c := range map[string]struct {
		recording string
		want      collect.Battery
		state     collect.State
	}{
		"none":             {powerSupply("AC", "type=Mains", "online=1"), collect.Battery{}, collect.NotApplicable},
		"of a mouse":       {mouse, collect.Battery{}, collect.NotApplicable},
		"in use":           {mouse + powerSupply("BAT0", "type=Battery", "status=Discharging", "capacity=80"), collect.Battery{Percent: 80}, collect.IsKnown},
		"charging":         {powerSupply("BAT0", "type=Battery", "status=Charging", "capacity=20"), collect.Battery{Percent: 20, Charging: true}, collect.IsKnown},
		"full":             {powerSupply("BAT0", "type=Battery", "status=Full", "capacity=100"), collect.Battery{Percent: 100, Charging: true}, collect.IsKnown},
		"held on mains":    {powerSupply("AC", "type=Mains", "online=1") + powerSupply("BAT0", "type=Battery", "status=Unknown", "capacity=79"), collect.Battery{Percent: 79, Charging: true}, collect.IsKnown},
		"unknown, on none": {powerSupply("AC", "type=Mains", "online=0") + powerSupply("BAT0", "type=Battery", "status=Unknown", "capacity=79"), collect.Battery{Percent: 79}, collect.IsKnown},
		"unknown at all":   {powerSupply("BAT0", "type=Battery", "status=Unknown", "capacity=79"), collect.Battery{}, collect.Unreadable},
		"without a charge": {powerSupply("BAT0", "type=Battery", "status=Charging"), collect.Battery{}, collect.Unreadable},
		"beyond all":       {powerSupply("BAT0", "type=Battery", "status=Charging", "capacity=250", "energy_full=50", "energy_now=25"), collect.Battery{Percent: 50, Charging: true}, collect.IsKnown},
		"two": {powerSupply("BAT0", "type=Battery", "status=Unknown", "capacity=100", "energy_full=20000000", "energy_now=20000000") + powerSupply("AC", "type=Mains", "online=0") +
			powerSupply("BAT1", "type=Battery", "status=Discharging", "capacity=50", "energy_full=60000000", "energy_now=30000000"), collect.Battery{Percent: 62}, collect.IsKnown},
		"two that tell only shares": {powerSupply("BAT0", "type=Battery", "status=Full", "capacity=100") + powerSupply("BAT1", "type=Battery", "status=Charging", "capacity=50"), collect.Battery{Percent: 75, Charging: true}, collect.IsKnown},
	} {
		h := hosttest.Of(t, c.recording)
		got := collected(t, h, hardware(h)).Hardware.Battery
		if got.State != c.state || got.Value != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestMakerAndModel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ recording, vendor, model string }{
		"a laptop":            {dmiOf("sys_vendor=Dell Inc.", "product_name=Latitude 7440"), "Dell Inc.", "Latitude 7440"},
		"a ThinkPad":          {dmiOf("sys_vendor=LENOVO", "product_name=21HMS1AB00", "product_version=ThinkPad X1 Carbon Gen 11"), "LENOVO", "ThinkPad X1 Carbon Gen 11"},
		"a board":             {dmiOf("sys_vendor=To Be Filled By O.E.M.", "product_name=System Product Name", "board_vendor=ASRock", "board_name=B550M Pro4"), "ASRock", "B550M Pro4"},
		"a Raspberry Pi":      {"-- file proc/device-tree/model --\nRaspberry Pi 5 Model B Rev 1.0\x00", "", "Raspberry Pi 5 Model B Rev 1.0"},
		"nothing but nothing": {dmiOf("sys_vendor=Default string", "product_name=Default string"), "", ""},
	} {
		h := hosttest.Of(t, c.recording)
		s := collected(t, h, hardware(h))
		for _, f := range []struct {
			got  collect.Fact[string]
			want string
		}{{s.Hardware.Vendor, c.vendor}, {s.Hardware.Model, c.model}} {
			if f.want == "" && f.got.State != collect.NotApplicable || f.want != "" && f.got != collect.Known(f.want) {
				t.Errorf("%s: %+v, want %q", name, f.got, f.want)
			}
		}
	}
}

func TestIdentityOfHardware(t *testing.T) {
	t.Parallel()
	const uuid, system = "4c4c4544-0042-3510-8054-b5c04f4d3432", "-- file etc/machine-id --\nb08dfa6083e7567a1921a715000001fb\n"
	hardwareID, _ := common.HardwareID(uuid)
	machineID, _ := common.MachineID("b08dfa6083e7567a1921a715000001fb")
	if hardwareID == machineID {
		t.Fatal("the ids are one")
	}
	for name, c := range map[string]struct {
		recording string
		want      collect.Fact[string]
	}{
		"of the firmware":         {system + dmiOf("product_uuid="+uuid), collect.Known(hardwareID)},
		"of nothing":              {system + dmiOf("product_uuid=03000200-0400-0500-0006-000700080009"), collect.Known(machineID)},
		"without a firmware":      {system, collect.Known(machineID)},
		"in a container":          {system + dmiOf("product_uuid="+uuid) + "-- file .dockerenv --\n", collect.Known(machineID)},
		"without privileges":      {system + "-- denied sys/class/dmi/id/product_uuid --\n", collect.CouldNotReadf[string]("needs root: /sys/class/dmi/id/product_uuid")},
		"before the first boot":   {"-- file etc/machine-id --\nuninitialized\n", collect.DoesNotApply[string]("the system has no machine id yet")},
		"a system without an id":  {"", collect.DoesNotApply[string]("the system has no machine id")},
		"D-Bus has one":           {"-- file var/lib/dbus/machine-id --\nb08dfa6083e7567a1921a715000001fb\n", collect.Known(machineID)},
		"an id that is no secret": {"-- denied etc/machine-id --\n", collect.CouldNotReadf[string]("the firmware has no id of its own, and: open etc/machine-id: permission denied")},
	} {
		h := hosttest.Of(t, c.recording)
		if got := collected(t, h, identity(h)).Identity.HardwareID; got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestSerial(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recording string
		want      collect.Fact[string]
	}{
		"of the firmware":    {dmiOf("product_serial=B5BTM42"), collect.Known("B5BTM42")},
		"not filled in":      {dmiOf("product_serial=Default string"), collect.DoesNotApply[string]("the firmware has no serial number")},
		"without privileges": {"-- denied sys/class/dmi/id/product_serial --\n", collect.CouldNotReadf[string]("needs root: /sys/class/dmi/id/product_serial")},
		"of a Raspberry Pi":  {"-- file proc/device-tree/serial-number --\n10000000abcdef01\x00", collect.Known("10000000abcdef01")},
		"none":               {"", collect.DoesNotApply[string]("the machine has no serial number")},
	} {
		h := hosttest.Of(t, c.recording)
		if got := collected(t, h, identity(h)).Identity.Serial; got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// The configurations are written after sssd.conf(5), smb.conf(5) and default.conf(5) of IPA.
func TestDomain(t *testing.T) {
	t.Parallel()
	const keytab = "-- file etc/krb5.keytab --\n"
	none := collect.DoesNotApply[string]("the machine is no member of a domain")
	for name, c := range map[string]struct {
		recording string
		want      collect.Fact[string]
	}{
		"sssd, of realm join":   {keytab + "-- file etc/sssd/sssd.conf --\n[sssd]\ndomains = Lab.Example\nconfig_file_version = 2\n\n[domain/Lab.Example]\nid_provider = ad\nad_domain = Lab.Example\n", collect.Known("lab.example")},
		"sssd, by its name":     {keytab + "-- file etc/sssd/sssd.conf --\n[sssd]\ndomains = files, lab.example\n[domain/files]\nid_provider = files\n[domain/lab.example]\nid_provider=ad\n", collect.Known("lab.example")},
		"winbind":               {"-- file var/lib/samba/private/secrets.tdb --\n-- file etc/samba/smb.conf --\n[global]\n  Security = ADS\n  realm = LAB.EXAMPLE\n; realm = X\n", collect.Known("lab.example")},
		"IPA":                   {keytab + "-- file etc/ipa/default.conf --\n[global]\ndomain = ipa.example\nrealm = IPA.EXAMPLE\n", collect.Known("ipa.example")},
		"LDAP is no membership": {keytab + "-- file etc/sssd/sssd.conf --\n[sssd]\ndomains = ldap\n[domain/ldap]\nid_provider = ldap\n", none},
		"set up, but no member": {"-- file etc/sssd/sssd.conf --\n[sssd]\ndomains = lab.example\n[domain/lab.example]\nid_provider = ad\n", none},
		"a file server":         {"-- file var/lib/samba/private/secrets.tdb --\n-- file etc/samba/smb.conf --\n[global]\nworkgroup = WORKGROUP\n", none},
		"a key of a server":     {keytab, none},
		"without privileges":    {keytab + "-- denied etc/sssd/sssd.conf --\n", collect.CouldNotReadf[string]("needs root: /etc/sssd/sssd.conf")},
	} {
		h := hosttest.Of(t, c.recording)
		if got := collected(t, h, identity(h)).Identity.Domain; got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
