package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"muster/internal/agent/protocol"
	"muster/internal/atomicfile"
)

// Status is what an agent tells everybody on its machine. There is nothing secret in it.
type Status struct {
	Version  string `json:"version"`
	Server   string `json:"server,omitempty"`
	DeviceID string `json:"device_id,omitempty"`
	// Verdict is in the protocol's words, "" until there is one.
	Verdict     string    `json:"status,omitempty"`
	Issues      int       `json:"issues"`
	Critical    int       `json:"critical_issues"`
	Remediation string    `json:"remediation_link,omitempty"`
	Judged      time.Time `json:"judged_at,omitzero"`
	Reported    time.Time `json:"last_report,omitzero"`
	Contact     time.Time `json:"last_contact,omitzero"`
	Error       string    `json:"error,omitempty"`            // why the last contact failed, or what else is wrong
	Question    string    `json:"question,omitempty"`         // what the administrator asks the user
	Pattern     string    `json:"question_pattern,omitempty"` // of answers that the administrator takes
	Retired     time.Time `json:"retired,omitzero"`
}

func (r *runner) showVerdict(v protocol.Verdict) {
	s := &r.status
	if s.Verdict != v.Status {
		r.log.Info("the server judged this machine", "status", v.Status, "issues", v.Issues, "critical", v.Critical)
	}
	s.Verdict, s.Issues, s.Critical, s.Remediation, s.Judged = v.Status, v.Issues, v.Critical, v.Remediation, second(r.host.Now())
}

func (r *runner) showContact(at time.Time) {
	r.status.Contact, r.status.Error = second(at), ""
	r.show()
}

func (r *runner) showError(err error) {
	r.status.Error = err.Error()
	r.show()
}

// show writes the status for others to read. That it cannot is no reason to stop.
func (r *runner) show() {
	s := &r.status
	s.Version, s.Server, s.DeviceID, s.Reported = Version, r.settings.Server, r.state.Credentials.DeviceID, second(r.state.Reported)
	s.Retired, s.Question, s.Pattern = r.state.Retired, "", ""
	if s.Error == "" && r.unsaved != nil {
		s.Error = r.unsaved.Error()
	}
	if r.config.UserIdentity.Enable != 0 {
		s.Pattern = r.config.UserIdentity.Regex
	}
	if r.config.UserIdentity.Enable != 0 && userIdentity(r.settings.StateDir) == "" {
		s.Question = r.config.UserIdentity.Msg
	}
	if r.settings.StatusFile == "" {
		return
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(r.settings.StatusFile), 0o755) //nolint:gosec // for everybody to read
	}
	if err == nil {
		err = atomicfile.Write(r.settings.StatusFile, append(raw, '\n'), 0o644)
	}
	if err != nil {
		r.log.Warn("the status cannot be shown", "error", err)
	}
}

func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
