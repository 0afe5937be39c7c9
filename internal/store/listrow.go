package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"muster/internal/device"
	"muster/internal/posture"
)

// A row of a list is read as one text: numbers with blanks between them, among them how many bytes each of the texts has
// that follow without anything between. Drivers take several times longer to hand over forty columns one by one than
// databases to find them. What lists do not need is left out: the digests, and what judged.

// listNumbers are the numbers of a row.
var listNumbers = []struct {
	column string
	set    func(*device.Device, int64)
}{
	{"d.account_id", func(d *device.Device, n int64) { d.Account = posture.AccountID(n) }},
	{"d.lifecycle", func(d *device.Device, n int64) { d.Lifecycle = device.Lifecycle(n) }},
	{"d.group_id", func(d *device.Device, n int64) { d.Cell.Group = posture.GroupID(n) }},
	{"d.status", func(d *device.Device, n int64) { d.Cell.Status = posture.Status(n) }},
	{"d.judged", func(d *device.Device, n int64) { d.Judged = posture.Status(n) }},
	{"d.severity", func(d *device.Device, n int64) { d.Cell.Severity = posture.IssueSeverity(n) }},
	{"d.level_opswat", func(d *device.Device, n int64) { d.Cell.Levels[0] = posture.Level(n) }},
	{"d.level_cvss2", func(d *device.Device, n int64) { d.Cell.Levels[1] = posture.Level(n) }},
	{"d.level_cvss3", func(d *device.Device, n int64) { d.Cell.Levels[2] = posture.Level(n) }},
	{"d.managed", func(d *device.Device, n int64) { d.Managed = n != 0 }},
	{"d.conflict", func(d *device.Device, n int64) { d.Conflict = n != 0 }},
	{"d.issues_critical", func(d *device.Device, n int64) { d.Issues.Critical = int(n) }},
	{"d.issues_warning", func(d *device.Device, n int64) { d.Issues.Warning = int(n) }},
	{"d.vulnerabilities", func(d *device.Device, n int64) { d.Vulnerabilities = int(n) }},
	{"d.enrolled_at", func(d *device.Device, n int64) { d.EnrolledAt = timeOf(n) }},
	{"d.reported_at", func(d *device.Device, n int64) { d.ReportedAt = timeOf(n) }},
	{"d.next_change_at", func(d *device.Device, n int64) { d.NextChange = timeOf(n) }},
	{"d.status_at", func(d *device.Device, n int64) { d.StatusAt = timeOf(n) }},
	{"d.exempted", func(d *device.Device, n int64) { d.Exempted = n != 0 }},
	{"d.exempt_since", func(d *device.Device, n int64) { d.Exemption.Since = timeOf(n) }},
	{"d.exempt_until", func(d *device.Device, n int64) { d.Exemption.Until = timeOf(n) }},
	{"COALESCE(s.seen_at, 0)", func(d *device.Device, n int64) { d.SeenAt = timeOf(n) }},
	{"COALESCE(s.reported_at, 0)", func(d *device.Device, n int64) { d.LastReport = timeOf(n) }},
	{"d.failing_since", func(d *device.Device, n int64) { d.FailingSince = timeOf(n) }},
	{"d.pinned", func(d *device.Device, n int64) { d.Pinned = n != 0 }},
}

// listTexts are the texts of a row.
var listTexts = []struct {
	column string
	set    func(*device.Device, string)
}{
	{"d.id", func(d *device.Device, s string) { d.ID = s }},
	{"d.hardware_id", func(d *device.Device, s string) { d.HardwareID = s }},
	{"d.serial", func(d *device.Device, s string) { d.Serial = s }},
	{"d.name", func(d *device.Device, s string) { d.Name = s }},
	{"d.host_name", func(d *device.Device, s string) { d.HostName = s }},
	{"d.user_identity", func(d *device.Device, s string) { d.UserIdentity = s }},
	{"d.device_type", func(d *device.Device, s string) { d.Type = posture.DeviceType(s) }},
	{"d.os_family", func(d *device.Device, s string) { d.OSFamily = posture.OSFamily(s) }},
	{"d.os_name", func(d *device.Device, s string) { d.OSName = s }},
	{"d.os_version", func(d *device.Device, s string) { d.OSVersion = s }},
	{"d.agent_type", func(d *device.Device, s string) { d.AgentType = s }},
	{"d.agent_version", func(d *device.Device, s string) { d.AgentVersion = s }},
	{"d.linked_id", func(d *device.Device, s string) { d.LinkedID = s }},
	{"d.exempt_reason", func(d *device.Device, s string) { d.Exemption.Reason = s }},
	{"d.exempt_by", func(d *device.Device, s string) { d.Exemption.By = s }},
	{"d.link_username", func(d *device.Device, s string) { d.Link.Username = s }},
	{"d.link_group", func(d *device.Device, s string) { d.Link.Group = s }},
	{"d.profile", func(d *device.Device, s string) { d.PackedProfile = s }},
	{"d.hold", func(d *device.Device, s string) { d.Quarantine.Reason = s }}, // scanListed reads it
}

// listRow is the one column of a row of a list, of devices d and device_seen s.
var listRow = func() string {
	var numbers, texts []string
	for i := range listNumbers {
		numbers = append(numbers, listNumbers[i].column)
	}
	for i := range listTexts {
		numbers = append(numbers, "octet_length("+listTexts[i].column+")")
		texts = append(texts, listTexts[i].column)
	}
	return "concat_ws(' ', " + strings.Join(numbers, ", ") + ", concat_ws('', " + strings.Join(texts, ", ") + "))"
}()

const fromListed = ` devices d LEFT JOIN device_seen s ON s.account_id = d.account_id AND s.device_id = d.id`

var errBrokenRow = errors.New("a row of a list cannot be read")

// scanListed reads a listRow.
func scanListed(r scanner, d *device.Device) error {
	var row string
	err := r.Scan(&row)
	if err != nil {
		return err
	}
	for i := range listNumbers {
		var n int64
		n, row, err = cutNumber(row)
		if err != nil {
			return err
		}
		listNumbers[i].set(d, n)
	}
	lengths := make([]int64, len(listTexts))
	for i := range lengths {
		lengths[i], row, err = cutNumber(row)
		if err != nil {
			return err
		}
	}
	for i, n := range lengths {
		if n < 0 || n > int64(len(row)) {
			return errBrokenRow
		}
		listTexts[i].set(d, row[:n])
		row = row[n:]
	}
	if d.SeenAt.Before(d.ReportedAt) {
		d.SeenAt = d.ReportedAt
	}
	if d.LastReport.Before(d.ReportedAt) {
		d.LastReport = d.ReportedAt
	}
	hold := d.Quarantine.Reason
	d.Quarantine = device.Quarantine{}
	return setHold(d, hold)
}

func cutNumber(row string) (n int64, rest string, err error) {
	text, rest, _ := strings.Cut(row, " ")
	n, err = strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, "", fmt.Errorf("%w: %w", errBrokenRow, err)
	}
	return n, rest, nil
}
