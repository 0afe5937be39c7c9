package store_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/testpg"
)

// shapes gives the statements by which lists are read: each member of a filter by itself, with several values, and all
// members together.
func shapes(t *testing.T, s *store.Store, account posture.AccountID) []store.Shape {
	t.Helper()
	err := store.Exec(t.Context(), s, `INSERT INTO vulnerabilities (account_id, id, cve, devices, kev, score_opswat, score_cvss2, score_cvss3,
		level_opswat, level_cvss2, level_cvss3, catalogue) VALUES (?, 1, 'CVE-2099-0001', 0, 0, 0, 0, 0, 0, 0, 0, '')`, account)
	if err != nil {
		t.Fatal(err)
	}
	all := device.Filter{
		Statuses: []posture.Status{4}, OS: []posture.OSFamily{posture.Linux}, Types: []posture.DeviceType{posture.VM, posture.Laptop},
		Severities: []posture.IssueSeverity{2}, Groups: []posture.GroupID{1}, Levels: []posture.Level{1, 3},
		Categories: []posture.Category{posture.Firewall, posture.Browser}, Products: []int64{1}, CVEs: []string{"CVE-2099-0001"},
		Search: "host-77", Contacts: []device.Contact{device.Connected}, Managed: posture.Yes,
	}
	var out []store.Shape
	for _, f := range []device.Filter{
		{},
		{Statuses: []posture.Status{4}},
		{Statuses: []posture.Status{4, 6, 0}},
		{Severities: []posture.IssueSeverity{2}},
		{OS: []posture.OSFamily{posture.Linux}},
		{Types: []posture.DeviceType{posture.VM}},
		{Groups: []posture.GroupID{1}},
		{Levels: []posture.Level{1, 3}},
		{Categories: []posture.Category{posture.Firewall, posture.Browser}},
		{Products: []int64{1}},
		{CVEs: []string{"CVE-2099-0001"}},
		{Search: "host-77"},
		{Search: "host-77 linux"},
		{Statuses: []posture.Status{4}, OS: []posture.OSFamily{posture.Linux}, Types: []posture.DeviceType{posture.VM, posture.Laptop}},
		{Severities: []posture.IssueSeverity{2}, Categories: []posture.Category{posture.Firewall}},
		{Contacts: []device.Contact{device.Disconnected}, Managed: posture.Yes, Now: storetest.Epoch},
		all,
	} {
		some, err := s.Shapes(t.Context(), account, &f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, some...)
	}
	return out
}

// scratch makes an account with many devices.
func scratch(t *testing.T, s *store.Store, name string, devices int) posture.AccountID {
	t.Helper()
	account := storetest.Account(t, s, name, 1)
	for _, query := range []string{
		`INSERT INTO devices (account_id, id, lifecycle, group_id, status, judged, severity, level_opswat, level_cvss2, level_cvss3,
			managed, conflict, hardware_id, serial, name, host_name, user_identity, device_type, os_family, os_name, os_version,
			issues_critical, issues_warning, agent_type, agent_version, enrolled_at, reported_at, next_change_at, judge, digest,
			credentials, exempted, exempt_since, exempt_until, exempt_reason, link_username, link_group)
		SELECT $1, to_hex(x'19c00000'::bigint + i) || '00007000800000000000000000', 0, 1 + i % 7, 3 + i % 5, 3, i % 3, i % 5, 0, 0, 1, 0, '', '', '', 'host-' || i, '',
			CASE WHEN i % 4 = 0 THEN 'vm' ELSE 'laptop' END, CASE WHEN i % 11 = 0 THEN 'linux' ELSE 'windows' END, '', '',
			i % 2, i % 4, '', '', 1, 1, 0, '', '', '', 0, 0, 0, '', '', '' FROM generate_series(1, $2::bigint) i`,
		`INSERT INTO device_seen (account_id, device_id, seen_at) SELECT account_id, id, 1 FROM devices WHERE account_id = $1 LIMIT $2`,
		`INSERT INTO device_words (account_id, word, device_id) SELECT account_id, host_name, id FROM devices WHERE account_id = $1 LIMIT $2`,
		`INSERT INTO device_words (account_id, word, device_id) SELECT account_id, os_family, id FROM devices WHERE account_id = $1 LIMIT $2`,
		`INSERT INTO device_facets (account_id, facet, device_id) SELECT account_id, k * 281474976710656 + 1 + i % 3, id
			FROM devices, generate_series(1, 4) k, generate_series(1, 2) i WHERE account_id = $1 LIMIT 8 * $2`,
	} {
		err := store.Exec(t.Context(), s, query, account, devices)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	return account
}

var (
	sorts   = regexp.MustCompile(`(?m)^.*USE TEMP B-TREE FOR .*$`)
	ofParts = regexp.MustCompile(`(?m)^SCAN u\d*\nUSE TEMP B-TREE FOR ORDER BY$`)
	pgSort  = regexp.MustCompile(`(?m)Sort  \(cost=\S+ rows=(\d+)`)
)

// TestListPlansSQLite: whichever way a list is read, its driver's own index finds the devices, already in order.
func TestListPlansSQLite(t *testing.T) {
	s := storetest.Open(t, store.Options{Dir: t.TempDir()})
	account := storetest.Account(t, s, "plans", 1)
	for _, shape := range shapes(t, s, account) {
		plan, err := s.Explain(t.Context(), "EXPLAIN QUERY PLAN", shape)
		if err != nil {
			t.Fatalf("%s\n%v", shape.Query, err)
		}
		if problem := badList(shape, plan); problem != "" {
			t.Errorf("%s: %s\n%s\n%s", shape.Name, problem, shape.Query[strings.Index(shape.Query, " FROM ("):], plan)
		}
	}
}

// badList says what is wrong with SQLite's plan for a list.
func badList(shape store.Shape, plan string) string {
	index := shape.Index
	if shape.Index == "device_facets" || shape.Index == "device_words" {
		index = "PRIMARY KEY"
	}
	if !regexp.MustCompile(`SEARCH [df] USING (COVERING INDEX |INDEX |)` + index + ` \(account_id=\?`).MatchString(plan) {
		return "not found by " + shape.Index
	}
	if !shape.Gather && sorts.MatchString(ofParts.ReplaceAllString(plan, "")) {
		return "sorted"
	}
	for step := range strings.SplitSeq(strings.TrimSpace(plan), "\n") {
		if bad(shape.Query, step) || strings.HasPrefix(step, "SEARCH x") && !strings.Contains(step, "device_id=?") {
			return step
		}
	}
	return ""
}

// TestListPlansPostgres: the same on a database that chooses by what it knows of the rows, with the values in the
// statement and without.
func TestListPlansPostgres(t *testing.T) {
	s := storetest.Open(t, store.Options{Database: testpg.Database(t)})
	// The account is a part of what there is, as it always is: reading the whole of a table is never right.
	account := scratch(t, s, "one", 20_000)
	scratch(t, s, "two", 40_000)
	// What the database knows of the rows must not depend on when it last looked by itself.
	err := store.Exec(t.Context(), s, "VACUUM ANALYZE")
	if err != nil {
		t.Fatal(err)
	}
	for _, shape := range shapes(t, s, account) {
		if !hot(shape) {
			continue
		}
		plan, err := s.Explain(t.Context(), "EXPLAIN", shape)
		if err != nil {
			t.Fatalf("%s\n%v", shape.Query, err)
		}
		if problem := badPostgresList(shape, plan); problem != "" {
			t.Errorf("%s: %s\n%s\n%s", shape.Name, problem, shape.Query[strings.Index(shape.Query, " FROM ("):], plan)
		}
	}
}

// hot reports whether a shape is one that lists use often. Where much is gathered or passed over, to read the whole of a
// table may well be best.
func hot(shape store.Shape) bool {
	return strings.HasSuffix(shape.Name, "skip 0") && (!shape.Gather || shape.Index == "device_words")
}

func badPostgresList(shape store.Shape, plan string) string {
	if strings.Contains(plan, "Seq Scan") {
		return "a table is read whole"
	}
	for _, m := range pgSort.FindAllStringSubmatch(plan, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil || !shape.Gather && n > 1000 {
			return fmt.Sprint(n, " rows are sorted")
		}
	}
	return ""
}
