package gears

import (
	"context"
	"encoding/json"

	"muster/internal/device"
)

// CustomCheck is a script that the policy of a device asks its agent to run.
type CustomCheck struct {
	ID          string   `json:"id"` // under which the result is reported
	Interpreter string   `json:"interpreter"`
	Seconds     int      `json:"timeout_seconds"`
	Systems     []string `json:"os,omitempty"` // those that it was written for; none for all
	Text        string   `json:"text"`
	Signature   string   `json:"signature,omitempty"`
}

// maxChecks bounds the scripts of an answer, in bytes of JSON: agents read 1 MiB of one.
const maxChecks = 900_000

// checks gives what the agent of a device is to run. Of what would make the answer too long the text is left out: an agent
// that gets an empty script reports that as an error, which is no pass, and which people see.
func (d *door) checks(ctx context.Context, ref device.Ref) ([]CustomCheck, error) {
	all, err := d.Checks(ctx, ref)
	room := maxChecks
	for i := range all {
		text, bad := json.Marshal(all[i])
		if bad != nil || len(text) > room {
			all[i].Text, all[i].Signature = "", ""
			continue
		}
		room -= len(text)
	}
	return all, err
}
