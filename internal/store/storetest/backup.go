package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/store"
)

// unpacked gives the lines of a backup, without its trailer.
func unpacked(t *testing.T, file []byte) []string {
	t.Helper()
	zr, err := zstd.NewReader(bytes.NewReader(file))
	check(t, err)
	defer zr.Close()
	text, err := io.ReadAll(zr)
	check(t, err)
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	return lines[:len(lines)-1]
}

// packed makes a backup of lines.
func packed(t *testing.T, lines []string) io.Reader {
	t.Helper()
	rows := 0
	for _, line := range lines {
		if line[0] == '[' {
			rows++
		}
	}
	text := strings.Join(lines, "")
	text += fmt.Sprintf("{\"rows\":%d,\"sha256\":\"%x\"}\n", rows, sha256.Sum256([]byte(text)))
	var file bytes.Buffer
	zw, err := zstd.NewWriter(&file)
	check(t, err)
	_, err = zw.Write([]byte(text))
	check(t, err)
	check(t, zw.Close())
	return &file
}

func backedUp(ctx context.Context, t *testing.T, s *store.Store) []string {
	t.Helper()
	var file bytes.Buffer
	_, err := s.Backup(ctx, &file)
	check(t, err)
	return unpacked(t, file.Bytes())
}

// columnKinds says what a column is, where its name does not tell.
var columnKinds = []struct{ part, kind string }{
	{"catalogue_facts.data", "bytes"}, {"score_", "fraction"}, {"output", "bytes"}, {"facets", "bytes"}, {"found", "bytes"}, {"hash", "bytes"}, {"_id", "number"}, {"id", "number"},
	{"_at", "number"}, {"level_", "number"}, {"status", "number"}, {"devices", "number"}, {"at", "number"},
	{"cves", "number"}, {"kev", "number"}, {"state", "number"}, {"next", "number"}, {"facet", "number"}, {"rate_limit", "number"}, {"tokens.kind", "number"},
	{"policies.version", "number"}, {"policy_versions.version", "number"}, {"revision", "number"}, {"uses", "number"}, {"enabled", "number"}, {"failures", "number"}, {"took", "number"},
	{"attempt", "number"}, {"total", "number"}, {"done", "number"}, {"changed", "number"}, {"failed", "number"}, {"webhook_deliveries.events", "number"},
	{"by_vendor", "number"}, {"other_version", "number"}, {"topics", "number"}, {"lease_until", "number"}, {"vulnerabilities.accepted", "number"},
	{"generation", "number"}, {"catalogue.reached", "number"}, {"catalogue.purged", "number"}, {"first_staged", "number"}, {"import_until", "number"},
	{"first_entry", "number"}, {"first_fact", "number"}, {"as_of", "number"}, {"entries", "number"}, {"gone", "number"},
	{"catalogue_entries.modified", "number"}, {"catalogue_entries.digest", "bytes"}, {"added", "number"}, {"catalogue_entries.removed", "number"},
	{"replaces", "number"}, {"heir", "number"}, {"catalogue_entries.facts", "number"}, {"catalogue_facts.keys", "bytes"},
	{"rank", "number"},
	{"place", "number"}, {"listed", "number"}, {"device_chunks.chunk", "number"}, {"slots", "number"}, {"facet_chunks.chunk", "number"}, {"facet_chunks.n", "number"},
	{"members", "bytes"}, {"report_bases.content", "bytes"}, {"report_bases.marks", "bytes"}, {"packed_verdict", "bytes"},
}

// texts are columns that are texts though their names look otherwise.
var texts = []string{"device_commands.id", "access_activities.id", "device_id", "client_id", "catalogue", "category", "released",
	"runs.id", "operators.id", "registration_codes.id", "webhooks.id", "webhook_deliveries.id", "webhook_id", "event_id", "hardware_id",
	"accepted_risks.id", "accepted_risks.status", "statement", "justification", "catalogue_feeds.format",
	"device_chunks.first_id", "device_chunks.last_id"}

// sample gives a row with a value of the right kind in each column.
func sample(table string, columns []string) []any {
	out := make([]any, len(columns))
	for i, c := range columns {
		out[i] = "a text, \"quoted\" – ø"
		if slices.Contains(texts, c) || slices.Contains(texts, table+"."+c) {
			continue
		}
		for _, k := range columnKinds {
			if !strings.Contains(c, k.part) && table+"."+c != k.part {
				continue
			}
			switch k.kind {
			case "fraction":
				out[i] = []float64{7.25, 7}[i%2] // one of them has no fraction to show
			case "bytes":
				out[i] = map[string]string{"b64": base64.StdEncoding.EncodeToString([]byte{0, 255, 1})}
			default:
				out[i] = 1
			}
			break
		}
	}
	return out
}

// testBackupOfEverything puts a row into every table that has none, restores that, and makes a backup of it, which must
// be the same.
func testBackupOfEverything(t *testing.T, e Engine) {
	ctx := t.Context()
	full := newBench(t, e)
	en := full.enrol(t, device.Registration{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:01")})
	full.report(t, en.DeviceID, "4/1/1", posture.Report{})
	check(t, full.svc.RecordActivity(ctx, full.account, device.Activity{Action: device.AccessAllowed, AppName: "Ørn"}))
	lines := backedUp(ctx, t, full.Store)
	var filled []string
	for i, line := range lines {
		filled = append(filled, line)
		empty := i == len(lines)-1 || lines[i+1][0] == '{'
		if i == 0 || line[0] == '[' || !empty {
			continue
		}
		var head struct {
			Table   string
			Columns []string
		}
		check(t, json.Unmarshal([]byte(line), &head))
		row, err := json.Marshal(sample(head.Table, head.Columns))
		check(t, err)
		filled = append(filled, string(row)+"\n")
	}
	if len(filled)-len(lines) < 5 {
		t.Errorf("only %d tables were empty: this test has become needless, or looks at the wrong thing", len(filled)-len(lines))
	}
	s := Open(t, e.New(t))
	_, err := s.Restore(ctx, packed(t, filled))
	check(t, err)
	if diff := cmp.Diff(sorted(filled), sorted(backedUp(ctx, t, s))); diff != "" {
		t.Error(diff)
	}
}

// sorted leaves the order of rows out of account.
func sorted(lines []string) []string {
	out := slices.Clone(lines)
	slices.Sort(out)
	return out
}

// testBackupOfAnotherSchema: a row of an older schema lacks what a migration would have made of it.
func testBackupOfAnotherSchema(t *testing.T, e Engine) {
	ctx := t.Context()
	s := Open(t, e.New(t))
	Account(t, s, "acme", 1)
	lines := backedUp(ctx, t, s)
	for _, schema := range []string{"1", "99"} {
		old := slices.Clone(lines)
		old[0] = fmt.Sprintf("{\"format\":\"muster-backup-1\",\"schema\":%s}\n", schema)
		empty := Open(t, e.New(t))
		_, err := empty.Restore(ctx, packed(t, old))
		wantCode(t, err, errs.Invalid)
		if !strings.Contains(err.Error(), "schema version "+schema) || !strings.Contains(err.Error(), "version of muster that made it") {
			t.Errorf("it says %q", err)
		}
		if list, err := empty.ListAccounts(ctx); err != nil || len(list) != 0 {
			t.Errorf("after a backup that was refused: %v, %v", list, err)
		}
	}
}
