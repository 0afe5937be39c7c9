package app

import (
	"encoding/csv"
	"errors"
	"io"
	"iter"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/posture"
)

type deviceCommand struct {
	List   deviceList   `cmd:"" help:"List the devices of an account in the order of their enrolment."`
	Show   deviceShow   `cmd:"" help:"Show a device, its verdict and why."`
	Import deviceImport `cmd:"" help:"Add devices that have no agent, from a CSV file: mac,name,type."`
	Delete deviceDelete `cmd:"" help:"Delete a device; its agent removes itself at its next contact."`

	Search   deviceSearch   `cmd:"" help:"List the devices that words lead to."`
	Exempt   deviceExempt   `cmd:"" help:"Let a device pass whatever the policy says."`
	Unexempt deviceUnexempt `cmd:"" help:"End an exemption."`

	Unpin      deviceUnpin      `cmd:"" help:"Let rules decide again in which group a device is."`
	Quarantine deviceQuarantine `cmd:"" help:"Hold a device back whatever the policy says."`
	Release    deviceRelease    `cmd:"" help:"End a quarantine."`

	Conflicts deviceConflicts `cmd:"" help:"List devices that look like one machine."`
	Merge     deviceMerge     `cmd:"" help:"Make one device of two that are one machine."`
	Split     deviceSplit     `cmd:"" help:"Say that a hardware id identifies no machine: several have it."`

	Move    deviceMove  `cmd:"" help:"Move a device to another group."`
	Link    deviceLink  `cmd:"" help:"Say who uses a device."`
	Command deviceOrder `cmd:"" help:"Tell the agent of a device what to do."`
}

// deviceView is a device as the command line prints it. The names of its members stay.
type deviceView struct {
	ID           string             `json:"device_id"`
	Name         string             `json:"name"`
	HostName     string             `json:"host_name"`
	Type         posture.DeviceType `json:"type"`
	OSFamily     posture.OSFamily   `json:"os_family"`
	OSName       string             `json:"os_name"`
	OSVersion    string             `json:"os_version"`
	Status       string             `json:"status"`
	Severity     string             `json:"severity"`
	Managed      bool               `json:"managed"`
	AgentVersion string             `json:"agent_version"`
	EnrolledAt   time.Time          `json:"enrolled_at"`
	ReportedAt   time.Time          `json:"reported_at,omitzero"`
	SeenAt       time.Time          `json:"last_seen,omitzero"`
	LinkUser     *device.LinkedUser `json:"link_user,omitempty"`
	Exempted     *exemptionView     `json:"exemption,omitempty"`
	Quarantined  *device.Quarantine `json:"quarantine,omitempty"`
	GroupID      posture.GroupID    `json:"group_id,omitempty"`
	Pinned       bool               `json:"pinned,omitempty"`
	Conflict     bool               `json:"conflict,omitempty"`
	Adapters     []adapterView      `json:"adapters,omitempty"`
	Rule         string             `json:"rule,omitempty"`
	explanation
	inspection
	Issues   []posture.Issue   `json:"issues,omitempty"`
	Findings []posture.Finding `json:"vulnerabilities,omitempty"`
	Levels   map[string]string `json:"vulnerability_levels,omitempty"`
	// fromServer says that what the API does not tell is missing.
	fromServer bool
}

type exemptionView struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason"`
	By     string    `json:"by,omitempty"`
}

type adapterView struct {
	MAC     string    `json:"mac"`
	Current bool      `json:"current"`
	Random  bool      `json:"locally_administered"`
	First   time.Time `json:"first_seen,omitzero"`
	Last    time.Time `json:"last_seen,omitzero"`
}

func viewDevice(d *device.Device) deviceView {
	v := deviceView{
		ID: d.ID, Name: d.Name, HostName: d.HostName, Type: d.Type, OSFamily: d.OSFamily, OSName: d.OSName,
		OSVersion: d.OSVersion, Status: d.Cell.Status.String(), Severity: d.Cell.Severity.String(), Managed: d.Managed,
		AgentVersion: d.AgentVersion, EnrolledAt: d.EnrolledAt, ReportedAt: d.ReportedAt, SeenAt: d.SeenAt, Conflict: d.Conflict,
		GroupID: d.Cell.Group, Pinned: d.Pinned,
	}
	v.StatusSince, v.FailingSince = d.StatusAt, d.FailingSince
	v.decide(d)
	if d.Link.Username != "" {
		v.LinkUser = &d.Link
	}
	if d.Exempted {
		v.Exempted = &exemptionView{d.Exemption.Since, d.Exemption.Until, d.Exemption.Reason, d.Exemption.By}
	}
	if d.Quarantined {
		v.Quarantined = &d.Quarantine
	}
	return v
}

type deviceList struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	Limit       int `help:"Print at most so many; 0 is all." default:"0" placeholder:"N"`
}

// Run lists devices.
func (c *deviceList) Run(env *environment) error {
	return env.withDevices(c.deviceFlags, func(devices deviceSource) error {
		return printDevices(env, devices.list(c.Limit), c.JSON)
	})
}

func printDevices(env *environment, list iter.Seq2[deviceView, error], asJSON bool) error {
	views := []deviceView{}
	t := newTable("DEVICE ID", "NAME", "TYPE", "OS", "STATUS", "SEVERITY", "LAST SEEN")
	for v, err := range list {
		if err != nil {
			return err
		}
		views = append(views, v)
		t.row(v.ID, v.label(), v.Type, v.OSFamily, v.Status, v.Severity, stamp(v.SeenAt))
	}
	if asJSON {
		return printJSON(env.stdout, views)
	}
	return t.print(env.stdout)
}

func (v *deviceView) label() string {
	if v.Name != "" {
		return v.Name
	}
	return v.HostName
}

type deviceShow struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	Device      string `arg:"" help:"Device id, hardware id or MAC address."`
}

// Run shows a device.
func (c *deviceShow) Run(env *environment) error {
	return env.withDevices(c.deviceFlags, func(devices deviceSource) error {
		v, err := devices.show(c.Device)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, v)
		}
		return v.print(env.stdout)
	})
}

type deviceImport struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	File        string `arg:"" help:"CSV file with the columns mac,name,type; - for standard input."`
}

// Run imports the file, if every line of it can be read.
func (c *deviceImport) Run(env *environment) error {
	file := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it was only read
		file = f
	}
	sightings, err := readSightings(file)
	if err != nil {
		return err
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		added, err := s.devices.Import(env.ctx, a.ID, sightings)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, map[string]int{"added": added, "known": len(sightings) - added})
		}
		return printLine(env.stdout, "added", added, "devices;", len(sightings)-added, "were known already")
	})
}

// readSightings reads lines of mac,name,type; name and type may be missing, and a first line that names the columns is
// passed over. Every mistake is reported with its line.
func readSightings(r io.Reader) ([]device.Sighting, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord, in.TrimLeadingSpace = -1, true
	var out []device.Sighting
	var mistakes []error
	for first := true; ; first = false {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out, errors.Join(mistakes...)
		}
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "The file is not CSV")
		}
		if first && strings.EqualFold(strings.TrimPrefix(fields[0], "\ufeff"), "mac") {
			continue
		}
		s, err := readSighting(fields)
		if err != nil {
			line, _ := in.FieldPos(0)
			mistakes = append(mistakes, errs.Wrap(errs.Invalid, nil, "line %d: %v", line, err))
			continue
		}
		out = append(out, s)
	}
}

func readSighting(fields []string) (s device.Sighting, err error) {
	fields = append(fields, "", "")
	mac, ok := posture.ParseMAC(strings.TrimSpace(strings.TrimPrefix(fields[0], "\ufeff")))
	if !ok {
		return s, errs.InvalidField("mac", "%q is not a MAC address", fields[0])
	}
	name := strings.TrimSpace(fields[1])
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) || utf8.RuneCountInString(name) > device.MaxNameLength {
		return s, errs.InvalidField("name", "the name must be valid UTF-8 of at most %d characters", device.MaxNameLength)
	}
	kind := strings.ToLower(strings.TrimSpace(fields[2]))
	s = device.Sighting{MAC: mac, Name: name, Type: posture.ParseDeviceType(kind)}
	if kind != "" && s.Type == "" {
		return s, errs.InvalidField("type", "%q is not one of desktop, laptop, server, vm, phone, tablet", kind)
	}
	return s, nil
}
