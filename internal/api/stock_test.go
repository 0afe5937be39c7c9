package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/policy"
	"muster/internal/posture"
)

// stock is the devices of the account acme, and remembers what was asked.
type stock struct {
	devices  []device.Device // in the order of enrolment
	groups   []device.Group
	reports  map[string]*posture.Report
	verdicts map[string]posture.Verdict

	asked  []device.Query
	opened int // how many reports and verdicts were read
}

// The devices of the stock besides the one with hardwareID.
const (
	serverID  = "11bb22cc33dd44ee55ff66778899aa00"
	phoneID   = "22cc33dd44ee55ff66778899aa00bb11"
	printerID = "33dd44ee55ff66778899aa00bb11cc22"
	graceID   = "44ee55ff66778899aa00bb11cc22dd33"
)

func day(n int) time.Time { return time.Date(2026, 1, n, 7, 30, 0, 500e6, time.UTC) }

func newStock() stock {
	laptop := device.Profile{
		Vendor: "Microsoft Corporation", Architecture: "64-bit", Language: "1044", ServicePack: "1.0", Password: posture.Yes,
		User: posture.User{Name: "kari", Domain: "LAB"}, Reboot: time.Date(2025, 12, 30, 6, 0, 0, 0, time.UTC),
		PublicIP: "198.51.100.7", EngineVersion: "4.3.100.0",
		Adapters: []device.Interface{{
			Description: "Ethernet", MAC: mac.String(), IPv4: []string{"10.1.2.7", "10.1.2.8"}, IPv6: nil, SubnetMask: "255.255.255.0",
			Gateway: "10.1.2.1", DNS: []string{"10.1.2.1", "10.1.2.2"}, Connected: posture.Yes, Enabled: posture.Yes, DHCP: posture.Yes,
			DHCPServer: "10.1.2.1", DHCPObtained: day(1), DHCPExpires: day(3),
		}, {Description: "Wi-Fi", Connected: posture.No, Enabled: posture.No}},
	}
	server := device.Profile{Vendor: "Debian", Architecture: "x86_64", Password: posture.No}
	return stock{
		groups: []device.Group{{ID: 1, Name: "Default", Policy: 1}, {ID: 2, Name: "Servers & <such>", Policy: 1}},
		devices: []device.Device{
			{
				Account: acme.ID, ID: hardwareID, Name: "lab-pc-07", HostName: "lab-pc-07.bergen.example", Type: posture.Laptop,
				OSFamily: posture.Windows, OSName: "Windows 11 Pro", OSVersion: "10.0.26100", AgentType: "persistent",
				AgentVersion: "7.6.500.0", Managed: true, UserIdentity: "kari@acme.example", Vulnerabilities: 12,
				Cell:   posture.Cell{Group: 1, Status: posture.StatusNonCompliant, Severity: posture.Critical},
				Issues: device.Issues{Critical: 1, Warning: 2}, Link: device.LinkedUser{Username: "kari", Group: "staff"},
				EnrolledAt: day(1), ReportedAt: day(2), SeenAt: day(1).Add(17 * time.Hour), PackedProfile: laptop.Pack(),
			},
			{
				Account: acme.ID, ID: serverID, HostName: "db1.bergen.example", Type: posture.Server, OSFamily: posture.Linux,
				OSName: "Debian GNU/Linux 12", OSVersion: "12.8", AgentType: "persistent", AgentVersion: "1.0", Managed: true,
				Cell:       posture.Cell{Group: 2, Status: posture.StatusCompliant},
				EnrolledAt: day(1).Add(time.Hour), ReportedAt: day(1).Add(2 * time.Hour), SeenAt: day(1).Add(2 * time.Hour), PackedProfile: server.Pack(),
			},
			{
				Account: acme.ID, ID: phoneID, Name: "Kari's phone", Type: posture.Phone, OSFamily: posture.IOS, OSName: "iOS 18",
				OSVersion: "18.1", AgentType: "mobile", AgentVersion: "2.0", Managed: true, LinkedID: "KARI-1", Exempted: true,
				Cell:   posture.Cell{Group: 1, Status: posture.StatusExempted, Severity: posture.Warning},
				Issues: device.Issues{Warning: 1}, EnrolledAt: day(1).Add(2 * time.Hour), ReportedAt: day(1), SeenAt: day(1).Add(-30 * time.Hour),
			},
			{
				Account: acme.ID, ID: printerID, Name: "printer", Cell: posture.Cell{Group: 1, Status: posture.StatusUnknown},
				EnrolledAt: day(1).Add(3 * time.Hour),
			},
			{
				Account: acme.ID, ID: graceID, HostName: "mac-3", Type: posture.Desktop, OSFamily: posture.MacOS, Managed: true,
				Cell:   posture.Cell{Group: 99, Status: posture.StatusInGrace, Severity: posture.Critical},
				Issues: device.Issues{Critical: 1}, EnrolledAt: day(1).Add(4 * time.Hour), SeenAt: day(1).Add(4 * time.Hour),
			},
		},
		reports: map[string]*posture.Report{
			hardwareID: laptopReport(), serverID: serverReport(),
			phoneID: {OS: posture.OS{Family: posture.IOS}, Applications: []posture.Application{{Name: "Mail", Vendor: "Example", Version: "3"}}},
		},
		verdicts: map[string]posture.Verdict{
			hardwareID: {Issues: []posture.Issue{
				{
					Category: posture.Antimalware, Check: "antimalware_definitions", Outcome: posture.Stale, Severity: posture.Critical,
					Product: "Example AV", Evidence: "Definitions are 9 days old", Remediation: "Update the definitions",
				},
				{Category: posture.Firewall, Check: "firewall_installed", Severity: posture.Warning, Evidence: "No firewall was found", Remediation: "Install one"},
				{Category: posture.RemoteControl, Severity: posture.Warning, Product: "Example Remote", Evidence: "Installed", Remediation: "Remove it"},
			}},
			serverID: {},
			phoneID:  {Issues: []posture.Issue{{Category: posture.SystemSecurity, Severity: posture.Warning, Evidence: "Rooted"}}},
		},
	}
}

func laptopReport() *posture.Report {
	return &posture.Report{
		OS: posture.OS{Family: posture.Windows},
		Applications: []posture.Application{
			{Name: "Example AV", Vendor: "Example", Version: "5.2", Category: posture.Antimalware},
			{Name: "Other AV", Version: "1", Category: posture.Antimalware},
			{Name: "Example Disk", Category: posture.HardDrive},
			{Name: "Example Remote", Vendor: "Example", Version: "9", Category: posture.RemoteControl},
			{Name: "Example Browser", Version: "120", Category: posture.Browser},
			{Name: "Notes", Vendor: "Example", Version: "1.0"},
		},
		PatchesKnown: true, PatchesChecked: day(1), ThreatsScanned: day(1),
		MissingPatches: []posture.Patch{{
			KB: "KB5000001", Title: "2026-01 update", Product: "Windows", Vendor: "Microsoft", Severity: "critical",
			Category: "security", Released: time.Date(2025, 12, 9, 0, 0, 0, 0, time.UTC),
		}},
		Threats: []posture.Threat{
			{
				Source: posture.ThreatScan, Name: "Test.File", File: `C:\x.exe`, Hash: "abc", Found: day(1), Severity: "Critical",
				Existing: posture.Yes, Engines: []posture.ThreatEngine{{Engine: "One", Name: "Test.A"}, {Engine: "Two", Name: "Test.B"}},
			},
			{
				Source: posture.ThreatLocal, Name: "Test.Gone", File: `C:\y.exe`, Found: day(1), Action: "removed", Existing: posture.No,
				Product: "Example AV", ProductVendor: "Example", ProductVersion: "5.2", Severity: "high",
			},
			{Source: posture.ThreatAddress, File: "203.0.113.9", Found: day(1), Engines: []posture.ThreatEngine{{Engine: "List", Name: "botnet"}}},
		},
	}
}

func serverReport() *posture.Report {
	return &posture.Report{
		OS: posture.OS{Family: posture.Linux}, Processes: []string{"sshd", "postgres"},
		Applications: []posture.Application{
			{Name: "openssl", Version: "3.0.15-1", Ecosystem: "Debian:12"}, {Name: "nftables", Version: "1.0", Category: posture.Firewall},
		},
	}
}

func (i *inventory) GroupNames(ctx context.Context, account posture.AccountID) (map[posture.GroupID]string, error) {
	list, err := i.Groups(ctx, account)
	names := make(map[posture.GroupID]string, len(list))
	for k := range list {
		names[list[k].ID] = list[k].Name
	}
	return names, err
}

func (i *inventory) Groups(context.Context, posture.AccountID) ([]device.Group, error) {
	return i.stock.groups, i.err
}

// OfGroup implements Policies.
func (i *inventory) OfGroup(context.Context, posture.AccountID, posture.GroupID) (*policy.Compiled, error) {
	if i.err != nil {
		return nil, i.err
	}
	return policy.Compile(policy.Default(), posture.PolicyRef{ID: posture.DefaultPolicy})
}

// Names implements Policies.
func (i *inventory) Names(context.Context, posture.AccountID) (map[posture.PolicyID]string, error) {
	return map[posture.PolicyID]string{posture.DefaultPolicy: policy.Default().Name}, i.err
}

// fits applies a part of the filter: the parts that tests look at in the answer.
func fits(d *device.Device, f *device.Filter) bool {
	return (len(f.Statuses) == 0 || slices.Contains(f.Statuses, d.Cell.Status)) &&
		(len(f.OS) == 0 || slices.Contains(f.OS, d.OSFamily)) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, d.Type)) &&
		(len(f.Groups) == 0 || slices.Contains(f.Groups, d.Cell.Group)) &&
		(len(f.Severities) == 0 || slices.Contains(f.Severities, d.Cell.Severity)) &&
		(strings.Contains(d.Name+" "+d.HostName, f.Search) && !f.Hidden.HostName || f.Search == "")
}

func (i *inventory) Select(_ context.Context, account posture.AccountID, q device.Query) ([]device.Device, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stock.asked = append(i.stock.asked, q)
	if i.err != nil {
		return nil, "", i.err
	}
	var list []device.Device
	for _, d := range i.stock.devices {
		if account == d.Account && fits(&d, &q.Filter) {
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b device.Device) int {
		n := map[device.Order]int{device.ByHostName: cmp.Compare(a.HostName, b.HostName), device.ByIssues: a.Issues.Total() - b.Issues.Total()}[q.Order]
		n = cmp.Or(n, a.EnrolledAt.Compare(b.EnrolledAt))
		if q.Descending {
			n = -n
		}
		return n
	})
	if q.After != "" {
		at := slices.IndexFunc(list, func(d device.Device) bool { return d.ID == q.After })
		if at < 0 {
			return nil, "", errs.InvalidField("after", "not a position")
		}
		list = list[at+1:]
	}
	list = list[min(q.Skip, len(list)):]
	list = list[:min(q.Limit+1, len(list))]
	list, next := page.Cut(list, q.Limit, func(d *device.Device) string { return d.ID })
	return list, next, nil
}

func (i *inventory) CountMatching(_ context.Context, account posture.AccountID, f device.Filter) (int64, error) {
	var n int64
	for _, d := range i.stock.devices {
		if account == d.Account && fits(&d, &f) {
			n++
		}
	}
	return n, i.err
}

func (i *inventory) Find(ctx context.Context, account posture.AccountID, sel device.Selector) (device.Device, error) {
	list, err := i.FindMany(ctx, account, []device.Selector{sel})
	switch {
	case err != nil:
		return device.Device{}, err
	case list[0] == nil:
		return device.Device{}, errs.New(errs.NotFound, "No such device")
	}
	return *list[0], nil
}

func (i *inventory) FindMany(_ context.Context, account posture.AccountID, sels []device.Selector) ([]*device.Device, error) {
	out := make([]*device.Device, len(sels))
	for n, sel := range sels {
		for j := range i.stock.devices {
			d := &i.stock.devices[j]
			byMAC := sel.ByMAC && sel.MAC == mac && d.ID == hardwareID
			if account == d.Account && (byMAC || sel.ID == d.ID || sel.Linked != "" && sel.Linked == d.LinkedID) {
				out[n] = d
			}
		}
	}
	return out, i.err
}

func (i *inventory) Verdict(_ context.Context, _ posture.AccountID, id string) (posture.Verdict, error) {
	i.stock.opened++
	v, ok := i.stock.verdicts[id]
	if !ok {
		return v, errs.New(errs.NotFound, "Nothing yet")
	}
	return v, i.err
}

func (i *inventory) LastReport(_ context.Context, _ posture.AccountID, id string) (*posture.Report, time.Time, error) {
	i.stock.opened++
	r, ok := i.stock.reports[id]
	if !ok {
		return nil, time.Time{}, errs.New(errs.NotFound, "Nothing yet")
	}
	return r, day(2), i.err
}
