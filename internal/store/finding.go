package store

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// lookupSizes are how many names one statement looks up. A list is filled up with its last name to one of them, so that
// there are few texts.
var lookupSizes = [...]int{1, 8, 64}

// inLookups splits a list into parts of these sizes.
func inLookups[T any](list []T, do func(part []T) error) error {
	for len(list) > 0 {
		part := list[:min(len(list), lookupSizes[len(lookupSizes)-1])]
		list = list[len(part):]
		for _, size := range lookupSizes {
			if len(part) <= size {
				part = part[:len(part):len(part)]
				for len(part) < size {
					part = append(part, part[len(part)-1])
				}
				break
			}
		}
		err := do(part)
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted begins a query with a table of what is looked for.
func wanted(columns, first, more string, n int) string {
	return "WITH wanted (" + columns + ") AS (VALUES " + first + strings.Repeat(", "+more, n-1) + ") "
}

// find reads the rows there are of what is not known yet.
func (n *numbering) find(ctx context.Context, q querier) error {
	for _, part := range []func(context.Context, querier) error{n.findProducts, n.findKeys, n.findVulnerabilities, n.findVersions, n.findPatches} {
		err := part(ctx, q)
		if err != nil {
			return err
		}
	}
	return nil
}

// each gives the distinct names of some entries of a list.
func each[T any, K comparable](list []T, places []int, name func(*T) K) []K {
	seen := make(map[K]bool, len(places))
	var out []K
	for _, i := range places {
		k := name(&list[i])
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

func (n *numbering) findProducts(ctx context.Context, q querier) error {
	n.products, n.categories = make(map[productName]int64), make(map[int64]string)
	return inLookups(each(n.h.Installed, n.installed, nameOf), func(part []productName) error {
		var args []any
		for _, p := range part {
			args = append(args, p.name, p.vendor, p.ecosystem)
		}
		return q.query(ctx, func(r scanner) error {
			var p productName
			var id int64
			var category string
			err := r.Scan(&p.name, &p.vendor, &p.ecosystem, &id, &category)
			n.products[p], n.categories[id] = id, category
			return err
		}, wanted("name, vendor, ecosystem", "(?, ?, ?)", "(?, ?, ?)", len(part))+`SELECT products.name, products.vendor, products.ecosystem,
			products.id, products.category FROM wanted JOIN products ON products.account_id = ? AND products.name = wanted.name
			AND products.vendor = wanted.vendor AND products.ecosystem = wanted.ecosystem`, append(args, n.account)...)
	})
}

func (n *numbering) findKeys(ctx context.Context, q querier) error {
	n.keys = make(map[productKey]bool)
	if n.h.Keys == nil {
		return nil
	}
	return inChunks(slices.Collect(maps.Values(n.products)), func(part []int64) error {
		in, args := anyOf([]any{n.account}, part)
		return q.query(ctx, func(r scanner) error {
			var k productKey
			err := r.Scan(&k.product, &k.Space, &k.Name, &k.ByVendor, &k.OtherVersion)
			n.keys[k] = true
			return err
		}, "SELECT product_id, space, name, by_vendor, other_version FROM product_keys WHERE account_id = ? AND product_id IN "+in, args...)
	})
}

func (n *numbering) findVersions(ctx context.Context, q querier) error {
	n.versions = make(map[versionName]*versionRow)
	var names []versionName
	for _, i := range n.installed {
		p := &n.h.Installed[i]
		if id := n.products[nameOf(p)]; id != 0 {
			names = append(names, versionName{id, p.Version})
		}
	}
	return inLookups(names, func(part []versionName) error {
		var args []any
		for _, v := range part {
			args = append(args, v.product, v.version)
		}
		return q.query(ctx, func(r scanner) error {
			var name versionName
			var row versionRow
			var found []byte
			err := r.Scan(&name.product, &name.version, &row.id, &found, &row.levels[0], &row.levels[1], &row.levels[2])
			if err != nil {
				return err
			}
			row.found, err = unpackFacets(found)
			n.versions[name] = &row
			return err
		}, wanted("product_id, version", "(CAST(? AS BIGINT), ?)", "(?, ?)", len(part))+`SELECT v.product_id, v.version, v.id,
			v.found, v.level_opswat, v.level_cvss2, v.level_cvss3 FROM wanted JOIN product_versions v ON v.account_id = ?
			AND v.product_id = wanted.product_id AND v.version = wanted.version`, append(args, n.account)...)
	})
}

func (n *numbering) findVulnerabilities(ctx context.Context, q querier) error {
	n.vulnerabilities = make(map[string]*vulnerabilityRow)
	var names []string
	for _, i := range n.open {
		names = append(names, n.h.Vulnerabilities[i].ID)
	}
	return inLookups(names, func(part []string) error {
		var args []any
		for _, cve := range part {
			args = append(args, cve)
		}
		return q.query(ctx, func(r scanner) error {
			var cve string
			var row vulnerabilityRow
			err := r.Scan(&cve, &row.id, &row.catalogue, &row.kev, &row.scores[0], &row.scores[1], &row.scores[2],
				&row.levels[0], &row.levels[1], &row.levels[2])
			n.vulnerabilities[cve] = &row
			return err
		}, wanted("cve", "(?)", "(?)", len(part))+`SELECT v.cve, v.id, v.catalogue, v.kev, v.score_opswat, v.score_cvss2, v.score_cvss3,
			v.level_opswat, v.level_cvss2, v.level_cvss3 FROM wanted JOIN vulnerabilities v ON v.account_id = ? AND v.cve = wanted.cve`,
			append(args, n.account)...)
	})
}

func (n *numbering) findPatches(ctx context.Context, q querier) error {
	n.patches = make(map[patchName]int64)
	return inLookups(each(n.h.Missing, n.missing, patchOf), func(part []patchName) error {
		var args []any
		for _, p := range part {
			args = append(args, p.kb, p.title)
		}
		return q.query(ctx, func(r scanner) error {
			var p patchName
			var id int64
			err := r.Scan(&p.kb, &p.title, &id)
			n.patches[p] = id
			return err
		}, wanted("kb, title", "(?, ?)", "(?, ?)", len(part))+`SELECT patches.kb, patches.title, patches.id FROM wanted JOIN patches
			ON patches.account_id = ? AND patches.kb = wanted.kb AND patches.title = wanted.title`, append(args, n.account)...)
	})
}
