package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// world is what happened to the devices of the stock, what is installed on them, and what they were told to do. It
// remembers what was asked and what was changed.
type world struct {
	gone       []device.Device // those that are not there any more
	events     []device.LogEntry
	activities []device.Activity
	software   []device.SoftwareDetail
	cves       []device.FoundVulnerability
	patches    []device.MissingPatch
	commands   map[string]device.Command

	asked   []any
	changed []string
}

const (
	goneID = "55ff66778899aa00bb11cc22dd33ee44"
	// The commands.
	waitingCommand = "c-waiting"
	logCommand     = "c-log"
	scanCommand    = "c-scan"
	failedCommand  = "c-failed"
	expiredCommand = "c-expired"
	silentCommand  = "c-silent"
)

func newWorld() world {
	w := world{
		gone: []device.Device{{
			Account: acme.ID, ID: goneID, Lifecycle: device.Deleted, Cell: posture.Cell{Status: posture.StatusCompliant}, Name: "lab-pc-01", OSFamily: posture.Windows,
		}},
		software: []device.SoftwareDetail{
			{Software: device.Software{
				ProductID: 41, Name: "Example Browser", Vendor: "Example", Version: "120", Category: posture.Browser, Devices: 2, CVEs: 3,
				Levels: posture.Levels{posture.LevelCritical, posture.LevelHigh, posture.LevelCritical},
			}},
			{Software: device.Software{
				ProductID: 7, Name: "Example AV", Vendor: "Example", Version: "5.2", Category: posture.Antimalware, Devices: 1,
			}},
			{Software: device.Software{ProductID: 90, Name: "openssl", Version: "3.0.15-1", Ecosystem: "Debian:12", Devices: 1}},
		},
		cves: []device.FoundVulnerability{
			cveOf("CVE-2025-0001", 2, true, 92, 9.3, 9.8, "Memory is written behind the end of a buffer when a page is shown."),
			cveOf("CVE-2025-0002", 1, false, 55, 6.8, 7.1, "A page can read cookies of another site."),
			cveOf("CVE-2025-0003", 1, false, -1, -1, -1, ""),
		},
		patches: []device.MissingPatch{
			{Patch: posture.Patch{
				KB: "KB5000001", Title: "2026-01 update, cumulative", Product: "Windows", Vendor: "Microsoft", Severity: "critical",
				Category: "security", Released: time.Date(2025, 12, 9, 0, 0, 0, 0, time.UTC),
			}, Devices: 2},
			{Patch: posture.Patch{KB: "890830", Title: "=HYPERLINK(\"x\")"}, Devices: 1},
		},
		commands: map[string]device.Command{
			waitingCommand: {Kind: device.FetchAgentLog, State: device.CommandDelivered},
			logCommand:     {Kind: device.FetchAgentLog, State: device.CommandDone, Output: []byte("one line\n"), EndedAt: day(2)},
			scanCommand:    {Kind: device.ScanThreats, State: device.CommandDone, Output: []byte("nothing found\n"), EndedAt: day(2)},
			failedCommand:  {Kind: device.FetchAgentLog, State: device.CommandFailed, Message: "no log is kept"},
			expiredCommand: {Kind: device.ScanThreats, State: device.CommandExpired},
			silentCommand:  {Kind: device.ScanThreats, State: device.CommandDone},
		},
	}
	w.software[0].Vulnerabilities = []device.Vulnerability{w.cves[0].Vulnerability, w.cves[1].Vulnerability, w.cves[2].Vulnerability}
	w.events, w.activities = pastEvents(), pastActivities()
	for id, c := range w.commands {
		c.ID, c.DeviceID = id, hardwareID
		w.commands[id] = c
	}
	return w
}

func cveOf(id string, devices int64, kev bool, opswat, cvss2, cvss3 float64, summary string) device.FoundVulnerability {
	v := device.Vulnerability{ID: id, Affected: device.Affected{Devices: devices}, KEV: kev, Scores: [posture.NumScoreTypes]float64{opswat, cvss2, cvss3}}
	f := posture.Finding{ID: id, Product: "Example Browser", Version: "120"}
	if opswat >= 0 {
		v.Levels = posture.Levels{posture.LevelHigh, posture.LevelMedium, posture.LevelHigh}
		v.Description = device.Description{
			Summary: summary, CWE: "CWE-787", Published: time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC),
			Modified: time.Date(2025, 6, 2, 0, 0, 0, 0, time.UTC),
		}
		f.Fixed = "121"
	}
	if opswat > 75 {
		v.Levels = posture.Levels{posture.LevelCritical, posture.LevelHigh, posture.LevelCritical}
	}
	return device.FoundVulnerability{Vulnerability: v, Findings: []posture.Finding{f}}
}

// pastEvents are one of every kind but few, the newest first, an hour apart.
func pastEvents() []device.LogEntry {
	laptop := device.LogEntry{DeviceName: "lab-pc-07", MACs: []posture.MAC{mac}}
	laptop.DeviceID = hardwareID
	list := []struct {
		kind          event.Kind
		from, to      posture.Status
		actor, detail string
	}{
		{kind: event.StatusChanged, from: posture.StatusCompliant, to: posture.StatusNonCompliant},
		{kind: event.Reported},
		{kind: event.Configured, actor: "ops@acme.example", detail: "registration code renewed"},
		{kind: event.StatusChanged, from: posture.StatusInstalled, to: posture.StatusCompliant},
		{kind: event.DeletedByAPI, actor: "CLIENT"},
		{kind: event.Moved, actor: "CLIENT", detail: "Servers"},
		{kind: event.Enrolled, to: posture.StatusInstalled},
	}
	out := make([]device.LogEntry, len(list))
	for i, e := range list {
		out[i] = laptop
		if e.kind.Category() == event.OfAdministrators {
			out[i] = device.LogEntry{}
		}
		out[i].ID, out[i].Account = fmt.Sprintf("%032x", 1000-i), acme.ID
		out[i].At = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).Add(-time.Duration(i) * time.Hour)
		out[i].Kind, out[i].From, out[i].To, out[i].Actor, out[i].Detail = e.kind, e.from, e.to, e.actor, e.detail
	}
	return out
}

func pastActivities() []device.Activity {
	return []device.Activity{
		{
			ID: "a2", At: day(2), Action: device.AccessBlocked, DeviceID: hardwareID, DeviceName: "lab-pc-07", DeviceGroup: "Default",
			DeviceStatus: posture.StatusNonCompliant, AppUser: "kari@acme.example", AccessRule: "Only healthy devices", AppName: "Mail",
		},
		{ID: "a1", At: day(1), Action: device.AccessAllowed, DeviceID: serverID, DeviceStatus: posture.StatusCompliant, AppName: "Wiki"},
	}
}

// note remembers a question, and says how it is answered to accounts that have nothing and when the database is on fire.
func (i *inventory) note(account posture.AccountID, q any) (there bool, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.world.asked = append(i.world.asked, q)
	return account == acme.ID, i.err
}

// part cuts a window out of a list.
func part[T any](list []T, w page.Window, id func(*T) string) ([]T, string, error) {
	if w.Limit < 1 {
		panic("a window without a limit")
	}
	if w.After != "" {
		at := slices.IndexFunc(list, func(e T) bool { return id(&e) == w.After })
		if at < 0 {
			return nil, "", errs.InvalidField("token", "not a position")
		}
		list = list[at+1:]
	}
	list = list[min(w.Skip, len(list)):]
	list, next := page.Cut(slices.Clone(list[:min(w.Limit+1, len(list))]), w.Limit, id)
	return list, next, nil
}

func within(at, since, until time.Time) bool {
	return !at.Before(since) && (until.IsZero() || !at.After(until))
}

func (i *inventory) Events(_ context.Context, account posture.AccountID, q device.EventQuery) ([]device.LogEntry, string, error) {
	there, err := i.note(account, q)
	if err != nil || !there {
		return nil, "", err
	}
	list := slices.DeleteFunc(slices.Clone(i.world.events), func(e device.LogEntry) bool {
		to := e.Kind != event.StatusChanged || len(q.To) == 0 || slices.Contains(q.To, e.To)
		return !slices.Contains(q.Kinds, e.Kind) || !to || !within(e.At, q.Since, q.Until)
	})
	return part(list, q.Window, func(e *device.LogEntry) string { return e.ID })
}

func (i *inventory) Changes(_ context.Context, account posture.AccountID, q device.ChangeQuery) ([]device.Device, string, error) {
	there, err := i.note(account, q)
	if err != nil || !there {
		return nil, "", err
	}
	list := slices.Concat(i.world.gone, i.stock.devices)
	list = slices.DeleteFunc(list, func(d device.Device) bool { return len(q.OS) > 0 && !slices.Contains(q.OS, d.OSFamily) })
	return part(list, q.Window, func(d *device.Device) string { return d.ID })
}

func (i *inventory) Activities(_ context.Context, account posture.AccountID, q device.ActivityQuery) ([]device.Activity, string, error) {
	there, err := i.note(account, q)
	if err != nil || !there {
		return nil, "", err
	}
	list := slices.DeleteFunc(slices.Clone(i.world.activities), func(a device.Activity) bool {
		wanted := len(q.Actions) == 0 || slices.Contains(q.Actions, a.Action)
		return !wanted || !within(a.At, q.Since, q.Until) || !strings.Contains(a.DeviceName+a.AppName, q.Search)
	})
	return part(list, q.Window, func(a *device.Activity) string { return a.ID })
}

func (i *inventory) Software(_ context.Context, account posture.AccountID, q device.SoftwareQuery) ([]device.Software, string, error) {
	there, err := i.note(account, q)
	if err != nil || !there {
		return nil, "", err
	}
	var list []device.Software
	for _, s := range i.world.software {
		fitting := len(q.Categories) == 0 || slices.Contains(q.Categories, s.Category)
		fitting = fitting && (len(q.Levels) == 0 || slices.Contains(q.Levels, s.Levels[posture.ScoreOpswat]))
		if fitting && strings.Contains(s.Name, q.Search) {
			list = append(list, s.Software)
		}
	}
	return part(list, q.Window, func(s *device.Software) string { return s.Name })
}

func (i *inventory) SoftwareDetail(_ context.Context, account posture.AccountID, product int64, version string) (device.SoftwareDetail, error) {
	there, err := i.note(account, version)
	if err != nil {
		return device.SoftwareDetail{}, err
	}
	for _, s := range i.world.software {
		if there && s.ProductID == product && s.Version == version {
			return s, nil
		}
	}
	return device.SoftwareDetail{}, errs.New(errs.NotFound, "No device has it")
}

func (i *inventory) Vulnerabilities(_ context.Context, account posture.AccountID, q device.VulnerabilityQuery) ([]device.Vulnerability, string, error) {
	there, err := i.note(account, q)
	if err != nil || !there {
		return nil, "", err
	}
	var list []device.Vulnerability
	for _, v := range i.world.cves {
		fitting := len(q.Levels) == 0 || slices.Contains(q.Levels, v.Levels[q.By])
		if fitting && (!q.OnlyKEV || v.KEV) && (q.MinScore < 0 || v.Scores[q.By] >= q.MinScore) {
			list = append(list, v.Vulnerability)
		}
	}
	return part(list, q.Window, func(v *device.Vulnerability) string { return v.ID })
}

func (i *inventory) DeviceVulnerabilities(_ context.Context, account posture.AccountID, id string) ([]device.FoundVulnerability, error) {
	_, err := i.note(account, id)
	switch {
	case err != nil:
		return nil, err
	case id != hardwareID:
		return nil, errs.New(errs.NotFound, "Nothing yet")
	}
	return slices.Clone(i.world.cves), nil
}

func (i *inventory) MissingPatches(_ context.Context, account posture.AccountID) ([]device.MissingPatch, error) {
	there, err := i.note(account, "patches")
	if !there {
		return nil, err
	}
	return i.world.patches, err
}

func (i *inventory) DevicesMissing(_ context.Context, account posture.AccountID, kb, after string, limit int) ([]device.Device, string, error) {
	there, err := i.note(account, kb)
	if err != nil || !there || !strings.HasSuffix("KB5000001", kb) {
		return nil, "", err
	}
	lacking := i.stock.devices[:3]
	if kb == "5000001" { // as one of them calls it as well
		lacking = lacking[:1]
	}
	// Two devices at a time, so that a report has to ask again.
	return part(lacking, page.Window{After: after, Limit: min(limit, 2)}, func(d *device.Device) string { return d.ID })
}

func (i *inventory) Adapters(_ context.Context, account posture.AccountID, id string) ([]device.Claim, error) {
	_, err := i.note(account, id)
	if id != goneID {
		return nil, err
	}
	return []device.Claim{
		{DeviceID: goneID, MAC: posture.MAC{2, 0x42, 0xac, 0x11, 0, 9}, Current: true},
		{DeviceID: goneID, MAC: posture.MAC{2, 0x42, 0xac, 0x11, 0, 8}},
	}, err
}

func (i *inventory) Command(_ context.Context, account posture.AccountID, id string) (device.Command, error) {
	there, err := i.note(account, id)
	c, ok := i.world.commands[id]
	if err == nil && (!ok || !there) {
		err = errs.New(errs.NotFound, "There is no such command")
	}
	return c, err
}

// change remembers what was changed, and tells whether there is such a device.
func (i *inventory) change(account posture.AccountID, sel device.Selector, what string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err != nil {
		return i.err
	}
	for _, d := range i.stock.devices {
		if account == d.Account && (sel.ID == d.ID || sel.ByMAC && sel.MAC == mac && d.ID == hardwareID) {
			i.world.changed = append(i.world.changed, what+" "+d.ID)
			return nil
		}
	}
	return errs.New(errs.NotFound, "No such device")
}

func (i *inventory) Remove(_ context.Context, account posture.AccountID, sel device.Selector, mode device.RemoveMode, actor string) error {
	return i.change(account, sel, fmt.Sprintf("%s removes (%d)", actor, mode))
}

func (i *inventory) Act(_ context.Context, account posture.AccountID, r device.ActionRequest) (device.Outcome, error) {
	text := fmt.Sprintf("%s: %s", r.Actor, r.Action)
	switch {
	case r.ExemptFor > 0:
		text += " for " + r.ExemptFor.String()
	case r.Action == device.ActAssignGroup:
		text += fmt.Sprintf(" %d", r.Group)
	case r.Action == device.ActScanThreats:
		text += fmt.Sprintf(" %+v", r.Scan)
	}
	err := i.change(account, r.Device, text)
	switch {
	case errs.Is(err, errs.NotFound), r.Action == device.ActAssignGroup && r.Group > 2, r.Action == device.ActAssignGroup && r.Group < 1:
		return device.Outcome{Result: device.ActionFailed}, nil
	case err != nil:
		return device.Outcome{}, err
	case r.Device.ID == printerID:
		return device.Outcome{Result: device.ActionUnsupported}, nil
	case r.Action == device.ActFetchLog || r.Action == device.ActScanThreats:
		return device.Outcome{Result: device.ActionDone, CommandID: "c-" + string(r.Action)}, nil
	}
	return device.Outcome{Result: device.ActionDone}, nil
}
