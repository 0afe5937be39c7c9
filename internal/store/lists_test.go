package store_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/testpg"
)

// listQueries are the lists of software and vulnerabilities: by every order, whole and filtered, forwards and backwards.
func listQueries() (software map[string]device.SoftwareQuery, vulnerabilities map[string]device.VulnerabilityQuery) {
	software, vulnerabilities = make(map[string]device.SoftwareQuery), make(map[string]device.VulnerabilityQuery)
	for _, down := range []bool{false, true} {
		for order := device.SoftwareByName; order <= device.SoftwareByProduct; order++ {
			for filter, q := range map[string]device.SoftwareQuery{
				"all": {}, "a level": {Levels: []posture.Level{3}}, "two categories": {Categories: []posture.Category{posture.Browser, posture.Firewall}},
			} {
				q.Sort, q.Descending = order, down
				software[fmt.Sprintf("apps by %d, down %v, %s", order, down, filter)] = q
			}
		}
		for order := device.VulnerabilityByID; order <= device.VulnerabilityByLevel; order++ {
			for filter, q := range map[string]device.VulnerabilityQuery{
				"all": {MinScore: -1}, "a level": {MinScore: -1, Levels: []posture.Level{3}}, "a score": {MinScore: 50}, "exploited": {MinScore: -1, OnlyKEV: true},
			} {
				q.Sort, q.Descending = order, down
				vulnerabilities[fmt.Sprintf("cves by %d, down %v, %s", order, down, filter)] = q
			}
		}
	}
	return software, vulnerabilities
}

// TestPlansOfLists: none sorts what it reads, but for the order by numbers of devices, and each begins where it goes on.
func TestPlansOfLists(t *testing.T) {
	s := storetest.Open(t, store.Options{Dir: t.TempDir()})
	account := storetest.Account(t, s, "lists", 1)
	fillLists(t, s, account, 200, 100)
	software, vulnerabilities := listQueries()
	for name, q := range software {
		q.Limit = 10
		_, next, err := s.Software(t.Context(), account, q)
		must(t, err)
		q.After = next
		if _, _, err = s.Software(t.Context(), account, q); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, q := range vulnerabilities {
		q.Limit = 10
		_, next, err := s.Vulnerabilities(t.Context(), account, q, nil)
		must(t, err)
		q.After = next
		if _, _, err = s.Vulnerabilities(t.Context(), account, q, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	plans, err := s.Plans(t.Context())
	must(t, err)
	seen := 0
	for query, plan := range plans {
		if !strings.Contains(query, "listed = 1") || strings.Contains(query, "ORDER BY devices") {
			continue
		}
		seen++
		first := strings.Trim(query[strings.Index(query, "ORDER BY ")+9:], " ")
		first = strings.FieldsFunc(first, func(r rune) bool { return r == ' ' || r == ',' })[0]
		behind := strings.Contains(query, ") >") || strings.Contains(query, ") <")
		if strings.Contains(plan, "TEMP B-TREE") || behind && !strings.Contains(plan, first) {
			t.Errorf("%s\n\tis run as %s", query, plan)
		}
	}
	if seen < 20 {
		t.Errorf("only %d lists were looked at", seen)
	}
}

// fillLists makes versions of products and vulnerabilities that some devices have.
func fillLists(t *testing.T, s *store.Store, account posture.AccountID, versions, vulnerabilities int) {
	t.Helper()
	numbers := "WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < "
	text := func(expr string) string { return "CAST(" + expr + " AS TEXT)" }
	for _, query := range []string{
		fmt.Sprintf(`INSERT INTO products (account_id, id, name, vendor, ecosystem, category) %s %d) SELECT %d, n, 'product ' || %s || ' ' || %s, 'vendor ' || %s,
			'', CASE n %% 9 WHEN 0 THEN 'browser' WHEN 1 THEN 'firewall' ELSE '' END FROM i`, numbers, versions/4, account, text("n * 7919 % 1000"), text("n"), text("n % 500")),
		fmt.Sprintf(`INSERT INTO product_versions (account_id, id, product_id, version, devices, cves, level_opswat, level_cvss2, level_cvss3, catalogue, found,
			listed, name, vendor, ecosystem, category) %s %d) SELECT p.account_id, 1000000 + n, p.id, %s || '.' || %s, 1 + 1000000 / n, CASE WHEN n %% 3 = 0 THEN n %% 40 ELSE 0 END,
			CASE WHEN n %% 3 = 0 THEN 1 + n %% 4 ELSE 0 END, 0, 0, '', '', 1, p.name, p.vendor, p.ecosystem, p.category
			FROM i JOIN products p ON p.account_id = %d AND p.id = 1 + (n - 1) / 4`, numbers, versions, text("n % 4"), text("n % 97"), account),
		fmt.Sprintf(`INSERT INTO vulnerabilities (account_id, id, cve, devices, kev, score_opswat, score_cvss2, score_cvss3, level_opswat, level_cvss2, level_cvss3,
			catalogue, listed) %s %d) SELECT %d, 2000000 + n, 'CVE-' || %s || '-' || %s, 1 + 1000000 / n, CASE WHEN n %% 50 = 0 THEN 1 ELSE 0 END, n * 7919 %% 1000 / 10.0, -1,
			n * 7919 %% 100 / 10.0, 1 + n * 7919 %% 1000 / 250, 0, 1 + n * 7919 %% 100 / 25, '', 1 FROM i`, numbers, vulnerabilities, account, text("2005 + n % 20"), text("10000 + n")),
	} {
		if err := store.Exec(t.Context(), s, query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// TestListCosts prints what a page of 50 costs in processor time, from the start and from the middle of the list: see make bytes.
func TestListCosts(t *testing.T) {
	if os.Getenv("MUSTER_BYTES") == "" {
		t.Skip("MUSTER_BYTES is not set")
	}
	for name, open := range map[string]func() (store.Options, func() []int){
		"sqlite": func() (store.Options, func() []int) {
			return store.Options{Dir: t.TempDir()}, func() []int { return []int{os.Getpid()} }
		},
		"postgres": func() (store.Options, func() []int) {
			c := testpg.Cluster(t)
			return store.Options{Database: c.Database(t)}, func() []int { return append(c.PIDs(), os.Getpid()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, pids := open()
			s := storetest.Open(t, o)
			account := storetest.Account(t, s, "lists", 1)
			fillLists(t, s, account, 200_000, 50_000)
			if s.SharedLimits() {
				must(t, store.Exec(t.Context(), s, "VACUUM ANALYZE"))
			}
			software, vulnerabilities := listQueries()
			for name, q := range software {
				q.Limit = 50
				measureList(t, name, pids, &q.Window, func() (string, error) {
					_, next, err := s.Software(t.Context(), account, q)
					return next, err
				})
			}
			for name, q := range vulnerabilities {
				q.Limit = 50
				measureList(t, name, pids, &q.Window, func() (string, error) {
					_, next, err := s.Vulnerabilities(t.Context(), account, q, nil)
					return next, err
				})
			}
		})
	}
}

// measureList measures a first page, and the one behind several thousand entries.
func measureList(t *testing.T, name string, pids func() []int, w *page.Window, read func() (string, error)) {
	t.Helper()
	each := func() time.Duration {
		_, err := read()
		must(t, err)
		before, began, n := cpu(t, pids()), time.Now(), 0
		for time.Since(began) < 200*time.Millisecond {
			_, err = read()
			must(t, err)
			n++
		}
		return (cpu(t, pids()) - before) / time.Duration(n)
	}
	first := each()
	w.Limit = 5000
	next, err := read()
	must(t, err)
	w.Limit, w.After = 50, next
	t.Logf("%-42s first page %8v, a deep one %8v", name, first.Round(10*time.Microsecond), each().Round(10*time.Microsecond))
}
