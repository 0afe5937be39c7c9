package store

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// ProductsUnder implements device.Appraisals.
func (s *Store) ProductsUnder(ctx context.Context, account posture.AccountID, keys []device.ProductKey) ([]int64, error) {
	found := make(map[int64]bool)
	err := inLookups(keys, func(part []device.ProductKey) error {
		var args []any
		for _, k := range part {
			args = append(args, k.Space, k.Name, flag(k.ByVendor))
		}
		return s.query(ctx, func(r scanner) error {
			var id int64
			err := r.Scan(&id)
			found[id] = true
			return err
		}, wanted("space, name, by_vendor", "(?, ?, CAST(? AS BIGINT))", "(?, ?, ?)", len(part))+`SELECT k.product_id FROM wanted
			JOIN product_keys k ON k.account_id = ? AND k.space = wanted.space AND k.name = wanted.name AND k.by_vendor = wanted.by_vendor`,
			append(args, account)...)
	})
	out := make([]int64, 0, len(found))
	for id := range found {
		out = append(out, id)
	}
	slices.Sort(out)
	return out, err
}

// ProductsAfter implements device.Appraisals.
func (s *Store) ProductsAfter(ctx context.Context, account posture.AccountID, after int64, limit int) ([]int64, error) {
	var out []int64
	err := s.query(ctx, func(r scanner) error {
		out = append(out, 0)
		return r.Scan(&out[len(out)-1])
	}, "SELECT id FROM products WHERE account_id = ? AND id > ? ORDER BY id LIMIT ?", account, after, limit)
	return out, err
}

// KnownVersions implements device.Appraisals.
func (s *Store) KnownVersions(ctx context.Context, account posture.AccountID, products []int64) ([]device.KnownVersion, error) {
	var out []device.KnownVersion
	err := inChunks(products, func(part []int64) error {
		in, args := anyOf([]any{account}, part)
		keys := make(map[int64][]device.ProductKey)
		err := s.query(ctx, func(r scanner) error {
			var id int64
			var k device.ProductKey
			err := r.Scan(&id, &k.Space, &k.Name, &k.ByVendor, &k.OtherVersion)
			keys[id] = append(keys[id], k)
			return err
		}, "SELECT product_id, space, name, by_vendor, other_version FROM product_keys WHERE account_id = ? AND product_id IN "+in, args...)
		if err != nil {
			return err
		}
		return s.query(ctx, func(r scanner) error {
			var v device.KnownVersion
			var product int64
			err := r.Scan(&v.ID, &product, &v.Vendor, &v.Version)
			v.Keys = keys[product]
			out = append(out, v)
			return err
		}, `SELECT v.id, v.product_id, p.vendor, v.version FROM product_versions v JOIN products p ON p.account_id = v.account_id
			AND p.id = v.product_id WHERE v.account_id = ? AND v.product_id IN `+in, args...)
	})
	return out, err
}

// FacetsOf implements device.Appraisals.
func (s *Store) FacetsOf(ctx context.Context, account posture.AccountID, products []int64, cves []string) (device.Facets, error) {
	var out device.Facets
	for _, id := range products {
		out = append(out, facetOf(facetProduct, id))
	}
	err := inChunks(cves, func(part []string) error {
		ids, err := s.vulnerabilityIDs(ctx, account, part)
		for _, id := range ids {
			out = append(out, facetOf(facetVulnerability, id), facetOf(facetAccepted, id))
		}
		return err
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

// lockFacets keeps all others from numbering anything, or saying something else of it, until the step ends.
const lockFacets = "UPDATE account_sequences SET next = next WHERE account_id = ? AND name = 'facets'"

// AppraiseVersions implements device.Appraisals.
func (s *Store) AppraiseVersions(ctx context.Context, account posture.AccountID, generation int64, list []device.VersionAppraisal) error {
	list = slices.SortedFunc(slices.Values(list), func(a, b device.VersionAppraisal) int { return cmp.Compare(a.ID, b.ID) })
	if len(list) == 0 {
		return nil
	}
	defer s.known.forget()
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		tx.dirty = true
		_, err := tx.exec(ctx, lockFacets, account)
		if err != nil {
			return err
		}
		now, err := scanCatalogue(tx.queryRow(ctx, selectCatalogue))
		if err != nil {
			return err
		}
		if now.Generation > generation {
			return errs.New(errs.Stale, "There is a newer generation of the catalogue than %d", generation)
		}
		rows, err := tx.versionRows(ctx, account, list)
		if err != nil {
			return err
		}
		known, err := tx.knownVulnerabilities(ctx, account, rows)
		if err != nil {
			return err
		}
		for i := range list {
			row := rows[list[i].ID]
			if row == nil {
				continue
			}
			now := row.appraised(list[i].Still, known)
			if now.same(row) {
				continue
			}
			err = tx.putVersion(ctx, account, &now)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// appraised leaves of a version's vulnerabilities those that it may still have.
func (r *versionRow) appraised(still []string, known map[int64]knownVulnerability) versionRow {
	may := make(map[string]bool, len(still))
	for _, cve := range still {
		may[cve] = true
	}
	now := versionRow{id: r.id}
	for _, id := range r.found {
		if v := known[id]; may[v.cve] {
			now.found = append(now.found, id)
			now.levels = now.levels.Worst(v.levels)
		}
	}
	return now
}

// versionRows reads the rows of versions, by their ids.
func (tx *Tx) versionRows(ctx context.Context, account posture.AccountID, list []device.VersionAppraisal) (map[int64]*versionRow, error) {
	out := make(map[int64]*versionRow, len(list))
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	err := inChunks(ids, func(part []int64) error {
		in, args := anyOf([]any{account}, part)
		return tx.query(ctx, func(r scanner) error {
			var row versionRow
			var found []byte
			err := r.Scan(&row.id, &found, &row.levels[0], &row.levels[1], &row.levels[2])
			if err != nil {
				return err
			}
			row.found, err = unpackFacets(found)
			out[row.id] = &row
			return err
		}, "SELECT id, found, level_opswat, level_cvss2, level_cvss3 FROM product_versions WHERE account_id = ? AND id IN "+in, args...)
	})
	return out, err
}

// knownVulnerability is a vulnerability as far as versions ask.
type knownVulnerability struct {
	cve    string
	levels posture.Levels
}

// knownVulnerabilities reads all that some versions have.
func (tx *Tx) knownVulnerabilities(ctx context.Context, account posture.AccountID, rows map[int64]*versionRow) (map[int64]knownVulnerability, error) {
	var ids []int64
	for _, row := range rows {
		ids = append(ids, row.found...)
	}
	slices.Sort(ids)
	out := make(map[int64]knownVulnerability)
	err := inChunks(slices.Compact(ids), func(part []int64) error {
		in, args := anyOf([]any{account}, part)
		return tx.query(ctx, func(r scanner) error {
			var id int64
			var v knownVulnerability
			err := r.Scan(&id, &v.cve, &v.levels[0], &v.levels[1], &v.levels[2])
			out[id] = v
			return err
		}, "SELECT id, cve, level_opswat, level_cvss2, level_cvss3 FROM vulnerabilities WHERE account_id = ? AND id IN "+in, args...)
	})
	return out, err
}

// putVersion stores what the catalogue says of a version.
func (tx *Tx) putVersion(ctx context.Context, account posture.AccountID, row *versionRow) error {
	return tx.execOne(ctx, `UPDATE product_versions SET cves = ?, level_opswat = ?, level_cvss2 = ?, level_cvss3 = ?, found = ?
		WHERE account_id = ? AND id = ?`, len(row.found), row.levels[0], row.levels[1], row.levels[2], packFacets(row.found), account, row.id)
}

// AppraiseVulnerabilities implements device.Appraisals.
func (s *Store) AppraiseVulnerabilities(ctx context.Context, account posture.AccountID, list []device.HeldVulnerability) error {
	if len(list) == 0 {
		return nil
	}
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		tx.dirty = true
		_, err := tx.exec(ctx, lockFacets, account)
		if err != nil {
			return err
		}
		rows, err := tx.numbered(ctx, account, list)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(rows)) { // in the order of flushFacets
			v := rows[id]
			_, err = tx.exec(ctx, `UPDATE vulnerabilities SET kev = ?, score_opswat = ?, score_cvss2 = ?, score_cvss3 = ?, level_opswat = ?,
				level_cvss2 = ?, level_cvss3 = ? WHERE account_id = ? AND id = ?`, flag(v.KEV), v.Scores[0], v.Scores[1], v.Scores[2],
				v.Levels[0], v.Levels[1], v.Levels[2], account, id)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// numbered gives the vulnerabilities that have a number, by that.
func (tx *Tx) numbered(ctx context.Context, account posture.AccountID, list []device.HeldVulnerability) (map[int64]*device.HeldVulnerability, error) {
	byCVE := make(map[string]*device.HeldVulnerability, len(list))
	for i := range list {
		byCVE[list[i].ID] = &list[i]
	}
	out := make(map[int64]*device.HeldVulnerability, len(list))
	err := inChunks(slices.Sorted(maps.Keys(byCVE)), func(part []string) error {
		in, args := anyOf([]any{account}, part)
		return tx.query(ctx, func(r scanner) error {
			var id int64
			var cve string
			err := r.Scan(&id, &cve)
			out[id] = byCVE[cve]
			return err
		}, "SELECT id, cve FROM vulnerabilities WHERE account_id = ? AND cve IN "+in, args...)
	})
	return out, err
}
