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
var small = regexp.MustCompile(`^(SCAN (accounts|a|rate_windows)|SEARCH (device_counts|applications|accounts|device_groups))\b`)

// gathered is what an earlier step of the same plan gathered, as far as its limit goes: see unionAll.
var gathered = regexp.MustCompile(`^SCAN parts?\d*$`)

// bad reports whether a step of a plan costs more the more devices there are.
func bad(query, step string) bool {
	if small.MatchString(step) || strings.HasPrefix(query, "INSERT INTO accounts") {
		return false
	}
	scan := strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "CONSTANT ROW") && !strings.Contains(step, "VALUES CLAUSE")
	if gathered.MatchString(step) {
		return false
	}
	return scan || accountOnly.MatchString(step)
}

// TestPlansCanFail: the check must see what it looks for.
func TestPlansCanFail(t *testing.T) {
	for step, want := range map[string]bool{
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
