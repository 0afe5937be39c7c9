package app

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"

	"muster/client"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// serverDevices are those that an application may see at a server.
type serverDevices struct {
	ctx    context.Context //nolint:containedctx // of the command, as in environment
	client *client.Client
	server string
}

// apiPage is the largest page of a list of the API.
const apiPage = 50

func (d *serverDevices) list(limit int) iter.Seq2[deviceView, error] {
	return d.search(nil, limit)
}

func (d *serverDevices) search(words []string, limit int) iter.Seq2[deviceView, error] {
	return func(yield func(deviceView, error) bool) {
		n, query := 0, client.DevicesQuery{Limit: apiPage, Search: strings.Join(words, " ")}
		if limit > 0 {
			query.Limit = min(limit, apiPage)
		}
		for told, err := range d.client.AllDevices(d.ctx, query) {
			if err != nil {
				yield(deviceView{}, d.failure(err))
				return
			}
			n++
			if !yield(toldDevice(&told), nil) || n == limit {
				return
			}
		}
	}
}

func (d *serverDevices) show(name string) (deviceView, error) {
	told, err := d.client.DeviceDetail(d.ctx, name, client.DetailsQuery{})
	if err != nil {
		return deviceView{}, d.failure(err)
	}
	v := toldDetail(&told)
	policy, err := d.client.PolicyCheck(d.ctx, told.ID, true)
	if err != nil {
		return v, d.failure(err)
	}
	for i := range policy.Issues {
		v.Issues = append(v.Issues, toldIssue(&policy.Issues[i]))
	}
	for found, err := range d.client.AllDeviceVulnerabilities(d.ctx, client.DeviceVulnerabilitiesQuery{Device: told.ID, Verbose: true}) {
		if client.IsNotFound(err) { // it never reported
			break
		}
		if err != nil {
			return v, d.failure(err)
		}
		v.Findings = append(v.Findings, toldFinding(&found))
	}
	return v, nil
}

func toldIssue(i *client.Issue) posture.Issue {
	out := posture.Issue{
		Category: toldCategory(i.Category), Check: i.Check, Outcome: posture.Outcome(i.Outcome), Severity: posture.Warning,
		Product: i.Product, Evidence: i.Evidence, Remediation: i.Remediation,
	}
	if i.Critical {
		out.Severity = posture.Critical
	}
	return out
}

// oddCategories are those whose names at the API are not their ids in other letters.
var oddCategories = map[string]posture.Category{
	"Antivirus": posture.Antimalware, "3rd Party Patch Mgmt.": posture.PatchManagement, "Antiphishing": posture.Antiphishing,
	"Web Meeting Recording": posture.RecordingWebMeeting, "Cleaner and Optimizer": posture.CleanerOptimizer,
}

// toldCategory gives Muster's own id of a category.
func toldCategory(name string) posture.Category {
	if c, odd := oddCategories[name]; odd {
		return c
	}
	return posture.Category(strings.ReplaceAll(strings.ToLower(name), " ", "_"))
}

func toldDevice(d *client.Device) deviceView {
	return deviceView{
		ID: d.ID, Name: d.Name, HostName: d.HostName, Type: posture.DeviceType(d.Type), OSFamily: toldFamily(d.OS.Family), OSName: d.OS.Name,
		OSVersion: string(d.OS.Version), Status: toldStatus(d.Status), Severity: string(d.Severity), Managed: toldManaged(d.Status), AgentVersion: d.AgentVersion,
		EnrolledAt: d.Enrolled.Time, SeenAt: d.LastSeen.Time, LinkUser: toldUser(d.LinkedUser), fromServer: true,
	}
}

func toldDetail(d *client.DeviceDetail) deviceView {
	v := toldDevice(&client.Device{
		ID: d.ID, Name: d.Name, HostName: d.HostName, Type: d.Type, OS: d.OS, Status: d.Status, Severity: d.Severity,
		AgentVersion: d.AgentVersion, Enrolled: d.Enrolled, LastSeen: d.LastSeen, LinkedUser: d.LinkedUser,
	})
	for _, n := range d.Networks {
		if mac, ok := posture.ParseMAC(n.MAC); ok {
			v.Adapters = append(v.Adapters, adapterView{MAC: mac.String(), Current: true, Random: mac.LocallyAdministered()})
		}
	}
	return v
}

func toldFinding(f *client.Vulnerability) posture.Finding {
	out := posture.Finding{ID: f.ID, CVEs: []string{f.ID}, KEV: bool(f.KEV)}
	for i, score := range []client.Number{f.OPSWATScore, f.CVSS2Score, f.CVSS3Score} {
		value, ok := score.Float64()
		if !ok {
			value = -1
		}
		out.Scores[i] = value
	}
	out.Levels[posture.ScoreOpswat] = map[string]posture.Level{
		"low": posture.LevelLow, "moderate": posture.LevelMedium, "important": posture.LevelHigh, "critical": posture.LevelCritical,
	}[f.Level]
	return out
}

// toldStatus gives Muster's own spelling.
func toldStatus(s client.Status) string { return strings.ReplaceAll(string(s), "_", "-") }

// toldManaged goes by the status: what has no agent has one of these two.
func toldManaged(s client.Status) bool { return s != client.Unknown && s != client.Ignored }

func toldFamily(name string) posture.OSFamily {
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "mac") {
		return posture.MacOS
	}
	return posture.OSFamily(name)
}

func toldUser(u client.LinkedUser) *device.LinkedUser {
	if u.Username == "" {
		return nil
	}
	return &device.LinkedUser{Username: u.Username, Group: u.Group}
}

// failure says what went wrong in the words of the command line.
func (d *serverDevices) failure(err error) error {
	if d.ctx.Err() != nil {
		return d.ctx.Err()
	}
	told, ok := errors.AsType[*client.Error](err)
	if !ok {
		return errs.Wrap(errs.Unavailable, err, "The server %s did not answer as it should", d.server)
	}
	code := errs.Unavailable
	switch {
	case client.IsNotFound(err):
		code = errs.NotFound
	case client.IsInvalid(err):
		code = errs.Invalid
	case told.Status == http.StatusUnauthorized:
		return errs.Wrap(errs.Unauthenticated, err, "The server %s does not accept the client id and the client secret", d.server)
	}
	message := told.Description
	if message == "" {
		return errs.Wrap(code, err, "The server %s refused the call", d.server)
	}
	return errs.New(code, "%s", message)
}
