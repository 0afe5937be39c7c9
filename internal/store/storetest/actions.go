package storetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/store"
)

// recorded gives the events of an account in their order, each as "kind actor detail". It reads them from a backup, the
// one place that shows all of them.
func (b *bench) recorded(t *testing.T, deviceID string) []string {
	t.Helper()
	var file bytes.Buffer
	_, err := b.Backup(t.Context(), &file)
	check(t, err)
	zr, err := zstd.NewReader(&file)
	check(t, err)
	defer zr.Close()
	lines := bufio.NewScanner(zr)
	lines.Buffer(nil, 64<<20)
	var columns, out []string
	for lines.Scan() {
		var table struct {
			Table   string
			Columns []string
		}
		if json.Unmarshal(lines.Bytes(), &table) == nil && table.Columns != nil {
			columns = nil
			if table.Table == "events" {
				columns = table.Columns
			}
			continue
		}
		var row []any
		if columns == nil || json.Unmarshal(lines.Bytes(), &row) != nil {
			continue
		}
		of := func(column string) string {
			text, _ := row[slices.Index(columns, column)].(string)
			return text
		}
		if of("device_id") == deviceID {
			out = append(out, of("id")+"\x00"+strings.TrimSpace(of("kind")+" "+of("actor")+" "+of("detail")))
		}
	}
	check(t, lines.Err())
	slices.Sort(out)
	for i := range out {
		_, out[i], _ = strings.Cut(out[i], "\x00")
	}
	return out
}

func (b *bench) act(t *testing.T, action device.Action, id string) device.Outcome {
	t.Helper()
	out, err := b.svc.Act(t.Context(), b.account, device.ActionRequest{Action: action, Device: device.Selector{ID: id}, Actor: "app-1", Group: posture.DefaultGroup})
	check(t, err)
	b.clock.advance(time.Second)
	return out
}

// testActions tries every action on every kind of device.
func testActions(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	enrol := map[string]device.Registration{
		"reporting": {HardwareID: "HW-0001"}, "installed": {HardwareID: "HW-0002"},
		"phone": {HardwareID: "HW-0003", OS: posture.OS{Family: posture.Android}}, "agent removed": {HardwareID: "HW-0004"},
	}
	id := map[string]string{"nobody": "0193593aa1b27c3d8e4f5a6b7c8d9e0f"}
	for _, name := range []string{"reporting", "installed", "phone", "agent removed"} {
		id[name] = b.enrol(t, enrol[name]).DeviceID
	}
	b.report(t, id["reporting"], "4/2/4", posture.Report{})
	check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: id["agent removed"]}, device.RemoveAgent, ""))
	for name, mac := range map[string]string{"imported": "00:0c:29:00:00:01", "ignored": "00:0c:29:00:00:02"} {
		_, err := b.svc.Import(ctx, b.account, []device.Sighting{{MAC: Adapters(mac)[0].MAC}})
		check(t, err)
		d, err := b.svc.Find(ctx, b.account, device.SelectorOf(mac))
		check(t, err)
		id[name] = d.ID
	}
	check(t, second(b.svc.Act(ctx, b.account, device.ActionRequest{Action: device.ActIgnore, Device: device.Selector{ID: id["ignored"]}})))
	check(t, second(b.UpdateAccount(ctx, b.account, func(a *identity.Account) ([]event.Event, error) { a.DevicesAllowed = 3; return nil, nil })))
	wantCode(t, second(b.svc.Enrol(ctx, b.account, device.Registration{HardwareID: "HW-0009"})), errs.OverLicence)
	id["over licence"] = b.device(t, "HW-0009").ID

	const done, failed, unsupported = device.ActionDone, device.ActionFailed, device.ActionUnsupported
	devices := []string{"reporting", "installed", "phone", "agent removed", "imported", "ignored", "over licence", "nobody"}
	for _, c := range []struct {
		action device.Action
		want   []device.ActionResult
	}{
		{device.ActUnexempt, []device.ActionResult{done, done, done, unsupported, unsupported, unsupported, unsupported, failed}},
		{device.ActExempt, []device.ActionResult{done, done, done, unsupported, unsupported, unsupported, unsupported, failed}},
		{device.ActUnexempt, []device.ActionResult{done, done, done, unsupported, unsupported, unsupported, unsupported, failed}},
		{device.ActUnignore, []device.ActionResult{unsupported, unsupported, unsupported, unsupported, unsupported, done, unsupported, failed}},
		{device.ActIgnore, []device.ActionResult{unsupported, unsupported, unsupported, done, done, done, unsupported, failed}},
		{device.ActUnignore, []device.ActionResult{unsupported, unsupported, unsupported, done, done, done, unsupported, failed}},
		{device.ActRenewDHCP, []device.ActionResult{done, done, unsupported, unsupported, unsupported, unsupported, unsupported, failed}},
		{device.ActFetchLog, []device.ActionResult{done, done, unsupported, unsupported, unsupported, unsupported, unsupported, failed}},
		{device.ActScanThreats, []device.ActionResult{done, done, unsupported, unsupported, unsupported, unsupported, unsupported, failed}},
		{device.ActReidentify, []device.ActionResult{done, done, done, unsupported, unsupported, unsupported, unsupported, failed}},
		{device.ActAssignGroup, []device.ActionResult{done, done, done, done, done, done, done, failed}},
		{device.ActDelete, []device.ActionResult{done, done, done, done, done, done, done, failed}},
		{device.ActDelete, []device.ActionResult{failed, failed, failed, failed, failed, failed, failed, failed}},
	} {
		for i, name := range devices {
			if got := b.act(t, c.action, id[name]).Result; got != c.want[i] {
				t.Errorf("%s on %s: %d, want %d", c.action, name, got, c.want[i])
			}
		}
		CheckCounts(ctx, t, b.Store, b.account)
	}
	want := []string{"command_ended  re-identify: failed", "command_queued app-1 re-identify", "deleted_api app-1 with its data",
		"enrolled", "exempted app-1", "unexempted app-1"}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(b.recorded(t, id["phone"])))); diff != "" {
		t.Error(diff)
	}
	for _, r := range []device.ActionRequest{
		{Action: "quarantine"}, {Action: device.ActExempt, ExemptFor: -time.Hour},
		{Action: device.ActScanThreats, Scan: device.CommandParams{ScanTypes: []int{6}}},
		{Action: device.ActScanThreats, Scan: device.CommandParams{ScanTypes: []int{1, 1}}},
		{Action: device.ActScanThreats, Scan: device.CommandParams{ScanTypes: []int{4}}},
		{Action: device.ActScanThreats, Scan: device.CommandParams{Path: "/tmp"}},
		{Action: device.ActScanThreats, Scan: device.CommandParams{ScanTypes: []int{4}, Path: "a\x00b"}},
	} {
		wantCode(t, second(b.svc.Act(ctx, b.account, r)), errs.Invalid)
	}
}

// testExemptionsByAction: they last as long as they were asked for, and end in time.
func testExemptionsByAction(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	id := b.enrol(t, device.Registration{}).DeviceID
	bad := posture.Report{OS: posture.OS{Name: "4/2/4"}}
	check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id}, Submission(bad, "4/2/4|")))
	sel := device.Selector{ID: id}
	exempt := func(length time.Duration) device.Device {
		check(t, second(b.svc.Act(ctx, b.account, device.ActionRequest{Action: device.ActExempt, Device: sel, ExemptFor: length})))
		return b.device(t, id)
	}
	if d := exempt(0); d.Cell.Status != posture.StatusExempted || !d.Exemption.Until.IsZero() {
		t.Errorf("for good: %+v", d.Exemption)
	}
	if d := exempt(24 * time.Hour); !d.Exemption.Until.Equal(b.clock.at.Add(24 * time.Hour)) {
		t.Errorf("for a day: %+v", d.Exemption)
	}
	b.clock.advance(25 * time.Hour)
	check(t, second(b.svc.Sweep(ctx, b.account)))
	if d := b.device(t, id); d.Cell.Status != posture.StatusNonCompliant || d.Exempted {
		t.Errorf("the exemption did not end: %+v", d)
	}
	CheckCounts(ctx, t, b.Store, b.account)
}

// testRemoval deletes in each of the ways, and lets the agent call and come back.
func testRemoval(t *testing.T, e Engine) {
	for mode, name := range []string{"agent", "data", "archive"} {
		t.Run(name, func(t *testing.T) { testRemovalMode(t, e, device.RemoveMode(mode)) })
	}
	b := newBench(t, e)
	en := b.enrol(t, device.Registration{})
	sel := device.Selector{ID: en.DeviceID}
	wantCode(t, b.svc.Remove(t.Context(), b.account, sel, 3, ""), errs.Invalid)
	wantCode(t, b.svc.Remove(t.Context(), b.account, device.Selector{ID: "nobody"}, device.RemoveData, ""), errs.NotFound)
	other := Account(t, b.Store, "other", 10)
	wantCode(t, b.svc.Remove(t.Context(), other, sel, device.RemoveData, ""), errs.NotFound)
}

func testRemovalMode(t *testing.T, e Engine, mode device.RemoveMode) {
	b := newBench(t, e)
	ctx := t.Context()
	reg := device.Registration{HardwareID: "HW-0001", Serial: "SN-0001", Name: "lab-1", HostName: "lab-1.example.test",
		OS: posture.OS{Family: posture.Linux}, Adapters: Adapters("00:0c:29:00:00:01", "00:0c:29:00:00:02")}
	en := b.enrol(t, reg)
	ref := device.Ref{Account: b.account, ID: en.DeviceID}
	last := posture.Report{OS: posture.OS{Name: "4/2/4"}, HardwareID: "HW-0001", UserIdentity: "kari@example.net", Adapters: Adapters("00:0c:29:00:00:01")}
	b.report(t, en.DeviceID, "4/2/4", last)
	check(t, b.svc.LinkUser(ctx, b.account, device.Selector{ID: ref.ID}, device.LinkedUser{Username: "kari"}))
	command := b.act(t, device.ActFetchLog, ref.ID).CommandID
	twin := b.enrol(t, device.Registration{Name: "twin"})
	b.report(t, twin.DeviceID, "3/0/0", posture.Report{HardwareID: "HW-0001"})
	// Another server that has authenticated the agent just before.
	check(t, second(b.svc.Authenticate(ctx, b.account, ref.ID, en.Key, en.Token)))

	// It goes while a report of it is on its way.
	late := Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}, HostName: "late"}, "{}")
	decode := late.Decode
	late.Decode = func() (*posture.Report, error) {
		check(t, b.svc.Remove(ctx, b.account, device.SelectorOf("00:0c:29:00:00:01"), mode, "app-1"))
		return decode()
	}
	wantCode(t, b.svc.Report(ctx, ref, late), errs.Unauthenticated)
	if b.device(t, twin.DeviceID).Conflict {
		t.Error("the twin is still in conflict")
	}
	b.report(t, twin.DeviceID, "3/0/0", posture.Report{HardwareID: "HW-0002"})
	wantCode(t, second(b.svc.Authenticate(ctx, b.account, ref.ID, en.Key, en.Token)), errs.Unauthenticated)
	wantCode(t, second(b.svc.AuthenticateAny(ctx, b.account, en.Key, en.Token)), errs.Unauthenticated)
	wantCode(t, b.svc.Report(ctx, ref, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "{}")), errs.Unauthenticated)
	wantCode(t, b.svc.Report(ctx, ref, Submission(last, "{}")), errs.Unauthenticated) // the one that is stored
	wantCode(t, b.svc.Retire(ctx, ref), errs.Unauthenticated)
	_, standing, err := b.svc.Standing(ctx, ref.ID, en.Token, en.Key)
	if err != nil || standing != device.StandingRemoved {
		t.Errorf("the agent asks: %v, %v", standing, err)
	}
	if list, err := b.svc.Commands(ctx, ref); err != nil || len(list) != 0 {
		t.Errorf("it still has commands: %v, %v", list, err)
	}
	if events := b.recorded(t, ref.ID); !slices.Contains(events, "command_ended  fetch_agent_log: failed") {
		t.Errorf("the end of the command is not recorded: %v", events)
	}
	CheckCounts(ctx, t, b.Store, b.account)
	b.afterRemoval(t, mode, ref, command)

	back := b.enrol(t, reg)
	d := b.device(t, back.DeviceID)
	if back.DeviceID != ref.ID || !d.Managed || d.Cell.Status != posture.StatusInstalled {
		t.Errorf("it came back as %+v", d)
	}
	check(t, second(b.svc.Authenticate(ctx, b.account, ref.ID, back.Key, back.Token)))
	b.report(t, ref.ID, "3/0/0", posture.Report{})
	CheckCounts(ctx, t, b.Store, b.account)
}

// afterRemoval looks at what is left.
func (b *bench) afterRemoval(t *testing.T, mode device.RemoveMode, ref device.Ref, command string) {
	t.Helper()
	ctx := t.Context()
	d, err := b.svc.Find(ctx, b.account, device.Selector{ID: ref.ID})
	c, cmdErr := b.svc.Command(ctx, b.account, command)
	if mode == device.RemoveAgent {
		if err != nil || d.Managed || d.Cell != (posture.Cell{Group: posture.DefaultGroup}) || d.HostName != "lab-1.example.test" || d.Link.Username != "kari" {
			t.Errorf("the device that stays: %+v, %v", d, err)
		}
		check(t, second(b.svc.Verdict(ctx, b.account, ref.ID)))
	} else {
		wantCode(t, err, errs.NotFound)
	}
	if mode == device.RemoveData {
		wantCode(t, cmdErr, errs.NotFound)
	} else if cmdErr != nil || c.State != device.CommandFailed || c.EndedAt.IsZero() {
		t.Errorf("its command: %+v, %v", c, cmdErr)
	}
	macs, err := b.svc.Adapters(ctx, b.account, ref.ID)
	want := 2
	if mode == device.RemoveData {
		want = 1
	}
	if err != nil || len(macs) != want {
		t.Errorf("addresses: %+v, %v", macs, err)
	}
	var row device.Device
	check(t, b.Store.Change(ctx, device.Change{Device: ref.ID, Do: func(tx device.Tx) (err error) {
		row, err = tx.DeviceForUpdate(ctx, b.account, ref.ID)
		return err
	}}))
	if row.HardwareID != "hw-0001" || row.Serial != "sn-0001" || row.OSFamily != posture.Linux || len(row.Credentials) == 0 {
		t.Errorf("what recognises the machine has gone: %+v", row)
	}
	erased := row.Name == "" && row.HostName == "" && row.UserIdentity == "" && row.Link == (device.LinkedUser{}) && len(row.Digest) == 0 && row.Issues == (device.Issues{})
	if erased != (mode == device.RemoveData) {
		t.Errorf("erased = %v: %+v", erased, row)
	}
}

// exerciseActions uses every statement about actions, commands and groups.
func exerciseActions(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	clock := &clock{time.Now()}
	svc := service(s, clock.now)
	name := "exercise"
	g, err := svc.CreateGroup(ctx, account, device.GroupChange{Name: &name}, "")
	check(t, err)
	check(t, second(svc.UpdateGroup(ctx, account, g.ID, device.GroupChange{}, "")))
	check(t, second(svc.Groups(ctx, account)))
	check(t, second(svc.DissolveGroup(ctx, account, g.ID, posture.DefaultGroup, nil, "")))
	for _, mode := range []device.RemoveMode{device.RemoveAgent, device.RemoveData, device.RemoveAndArchive} {
		en, err := svc.Enrol(ctx, account, device.Registration{})
		check(t, err)
		ref, sel := device.Ref{Account: account, ID: en.DeviceID}, device.Selector{ID: en.DeviceID}
		out, err := svc.Act(ctx, account, device.ActionRequest{Action: device.ActFetchLog, Device: sel})
		check(t, err)
		check(t, second(svc.Act(ctx, account, device.ActionRequest{Action: device.ActRenewDHCP, Device: sel})))
		check(t, second(svc.Commands(ctx, ref)))
		check(t, svc.CommandResult(ctx, ref, out.CommandID, "", true, "", nil))
		check(t, second(svc.Command(ctx, account, out.CommandID)))
		check(t, svc.LookForCommands(ctx))
		clock.advance(device.CommandLife + time.Second)
		check(t, svc.TidyCommands(ctx))
		check(t, svc.Remove(ctx, account, sel, mode, "app"))
	}
}
