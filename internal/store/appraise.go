package store

import (
	"cmp"
	"context"
	"slices"

	"muster/internal/device"
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
			err := r.Scan(&id, &k.Space, &k.Name, &k.ByVendor)
			keys[id] = append(keys[id], k)
			return err
		}, "SELECT product_id, space, name, by_vendor FROM product_keys WHERE account_id = ? AND product_id IN "+in, args...)
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
func (s *Store) AppraiseVersions(ctx context.Context, account posture.AccountID, list []device.VersionAppraisal) error {
	if len(list) == 0 {
		return nil
	}
	list = slices.SortedFunc(slices.Values(list), func(a, b device.VersionAppraisal) int { return cmp.Compare(a.ID, b.ID) })
	defer s.known.forget()
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		tx.dirty = true
		_, err := tx.exec(ctx, lockFacets, account)
		if err != nil {
			return err
		}
		ids, err := tx.idsOfVulnerabilities(ctx, account, list)
		if err != nil {
			return err
		}
		for i := range list {
			row := versionRow{id: list[i].ID, levels: list[i].Levels}
			for _, cve := range list[i].CVEs {
				if id := ids[cve]; id != 0 {
					row.found = append(row.found, id)
				}
			}
			slices.Sort(row.found)
			row.found = slices.Compact(row.found)
			err = tx.putVersion(ctx, account, &row)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (tx *Tx) idsOfVulnerabilities(ctx context.Context, account posture.AccountID, list []device.VersionAppraisal) (map[string]int64, error) {
	var cves []string
	for i := range list {
		cves = append(cves, list[i].CVEs...)
	}
	slices.Sort(cves)
	out := make(map[string]int64, len(cves))
	err := inChunks(slices.Compact(cves), func(part []string) error {
		in, args := anyOf([]any{account}, part)
		return tx.query(ctx, func(r scanner) error {
			var cve string
			var id int64
			err := r.Scan(&cve, &id)
			out[cve] = id
			return err
		}, "SELECT cve, id FROM vulnerabilities WHERE account_id = ? AND cve IN "+in, args...)
	})
	return out, err
}

// putVersion stores what the catalogue says of a version.
func (tx *Tx) putVersion(ctx context.Context, account posture.AccountID, row *versionRow) error {
	return tx.execOne(ctx, `UPDATE product_versions SET cves = ?, level_opswat = ?, level_cvss2 = ?, level_cvss3 = ?, found = ?
		WHERE account_id = ? AND id = ?`, len(row.found), row.levels[0], row.levels[1], row.levels[2], packFacets(row.found), account, row.id)
}

// AppraiseVulnerabilities implements device.Appraisals.
func (s *Store) AppraiseVulnerabilities(ctx context.Context, account posture.AccountID, list []device.OpenVulnerability) error {
	if len(list) == 0 {
		return nil
	}
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		tx.dirty = true
		_, err := tx.exec(ctx, lockFacets, account)
		if err != nil {
			return err
		}
		for i := range list {
			v := &list[i]
			_, err = tx.exec(ctx, `UPDATE vulnerabilities SET kev = ?, score_opswat = ?, score_cvss2 = ?, score_cvss3 = ?, level_opswat = ?,
				level_cvss2 = ?, level_cvss3 = ? WHERE account_id = ? AND cve = ?`, flag(v.KEV), v.Scores[0], v.Scores[1], v.Scores[2],
				v.Levels[0], v.Levels[1], v.Levels[2], account, v.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
