package store

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
)

const (
	softwareColumns = `products.id, products.name, products.vendor, product_versions.version, products.ecosystem, products.category,
		product_versions.devices, product_versions.cves, product_versions.level_opswat, product_versions.level_cvss2,
		product_versions.level_cvss3`
	fromSoftware = ` FROM products JOIN product_versions ON product_versions.account_id = products.account_id
		AND product_versions.product_id = products.id WHERE products.account_id = ? AND product_versions.devices > 0`
	oneVersion = "SELECT " + softwareColumns + ", product_versions.found" + fromSoftware + " AND products.id = ? AND product_versions.version = ?"
)

// scanSoftware reads a row of softwareColumns, and of others behind them.
func scanSoftware(r scanner, sw *device.Software, more ...any) error {
	return r.Scan(append([]any{
		&sw.ProductID, &sw.Name, &sw.Vendor, &sw.Version, &sw.Ecosystem, &sw.Category, &sw.Devices, &sw.CVEs,
		&sw.Levels[0], &sw.Levels[1], &sw.Levels[2],
	}, more...)...)
}

// listedSoftware is softwareColumns of versions that are listed by themselves: see listed.
const listedSoftware = "SELECT product_id, name, vendor, version, ecosystem, category, devices, cves, level_opswat, level_cvss2, level_cvss3" +
	" FROM product_versions WHERE account_id = ? AND listed = 1"

// softwareKeys are what each order compares first.
var softwareKeys = map[device.SoftwareOrder]struct {
	column string
	kind   keyKind
	of     func(*device.Software) any
}{
	device.SoftwareByVendor:   {"vendor", keyWord, func(s *device.Software) any { return s.Vendor }},
	device.SoftwareByVersion:  {"version", keyWord, func(s *device.Software) any { return s.Version }},
	device.SoftwareByCategory: {"category", keyWord, func(s *device.Software) any { return s.Category }},
	device.SoftwareByLevel:    {"level_opswat", keyWhole, func(s *device.Software) any { return s.Levels[posture.ScoreOpswat] }},
	device.SoftwareByDevices:  {"devices", keyWhole, func(s *device.Software) any { return s.Devices }},
	device.SoftwareByCVEs:     {"cves", keyWhole, func(s *device.Software) any { return s.CVEs }},
	device.SoftwareByProduct:  {"product_id", keyWhole, func(s *device.Software) any { return s.ProductID }},
}

// softwareColumn gives a column of the list: of versions alone where they are listed by themselves, else of the join.
func softwareColumn(column string, listed bool) string {
	switch {
	case listed:
		return column
	case column == "name" || column == "vendor" || column == "ecosystem" || column == "category":
		return "products." + column
	default:
		return "product_versions." + column
	}
}

// softwareOrder gives the order of a list, and the values that a row has in it. Names compare as bytes.
func softwareOrder(q *device.SoftwareQuery, listed bool) (keyset, func(*device.Software) []any) {
	k := keyset{name: "software/" + strconv.Itoa(int(q.Sort)), descending: q.Descending, single: listed}
	first, ok := softwareKeys[q.Sort]
	if ok {
		k.columns = append(k.columns, keyColumn{softwareColumn(first.column, listed), first.kind})
	}
	for _, column := range []string{"name", "vendor", "ecosystem", "version"} {
		k.columns = append(k.columns, keyColumn{softwareColumn(column, listed), keyWord})
	}
	return k, func(s *device.Software) []any {
		var values []any
		if ok {
			values = append(values, first.of(s))
		}
		return append(values, s.Name, s.Vendor, s.Ecosystem, s.Version)
	}
}

// Software implements device.Spread.
func (s *Store) Software(ctx context.Context, account posture.AccountID, q device.SoftwareQuery) ([]device.Software, string, error) {
	listed, _, err := s.postings(ctx)
	if err != nil {
		return nil, "", err
	}
	order, values := softwareOrder(&q, listed)
	behind, after, err := order.behind(q.After)
	if err != nil || !storable(q.Search) {
		return nil, "", err
	}
	text, args := "SELECT "+softwareColumns+fromSoftware, []any{account}
	if listed {
		text = listedSoftware
	}
	filters, more := s.softwareFilters(&q, listed)
	limit, last := pageLimit(q.Window)
	text += filters + behind + " ORDER BY " + order.order() + limit
	args = slices.Concat(args, more, after, last)
	var out []device.Software
	err = s.query(ctx, func(r scanner) error {
		out = append(out, device.Software{})
		return scanSoftware(r, &out[len(out)-1])
	}, text, args...)
	if err != nil {
		return nil, "", err
	}
	list, next := page.Cut(out[:min(q.Limit+1, len(out))], q.Limit, func(sw *device.Software) string { return order.position(values(sw)) })
	return list, next, nil
}

// softwareFilters writes what a query asks of a version. An index of the order holds most of it.
func (s *Store) softwareFilters(q *device.SoftwareQuery, listed bool) (text string, args []any) {
	column := func(name string) string { return s.dialect.Unindexed + softwareColumn(name, listed) }
	if q.Search != "" {
		text += " AND (lower(" + column("name") + ") LIKE ? ESCAPE '\\' OR lower(" + column("vendor") + ") LIKE ? ESCAPE '\\')"
		args = append(args, likeHolding(q.Search), likeHolding(q.Search))
	}
	// Where the order begins with what is asked for, the list begins there.
	if len(q.Levels) > 0 {
		var in string
		in, args = anyOf(args, q.Levels)
		text += " AND " + column("level_opswat") + " IN " + in
		switch {
		case q.Sort == device.SoftwareByLevel:
			text += " AND " + softwareColumn("level_opswat", listed) + " >= ? AND " + softwareColumn("level_opswat", listed) + " <= ?"
			args = append(args, slices.Min(q.Levels), slices.Max(q.Levels))
		case q.Sort == device.SoftwareByCVEs && slices.Min(q.Levels) > 0: // what has a level has vulnerabilities
			text += " AND " + softwareColumn("cves", listed) + " > 0"
		}
	}
	if len(q.Categories) > 0 {
		var in string
		in, args = anyOf(args, q.Categories)
		text += " AND " + column("category") + " IN " + in
		if q.Sort == device.SoftwareByCategory {
			text += " AND " + softwareColumn("category", listed) + " >= ? AND " + softwareColumn("category", listed) + " <= ?"
			args = append(args, slices.Min(q.Categories), slices.Max(q.Categories))
		}
	}
	return text, args
}

// pageLimit writes how many rows a page reads, a few more than it has: a planner that knows the number sees that an index that
// holds the order is cheapest.
func pageLimit(w page.Window) (text string, args []any) {
	if w.Skip == 0 {
		return limitText(w.Limit + 1), nil
	}
	return " LIMIT ? OFFSET ?", []any{w.Limit + 1, w.Skip}
}

const noVersion = "No device has this version of a product"

// SoftwareVersion implements device.Spread.
func (s *Store) SoftwareVersion(ctx context.Context, account posture.AccountID, product int64, version string) (device.Software, []device.Vulnerability, error) {
	var sw device.Software
	if !storable(version) {
		return sw, nil, errs.New(errs.NotFound, noVersion)
	}
	var found []byte
	err := scanSoftware(s.queryRow(ctx, oneVersion, account, product, version), &sw, &found)
	if err != nil {
		return sw, nil, notFound(err, noVersion)
	}
	ids, err := unpackFacets(found)
	if err != nil {
		return sw, nil, err
	}
	var out []device.Vulnerability
	err = inChunks(ids, func(part []int64) error {
		in, args := anyOf([]any{account}, part)
		return s.query(ctx, scanVulnerabilities(&out), vulnerabilityRows+" AND id IN "+in, args...)
	})
	return sw, out, err
}

const vulnerabilityRows = `SELECT cve, devices, accepted, kev, score_opswat, score_cvss2, score_cvss3, level_opswat, level_cvss2, level_cvss3
	FROM vulnerabilities WHERE account_id = ?`

func scanVulnerabilities(out *[]device.Vulnerability) func(scanner) error {
	return func(r scanner) error {
		var v device.Vulnerability
		err := r.Scan(&v.ID, &v.Devices, &v.Accepted, &v.KEV, &v.Scores[0], &v.Scores[1], &v.Scores[2], &v.Levels[0], &v.Levels[1], &v.Levels[2])
		*out = append(*out, v)
		return err
	}
}

// The columns of each score type.
var (
	scoreColumns = [posture.NumScoreTypes]string{"score_opswat", "score_cvss2", "score_cvss3"}
	levelColumns = [posture.NumScoreTypes]string{"level_opswat", "level_cvss2", "level_cvss3"}
)

// vulnerabilityOrder is softwareOrder for vulnerabilities.
func vulnerabilityOrder(q *device.VulnerabilityQuery) (keyset, func(*device.Vulnerability) []any) {
	k := keyset{name: "vulnerabilities/" + strconv.Itoa(int(q.Sort)), descending: q.Descending}
	id := keyColumn{"cve", keyWord}
	by := func(t posture.ScoreType) (keyset, func(*device.Vulnerability) []any) {
		k.columns = []keyColumn{{scoreColumns[t], keyNumber}, id}
		return k, func(v *device.Vulnerability) []any { return []any{v.Scores[t], v.ID} }
	}
	switch q.Sort {
	case device.VulnerabilityByOpswat:
		return by(posture.ScoreOpswat)
	case device.VulnerabilityByCVSS2:
		return by(posture.ScoreCVSS2)
	case device.VulnerabilityByCVSS3:
		return by(posture.ScoreCVSS3)
	case device.VulnerabilityByLevel:
		k.name += "/" + q.By.String()
		k.columns = []keyColumn{{levelColumns[q.By], keyWhole}, id}
		return k, func(v *device.Vulnerability) []any { return []any{v.Levels[q.By], v.ID} }
	default:
		k.columns = []keyColumn{id}
		return k, func(v *device.Vulnerability) []any { return []any{v.ID} }
	}
}

// standing is what the ways to stand on devices ask of a row.
var standing = [...]string{
	device.OpenSomewhere: " AND devices > 0", device.AcceptedSomewhere: " AND accepted > 0", device.Found: " AND (devices > 0 OR accepted > 0)",
}

// Vulnerability implements device.Spread.
func (s *Store) Vulnerability(ctx context.Context, account posture.AccountID, id string) (device.Vulnerability, error) {
	var out []device.Vulnerability
	err := error(nil)
	if storable(id) {
		err = s.query(ctx, scanVulnerabilities(&out), vulnerabilityRows+" AND cve = ?", account, id)
	}
	if err == nil && len(out) == 0 {
		err = errs.New(errs.NotFound, "No device has this vulnerability")
	}
	if err != nil {
		return device.Vulnerability{}, err
	}
	return out[0], nil
}

// Vulnerabilities implements device.Spread.
func (s *Store) Vulnerabilities(ctx context.Context, account posture.AccountID, q device.VulnerabilityQuery, match device.Matching) ([]device.Vulnerability, string, error) {
	listed, _, err := s.postings(ctx)
	if err != nil {
		return nil, "", err
	}
	order, values := vulnerabilityOrder(&q)
	order.single = listed
	behind, args, err := order.behind(q.After)
	if err != nil {
		return nil, "", err
	}
	var text strings.Builder
	text.WriteString(vulnerabilityRows)
	if listed {
		text.WriteString(" AND listed = 1")
	}
	text.WriteString(standing[q.On] + behind)
	args = append([]any{account}, args...)
	if len(q.Levels) > 0 {
		if q.Sort == device.VulnerabilityByLevel {
			text.WriteString(" AND " + levelColumns[q.By] + " >= ? AND " + levelColumns[q.By] + " <= ?")
			args = append(args, slices.Min(q.Levels), slices.Max(q.Levels))
		}
		var in string
		in, args = anyOf(args, q.Levels)
		text.WriteString(" AND " + s.dialect.Unindexed + levelColumns[q.By] + " IN " + in)
	}
	if q.MinScore >= 0 {
		column := scoreColumns[q.By]
		if order.columns[0].expr != column {
			column = s.dialect.Unindexed + column
		}
		text.WriteString(" AND " + column + " >= ?")
		args = append(args, q.MinScore)
	}
	if q.OnlyKEV {
		text.WriteString(" AND " + s.dialect.Unindexed + "kev = 1")
	}
	text.WriteString(" ORDER BY " + order.order())
	if q.Product != "" {
		match, err = s.inProduct(ctx, account, q.Product, match)
		if err != nil {
			return nil, "", err
		}
	}
	out, err := s.matching(ctx, text.String(), args, &q, match)
	if err != nil {
		return nil, "", err
	}
	list, next := page.Cut(out, q.Limit, func(v *device.Vulnerability) string { return order.position(values(v)) })
	return list, next, nil
}

const foundVersions = fromSoftware + " AND product_versions.cves > 0"

// inProduct narrows a choice of vulnerabilities to those that are known of some products.
func (s *Store) inProduct(ctx context.Context, account posture.AccountID, product string, match device.Matching) (device.Matching, error) {
	within := make(map[string]bool)
	if !storable(product) {
		return chosen(within, match), nil
	}
	var ids []int64
	err := s.query(ctx, func(r scanner) error {
		var found []byte
		err := r.Scan(&found)
		if err != nil {
			return err
		}
		some, err := unpackFacets(found)
		ids = append(ids, some...)
		return err
	}, "SELECT product_versions.found"+foundVersions+` AND lower(products.name) LIKE ? ESCAPE '\'`, account, likeHolding(product))
	if err != nil {
		return nil, err
	}
	err = inChunks(distinct(ids), func(part []int64) error {
		in, args := anyOf([]any{account}, part)
		return s.query(ctx, func(r scanner) error {
			var cve string
			err := r.Scan(&cve)
			within[cve] = true
			return err
		}, "SELECT cve FROM vulnerabilities WHERE account_id = ? AND id IN "+in, args...)
	})
	return chosen(within, match), err
}

// chosen chooses what is within a set and chosen otherwise too.
func chosen(within map[string]bool, match device.Matching) device.Matching {
	return func(ctx context.Context, ids []string) (map[string]bool, error) {
		out := make(map[string]bool)
		var some []string
		for _, id := range ids {
			if within[id] {
				out[id], some = true, append(some, id)
			}
		}
		if match == nil || len(some) == 0 {
			return out, nil
		}
		return match(ctx, some)
	}
}

// VersionsWith implements device.Spread.
func (s *Store) VersionsWith(ctx context.Context, account posture.AccountID, id string, limit int) ([]device.Software, error) {
	ids, err := s.vulnerabilityIDs(ctx, account, []string{id})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	var out []device.Software
	err = s.query(ctx, func(r scanner) error {
		var sw device.Software
		var packed []byte
		err := scanSoftware(r, &sw, &packed)
		if err != nil || len(out) == limit {
			return err
		}
		found, err := unpackFacets(packed)
		if _, ok := slices.BinarySearch(found, ids[0]); ok {
			out = append(out, sw)
		}
		return err
	}, "SELECT "+softwareColumns+", product_versions.found"+foundVersions+" ORDER BY products.name, products.vendor, products.ecosystem, product_versions.version", account)
	return out, err
}

// matching reads one vulnerability more than the query wants. With match it reads them all, and looks through so many at a
// time until it has them: match may ask the database itself, and so is not asked while rows are being read.
func (s *Store) matching(ctx context.Context, text string, args []any, q *device.VulnerabilityQuery, match device.Matching) ([]device.Vulnerability, error) {
	var all []device.Vulnerability
	if match == nil {
		limit, more := pageLimit(q.Window)
		err := s.query(ctx, scanVulnerabilities(&all), text+limit, append(args, more...)...)
		return all[:min(q.Limit+1, len(all))], err
	}
	err := s.query(ctx, scanVulnerabilities(&all), text, args...)
	var out []device.Vulnerability
	for part := range slices.Chunk(all, maxAnyOf) {
		var fits map[string]bool
		if err == nil {
			fits, err = match(ctx, vulnerabilityNames(part))
		}
		for i := range part {
			if fits[part[i].ID] {
				out = append(out, part[i])
			}
		}
		if err != nil || len(out) > q.Skip+q.Limit {
			break
		}
	}
	out = out[min(q.Skip, len(out)):]
	return out[:min(q.Limit+1, len(out))], err
}

func vulnerabilityNames(list []device.Vulnerability) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].ID
	}
	return out
}

// Affected implements device.Spread.
func (s *Store) Affected(ctx context.Context, account posture.AccountID, ids []string) (map[string]device.Affected, error) {
	out := make(map[string]device.Affected, len(ids))
	err := inChunks(ids, func(part []string) error {
		in, args := anyOf([]any{account}, part)
		return s.query(ctx, func(r scanner) error {
			var cve string
			var on device.Affected
			err := r.Scan(&cve, &on.Devices, &on.Accepted)
			out[cve] = on
			return err
		}, "SELECT cve, devices, accepted FROM vulnerabilities WHERE account_id = ? AND cve IN "+in, args...)
	})
	return out, err
}
