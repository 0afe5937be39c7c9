package api

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// report makes one kind of Get Reports.
type report func(*door, *call) error

var (
	reportsV2 = []spelling[report]{
		{word: "OSPatchSummary", means: (*door).patchSummary},
		{word: "DeviceMissingOSPatch", means: (*door).devicesMissingPatch},
		{word: "MissingOSPatch", means: (*door).patchesOfDevice},
	}
	reportsV3 = []spelling[report]{
		{word: "os_patch_summary", means: (*door).patchSummary},
		{word: "device_missing_os_patch", means: (*door).devicesMissingPatch},
		{word: "missing_os_patch", means: (*door).patchesOfDevice},
		{word: "agent_log", means: commandLog(device.FetchAgentLog)},
	}
	reportsV31 = append(reportsV3[:len(reportsV3):len(reportsV3)],
		spelling[report]{word: "scan_threats_log", means: commandLog(device.ScanThreats)},
		spelling[report]{word: "scan_threat_log", means: commandLog(device.ScanThreats), slip: true})
)

// reports makes the report that is asked for: CSV for patches, a ZIP archive for logs, and JSON where there is nothing to
// download.
func (d *door) reports(c *call) error {
	table := reportsV31
	switch {
	case c.version < v3:
		table = reportsV2
	case c.version < v31:
		table = reportsV3
	}
	required(&c.params, "type", inQuery)
	write := choice(&c.params, "type", inQuery, table, nil)
	if c.params.err != nil {
		return c.params.err
	}
	return write(d, c)
}

// patchColumns head the tables of patches.
var patchColumns = []string{"kb", "title", "product", "vendor", "severity", "category", "release_date"}

func patchRow(p *posture.Patch) []string {
	return []string{p.KB, p.Title, p.Product, p.Vendor, p.Severity, p.Category, timestamp(p.Released)}
}

// patchSummary lists every update that devices lack, with how many do.
func (d *door) patchSummary(c *call) error {
	list, err := d.Devices.MissingPatches(c.r.Context(), c.account.ID)
	if err != nil {
		return err
	}
	rows := [][]string{append(patchColumns[:len(patchColumns):len(patchColumns)], "number_of_devices")}
	for i := range list {
		rows = append(rows, append(patchRow(&list[i].Patch), strconv.FormatInt(list[i].Devices, 10)))
	}
	return c.answerCSV("os_patch_summary", rows)
}

// maxReportDevices bounds a report that lists devices.
const maxReportDevices = 100000

// devicesMissingPatch lists the devices that lack an update.
func (d *door) devicesMissingPatch(c *call) error {
	kb := c.params.mustText("kb", inQuery, maxName)
	if c.params.err != nil {
		return c.params.err
	}
	names, err := d.Devices.GroupNames(c.r.Context(), c.account.ID)
	if err != nil {
		return err
	}
	rows := [][]string{{"device_id", "device_name", "group_name", "device_type", "os", "status", "last_seen"}}
	listed := make(map[string]bool)
	for _, name := range patchNames(kb) {
		for after := ""; len(rows) <= maxReportDevices; {
			list, next, err := d.Devices.DevicesMissing(c.r.Context(), c.account.ID, name, after, 500)
			if err != nil {
				return err
			}
			for i := range list {
				if !listed[list[i].ID] {
					listed[list[i].ID] = true
					rows = append(rows, deviceRow(&list[i], names))
				}
			}
			if after = next; next == "" {
				break
			}
		}
	}
	return c.answerCSV("device_missing_os_patch", rows)
}

// patchNames gives the spellings of an update's number: agents report it with KB in front or without, and callers write
// the one or the other.
func patchNames(kb string) []string {
	digits := strings.TrimPrefix(strings.ToUpper(kb), "KB")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return []string{kb}
	}
	return []string{"KB" + digits, digits}
}

func deviceRow(dev *device.Device, groups map[posture.GroupID]string) []string {
	return []string{
		dev.ID, shownName(dev), groups[dev.Cell.Group], string(dev.Type), dev.OSName, wordFor(detailStatuses, dev.Cell.Status), timestamp(dev.SeenAt),
	}
}

// patchesOfDevice lists the updates that one device lacks.
func (d *door) patchesOfDevice(c *call) error {
	id := c.params.mustText("id", inQuery, maxName)
	if c.params.err != nil {
		return c.params.err
	}
	r, err := d.reportOn(c, id)
	if err != nil {
		return err
	}
	rows := [][]string{patchColumns}
	for i := range r.MissingPatches {
		rows = append(rows, patchRow(&r.MissingPatches[i]))
	}
	return c.answerCSV("missing_os_patch", rows)
}

// answerCSV sends a table (RFC 4180). Cells that a spreadsheet would take for a formula are marked as text.
func (c *call) answerCSV(name string, rows [][]string) error {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	for _, row := range rows {
		for i, cell := range row {
			if isFormula(cell) {
				row[i] = "'" + cell
			}
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	c.download("text/csv; charset=utf-8", name+".csv", c.packed(out.Bytes()))
	return w.Error()
}

// isFormula reports whether a spreadsheet may take a cell for a formula: some look behind blanks, some know wide signs, and a
// control character in front means nothing good.
func isFormula(cell string) bool {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \u00a0\u3000"))
	return first != utf8.RuneError && (unicode.IsControl(first) || strings.ContainsRune("=+-@＝＋－＠", first))
}

// download sends a file.
func (c *call) download(media, name string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(http.StatusOK)
	//nolint:errcheck // the client has gone; there is nobody left to tell
	c.w.Write(body)
}

// commandAnswer is Get Reports where there is nothing to download.
type commandAnswer struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// The values of status.
const (
	commandFailed  = -1
	commandPending = 0
	commandSilent  = 1 // done, and there is no log
)

// commandLog gives the log that an agent sent for a command of one kind, once it is there.
func commandLog(kind device.CommandKind) report {
	return func(d *door, c *call) error {
		id := c.params.mustText("command_id", inQuery, maxName)
		if c.params.err != nil {
			return c.params.err
		}
		command, err := d.Devices.Command(c.r.Context(), c.account.ID, id)
		switch {
		case err != nil:
			return err
		case command.Kind != kind:
			return errs.New(errs.NotFound, "There is no such command")
		case command.State == device.CommandDone && len(command.Output) > 0:
			return c.answerZIP(&command)
		default:
			c.answer(standOf(&command))
			return nil
		}
	}
}

// standOf says how far a command has come that there is no log of.
func standOf(command *device.Command) commandAnswer {
	switch {
	case command.State < device.CommandDone:
		return commandAnswer{commandPending, "The device has not answered yet"}
	case command.State == device.CommandDone:
		return commandAnswer{commandSilent, "The device did it and sent no log"}
	case command.State == device.CommandExpired:
		return commandAnswer{commandFailed, "The device did not answer in time"}
	case command.Message == "":
		return commandAnswer{commandFailed, "The device could not do it"}
	default:
		return commandAnswer{commandFailed, "The device could not do it: " + command.Message}
	}
}

func (c *call) answerZIP(command *device.Command) error {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	file, err := w.CreateHeader(&zip.FileHeader{Name: string(command.Kind) + ".log", Method: zip.Deflate, Modified: command.EndedAt})
	if err == nil {
		_, err = file.Write(command.Output)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return err
	}
	c.download("application/zip", string(command.Kind)+"-"+command.ID+".zip", out.Bytes())
	return nil
}
