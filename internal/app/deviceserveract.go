package app

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strconv"

	"muster/client"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

func (d *serverDevices) remove(name string, mode device.RemoveMode) (string, error) {
	modes := map[device.RemoveMode]client.DeleteMode{
		device.RemoveAgent: client.KeepDevice, device.RemoveData: client.EraseData, device.RemoveAndArchive: client.ArchiveData,
	}
	err := d.client.DeleteDevice(d.ctx, name, modes[mode])
	if err != nil {
		return "", d.failure(err)
	}
	return name, nil
}

func (d *serverDevices) act(name string, r device.ActionRequest) (device.Outcome, error) {
	if r.Reason != "" {
		return device.Outcome{}, errs.InvalidField("reason", "--reason: the API of a server has no place for it")
	}
	request := client.ActionRequest{Action: client.Action(r.Action), IDs: []string{name}, ExemptFor: r.ExemptFor}
	switch r.Action {
	case device.ActAssignGroup:
		request.Group = strconv.FormatInt(int64(r.Group), 10)
	case device.ActScanThreats:
		request.Scan = &client.Scan{Full: r.Scan.FullScan}
	}
	list, err := d.client.Act(d.ctx, request)
	if err != nil {
		return device.Outcome{}, d.failure(err)
	}
	if len(list) != 1 {
		return device.Outcome{}, errs.New(errs.Unavailable, "The server %s gives %d results for one device", d.server, len(list))
	}
	return done(device.Outcome{Result: device.ActionResult(list[0].Status), CommandID: string(list[0].CommandID)})
}

func (d *serverDevices) group(name string) (posture.GroupID, error) {
	var list []device.Group
	for told, err := range d.client.AllGroups(d.ctx, client.GroupsQuery{}) {
		if err != nil {
			return 0, d.failure(err)
		}
		id, err := strconv.ParseInt(string(told.ID), 10, 64)
		if err == nil {
			list = append(list, device.Group{ID: posture.GroupID(id), Name: told.Name})
		}
	}
	g, err := findGroup(list, name)
	return g.ID, err
}

func (d *serverDevices) link(name string, user device.LinkedUser) error {
	err := d.client.LinkUser(d.ctx, name, client.LinkedUser{Username: user.Username, Group: user.Group})
	if err != nil {
		return d.failure(err)
	}
	return nil
}

// pendingCommand is the status of a command that the agent has not answered.
const pendingCommand = "0"

func (d *serverDevices) log(kind device.CommandKind, id string) ([]byte, error) {
	query := client.ReportQuery{Type: client.AgentLog, CommandID: id}
	if kind == device.ScanThreats {
		query.Type = client.ThreatScanLog
	}
	report, err := d.client.Report(d.ctx, query)
	if none, ok := errors.AsType[*client.NoReport](err); ok {
		if none.Status == pendingCommand {
			return nil, errNoLogYet
		}
		return nil, errs.New(errs.Conflict, "There is no log: %s", none.Message)
	}
	if err != nil {
		return nil, d.failure(err)
	}
	defer report.Body.Close() //nolint:errcheck // it was only read
	return unpack(report.Body)
}

// unpack gives the file in an archive that holds one. An agent's log is small.
func unpack(r io.Reader) ([]byte, error) {
	packed, err := io.ReadAll(io.LimitReader(r, 4*device.MaxCommandOutput))
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The log is not a ZIP archive")
	}
	if len(archive.File) != 1 {
		return nil, errs.New(errs.Unavailable, "The archive of the log holds %d files", len(archive.File))
	}
	file, err := archive.File[0].Open()
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(file, 4*device.MaxCommandOutput))
}
