package gears

import (
	"net/http"
	"time"

	"muster/internal/device"
	"muster/internal/web"
)

// RemediationPath is where the device owner's page is found below the base URL; the device id follows.
const RemediationPath = "/device/"

// policyCheck tells an agent what is thought of its device.
func (d *door) policyCheck(w http.ResponseWriter, r *http.Request, ref device.Ref) error {
	s, err := d.Devices.Summary(r.Context(), ref)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, struct {
		Status          string `json:"status"`
		TotalIssue      int    `json:"total_issue"`
		TotalCritical   int    `json:"total_critical_issue"`
		RemediationLink string `json:"remediation_link"`
		LastSeen        string `json:"last_seen,omitempty"`
	}{s.Status.String(), s.Issues.Total(), s.Issues.Critical, d.BaseURL(r) + RemediationPath + ref.ID, timestamp(s.SeenAt)})
	return nil
}

// timestamp writes a time as all answers do, and "" for never.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
