package store_test

import (
	"regexp"
	"strings"
	"testing"

	"muster/internal/store"
	"muster/internal/store/storetest"
)

// accountOnly is a look-up that reads all that an account has.
var accountOnly = regexp.MustCompile(`^SEARCH \w+ USING (INDEX|COVERING INDEX|PRIMARY KEY).*\(account_id=\?\)$`)

// TestPlans looks at how SQLite runs each statement: none may read a whole table, or all devices of an account.
func TestPlans(t *testing.T) {
	s := storetest.Open(t, store.Options{Dir: t.TempDir()})
	storetest.Exercise(t, s)
	plans, err := s.Plans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) < 30 {
		t.Errorf("only %d statements were used", len(plans))
	}
	for query, plan := range plans {
		for step := range strings.SplitSeq(plan, "; ") {
			if bad(query, step) {
				t.Errorf("%s\n\tis run as %s", strings.Join(strings.Fields(query), " "), plan)
			}
		}
	}
}

// small are tables of which a scan, or all that an account has, is a few rows.
//
// Those of what is installed are not small, but are not the more the more devices there are, and lists of them sort and
// search them. What an account says of vulnerabilities is what people decided, and statements that vendors made. wanted and sought are what a statement is given to look for.
var small = regexp.MustCompile(`^(SCAN (accounts|a|w|rate_windows|wanted|sought|catalogue_feeds|catalogue_generations)|SEARCH (device_counts|webhooks|w|applications|accounts|device_groups|registration_codes|products|vulnerabilities|patches|accepted_risks|report_bases))\b`)

// gathered is what an earlier step of the same plan gathered, as far as its limit goes: see unionAll.
var gathered = regexp.MustCompile(`^SCAN parts?\d*$`)

// parts are the parts of a list, which are short.
var parts = regexp.MustCompile(`^SCAN (p|u\d*)$`)

// bad reports whether a step of a plan costs more the more devices there are.
func bad(query, step string) bool {
	if small.MatchString(step) || strings.HasPrefix(query, "INSERT INTO accounts") {
		return false
	}
	scan := strings.HasPrefix(step, "SCAN") && !parts.MatchString(step) && !gathered.MatchString(step) && !strings.Contains(step, "CONSTANT ROW") && !strings.Contains(step, "VALUES CLAUSE")
	return scan || accountOnly.MatchString(step) && !inOrder(query, step)
}

// inOrder reports whether a step begins at the end of an index that holds the order of a list, and so stops when the
// list is full.
func inOrder(query, step string) bool {
	return strings.HasSuffix(step, "INDEX devices_host_name (account_id=?)") && strings.Contains(query, "ORDER BY d.host_name") ||
		strings.HasSuffix(step, "INDEX devices_issues (account_id=?)") && strings.Contains(query, "ORDER BY (d.issues_critical")
}

// TestPlansCanFail: the check must see what it looks for.
func TestPlansCanFail(t *testing.T) {
	for step, want := range map[string]bool{
		"SEARCH d USING INDEX devices_host_name (account_id=?)": true, "SCAN u": false, "SCAN users": true,
		"SCAN devices": true, "SCAN d": true, "SCAN d USING INDEX devices_serial": true,
		"SEARCH device_adapters USING PRIMARY KEY (account_id=?)":                                  true,
		"SEARCH devices USING INDEX sqlite_autoindex_devices_1 (account_id=?)":                     true,
		"SEARCH devices USING INDEX sqlite_autoindex_devices_1 (account_id=? AND id=?)":            false,
		"SEARCH device_adapters USING INDEX device_adapters_device (account_id=? AND device_id=?)": false,
	} {
		if got := bad("SELECT 1", step); got != want {
			t.Errorf("%s: %v", step, got)
		}
	}
}

// TestCheckFacetsCanFail: the check must see each kind of drift.
func TestCheckFacetsCanFail(t *testing.T) {
	for _, statement := range []string{
		"UPDATE product_versions SET devices = devices + 1 WHERE id = (SELECT MAX(id) FROM product_versions)",
		"UPDATE vulnerabilities SET devices = 0 WHERE id = (SELECT MIN(id) FROM vulnerabilities)",
		"DELETE FROM facet_chunks WHERE facet = (SELECT MIN(facet) FROM facet_chunks WHERE facet > 0)",
		"INSERT INTO facet_chunks SELECT account_id, facet, chunk + 1, n, members FROM facet_chunks WHERE facet > 0 LIMIT 1",
		`UPDATE facet_chunks SET members = x'01ff03' WHERE (account_id, facet, chunk) = (SELECT account_id, facet, chunk FROM facet_chunks
			WHERE facet > 0 AND account_id = (SELECT id FROM accounts WHERE name = 'software') LIMIT 1)`,
		"UPDATE devices SET lifecycle = 1 WHERE id = (SELECT MAX(device_id) FROM device_reports WHERE length(facets) > 0)",
	} {
		s := storetest.Open(t, store.Options{Dir: t.TempDir()})
		storetest.Exercise(t, s)
		a, err := s.AccountByName(t.Context(), "software")
		if err != nil {
			t.Fatal(err)
		}
		storetest.CheckSpread(t, s, a.ID)
		err = s.Spoil(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		drift, err := s.CheckFacets(t.Context(), a.ID)
		if err != nil || len(drift) == 0 {
			t.Errorf("after %s: %v, %v", statement, drift, err)
		}
	}
}
