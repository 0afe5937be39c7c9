package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"muster/internal/device"
	"muster/internal/posture"
)

// Facets implements device.Spread.
func (s *Store) Facets(ctx context.Context, account posture.AccountID, h *device.Holdings) (device.Facets, error) {
	keys := keysOf(account, h)
	ids := make([]dictIDs, len(keys))
	if !s.known.get(keys, ids) {
		n := newNumbering(account, h, ids)
		err := n.find(ctx, s)
		if err != nil {
			return nil, err
		}
		if !n.settled() {
			// Alone in its transaction, because it locks other rows than those of one device, and in its own order.
			err = s.writer.do(ctx, keyMany, func(tx *Tx) error { return n.complete(ctx, tx) })
		}
		if err != nil {
			return nil, err
		}
		n.fill(ids)
		s.known.put(keys, ids)
	}
	return facetsOf(h, ids), nil
}

// facetsOf puts the numbers in order.
func facetsOf(h *device.Holdings, ids []dictIDs) device.Facets {
	out := make(device.Facets, 0, len(h.Categories)+len(ids)+len(h.Installed))
	for _, c := range h.Categories {
		if n, ok := categoryNumber(c); ok {
			out = append(out, facetOf(facetCategory, n))
		}
	}
	for i, known := range ids {
		switch {
		case i < len(h.Installed):
			out = append(out, facetOf(facetProduct, known.product), facetOf(facetProductVersion, known.id))
		case i < len(h.Installed)+len(h.Vulnerabilities):
			out = append(out, facetOf(kindOfVulnerability(&h.Vulnerabilities[i-len(h.Installed)]), known.id))
		default:
			out = append(out, facetOf(facetPatch, known.id))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func kindOfVulnerability(v *device.HeldVulnerability) facetKind {
	if v.Accepted {
		return facetAccepted
	}
	return facetVulnerability
}

// The names by which things are told apart within an account.
type (
	productName struct{ name, vendor, ecosystem string }
	versionName struct {
		product int64
		version string
	}
	patchName  struct{ kb, title string }
	productKey struct {
		product int64
		device.ProductKey
	}
)

// versionRow and vulnerabilityRow are rows as far as the catalogue decides them.
type versionRow struct {
	id     int64
	found  []int64 // ids of vulnerabilities, in order
	levels posture.Levels
}

type vulnerabilityRow struct {
	id        int64
	catalogue string
	kev       bool
	scores    [posture.NumScoreTypes]float64
	levels    posture.Levels
}

// numbering is the work on what the dictionary did not have of one device.
type numbering struct {
	account posture.AccountID
	h       *device.Holdings
	// What is not known yet, by its place in the lists of h.
	installed, open, missing []int
	// known are the ids of the device's vulnerabilities that are known, also those that were known before.
	known           map[string]int64
	products        map[productName]int64
	categories      map[int64]string    // of products
	keys            map[productKey]bool // of these products
	versions        map[versionName]*versionRow
	vulnerabilities map[string]*vulnerabilityRow
	patches         map[patchName]int64
}

func newNumbering(account posture.AccountID, h *device.Holdings, ids []dictIDs) *numbering {
	n := &numbering{account: account, h: h, known: make(map[string]int64)}
	for i, known := range ids {
		v, p := i-len(h.Installed), i-len(h.Installed)-len(h.Vulnerabilities)
		switch {
		case known.id != 0 && v >= 0 && p < 0:
			n.known[h.Vulnerabilities[v].ID] = known.id
		case known.id != 0:
		case v < 0:
			n.installed = append(n.installed, i)
		case p < 0:
			n.open = append(n.open, v)
		default:
			n.missing = append(n.missing, p)
		}
	}
	return n
}

func nameOf(p *device.Installed) productName { return productName{p.Name, p.Vendor, p.Ecosystem} }

// version gives the row of an installed version, nil where there is none.
func (n *numbering) version(p *device.Installed) *versionRow {
	return n.versions[versionName{n.products[nameOf(p)], p.Version}]
}

// vulnerabilityID gives the id of a vulnerability of the device, 0 where it has no row yet.
func (n *numbering) vulnerabilityID(cve string) int64 {
	if row := n.vulnerabilities[cve]; row != nil {
		return row.id
	}
	return n.known[cve]
}

// said gives a version's row as the device's report has it, on top of what other reports had: a catalogue may say more of a
// version on one operating system than on another. What no longer holds goes when the version is appraised.
func (n *numbering) said(p *device.Installed, before *versionRow) versionRow {
	out := versionRow{id: before.id, found: slices.Clone(before.found), levels: p.Levels.Worst(before.levels)}
	for _, cve := range p.CVEs {
		if id := n.vulnerabilityID(cve); id != 0 {
			out.found = append(out.found, id)
		}
	}
	slices.Sort(out.found)
	out.found = slices.Compact(out.found)
	return out
}

func (r *versionRow) same(o *versionRow) bool {
	return r.levels == o.levels && slices.Equal(r.found, o.found)
}

// same says nothing of which catalogue says so: a new one that says the same of a vulnerability changes nothing.
func (r *vulnerabilityRow) same(o *vulnerabilityRow) bool {
	return r.kev == o.kev && r.scores == o.scores && r.levels == o.levels
}

func (n *numbering) saidOpen(v *device.HeldVulnerability, before *vulnerabilityRow) vulnerabilityRow {
	out := vulnerabilityRow{id: before.id, catalogue: n.h.Catalogue, kev: v.KEV, levels: v.Levels, scores: v.Scores}
	for t := range out.scores {
		out.scores[t] = max(out.scores[t], -1)
	}
	if before.catalogue == n.h.Catalogue {
		out.kev, out.levels = out.kev || before.kev, out.levels.Worst(before.levels)
		for t := range out.scores {
			out.scores[t] = max(out.scores[t], before.scores[t])
		}
	}
	return out
}

// settled reports whether every row is there and says what the device's report says.
func (n *numbering) settled() bool {
	for _, i := range n.open {
		v := &n.h.Vulnerabilities[i]
		row := n.vulnerabilities[v.ID]
		if row == nil {
			return false
		}
		now := n.saidOpen(v, row)
		if !now.same(row) {
			return false
		}
	}
	for _, i := range n.installed {
		p := &n.h.Installed[i]
		row := n.version(p)
		if row == nil {
			return false
		}
		now := n.said(p, row)
		if !now.same(row) || len(n.missingKeys(i)) > 0 {
			return false
		}
	}
	for _, i := range n.missing {
		if n.patches[patchOf(&n.h.Missing[i])] == 0 {
			return false
		}
	}
	return true
}

func patchOf(p *posture.Patch) patchName { return patchName{p.KB, p.Title} }

// fill puts the numbers that were not known into their places.
func (n *numbering) fill(ids []dictIDs) {
	for _, i := range n.installed {
		p := &n.h.Installed[i]
		ids[i] = dictIDs{n.version(p).id, n.products[nameOf(p)]}
	}
	for _, i := range n.open {
		ids[len(n.h.Installed)+i].id = n.vulnerabilities[n.h.Vulnerabilities[i].ID].id
	}
	for _, i := range n.missing {
		ids[len(n.h.Installed)+len(n.h.Vulnerabilities)+i].id = n.patches[patchOf(&n.h.Missing[i])]
	}
}

// nextIDs locks the account's sequence, and with it all others who would number something new, and gives so many
// numbers, the first of them.
const nextIDs = `INSERT INTO account_sequences (account_id, name, next) VALUES (?, 'facets', ?)
	ON CONFLICT (account_id, name) DO UPDATE SET next = account_sequences.next + excluded.next - 1 RETURNING next`

// complete makes the rows that are missing and corrects those that say something else. It may run more than once.
func (n *numbering) complete(ctx context.Context, tx *Tx) error {
	tx.dirty = true
	count := int64(2*len(n.installed) + len(n.open) + len(n.missing))
	var next int64
	err := tx.queryRow(ctx, nextIDs, n.account, count+1).Scan(&next)
	if err != nil {
		return err
	}
	next -= count
	newID := func() int64 { next++; return next - 1 }
	// Again, now that nobody else adds any.
	err = n.find(ctx, tx)
	if err != nil {
		return err
	}
	for _, part := range []func(context.Context, *Tx, func() int64) error{
		n.addProducts, n.addKeys, n.addVulnerabilities, n.addVersions, n.addPatches,
	} {
		err = part(ctx, tx, newID)
		if err != nil {
			return err
		}
	}
	return n.correct(ctx, tx)
}

// insertRows inserts rows of so many columns.
func insertRows(ctx context.Context, tx *Tx, into string, columns int, rows [][]any) error {
	one := "(" + places(columns) + ")"
	return inBatches(rows, func(part [][]any) error {
		return tx.execSome(ctx, len(part), "INSERT INTO "+into+" VALUES "+one+strings.Repeat(", "+one, len(part)-1), slices.Concat(part...)...)
	})
}

// execSome is exec for a statement that must change so many rows.
func (tx *Tx) execSome(ctx context.Context, want int, query string, args ...any) error {
	n, err := tx.exec(ctx, query, args...)
	if err == nil && n != int64(want) {
		return errNoRowChanged
	}
	return err
}

func (n *numbering) addProducts(ctx context.Context, tx *Tx, newID func() int64) error {
	var rows [][]any
	for _, i := range n.installed {
		p := &n.h.Installed[i]
		name := nameOf(p)
		if n.products[name] == 0 {
			n.products[name] = newID()
			n.categories[n.products[name]] = string(p.Category)
			rows = append(rows, []any{n.account, n.products[name], p.Name, p.Vendor, p.Ecosystem, string(p.Category)})
		}
	}
	return insertRows(ctx, tx, "products (account_id, id, name, vendor, ecosystem, category)", 6, rows)
}

// missingKeys gives what an installed product is looked up by and not kept under yet.
func (n *numbering) missingKeys(installed int) []productKey {
	if n.h.Keys == nil {
		return nil
	}
	product := n.products[nameOf(&n.h.Installed[installed])]
	var out []productKey
	for _, k := range n.h.Keys(installed) {
		if key := (productKey{product, k}); !n.keys[key] && len(k.Space)+len(k.Name) <= maxKey {
			out = append(out, key)
		}
	}
	return out
}

// maxKey is how long a key may be, in bytes: it must fit into an index. Nothing in any feed comes near it.
const maxKey = 1024

func (n *numbering) addKeys(ctx context.Context, tx *Tx, _ func() int64) error {
	var rows [][]any
	for _, i := range n.installed {
		for _, k := range n.missingKeys(i) {
			n.keys[k] = true
			rows = append(rows, []any{n.account, k.product, k.Space, k.Name, flag(k.ByVendor), flag(k.OtherVersion)})
		}
	}
	return insertRows(ctx, tx, "product_keys (account_id, product_id, space, name, by_vendor, other_version)", 6, rows)
}

func (n *numbering) addVulnerabilities(ctx context.Context, tx *Tx, newID func() int64) error {
	var rows [][]any
	for _, i := range n.open {
		v := &n.h.Vulnerabilities[i]
		if n.vulnerabilities[v.ID] != nil {
			continue
		}
		row := n.saidOpen(v, &vulnerabilityRow{id: newID(), catalogue: n.h.Catalogue, scores: [...]float64{-1, -1, -1}})
		n.vulnerabilities[v.ID] = &row
		rows = append(rows, []any{
			n.account, row.id, v.ID, 0, flag(row.kev), row.scores[0], row.scores[1], row.scores[2],
			row.levels[0], row.levels[1], row.levels[2], row.catalogue,
		})
	}
	return insertRows(ctx, tx, `vulnerabilities (account_id, id, cve, devices, kev, score_opswat, score_cvss2, score_cvss3,
		level_opswat, level_cvss2, level_cvss3, catalogue)`, 12, rows)
}

func (n *numbering) addVersions(ctx context.Context, tx *Tx, newID func() int64) error {
	var rows [][]any
	for _, i := range n.installed {
		p := &n.h.Installed[i]
		if n.version(p) != nil {
			continue
		}
		row := n.said(p, &versionRow{id: newID()})
		product := n.products[nameOf(p)]
		n.versions[versionName{product, p.Version}] = &row
		rows = append(rows, []any{
			n.account, row.id, product, p.Version, 0, len(row.found), row.levels[0], row.levels[1], row.levels[2],
			n.h.Catalogue, bytesOf(packFacets(row.found)), p.Name, p.Vendor, p.Ecosystem, n.categories[product],
		})
	}
	return insertRows(ctx, tx, `product_versions (account_id, id, product_id, version, devices, cves, level_opswat, level_cvss2,
		level_cvss3, catalogue, found, name, vendor, ecosystem, category)`, 15, rows)
}

func (n *numbering) addPatches(ctx context.Context, tx *Tx, newID func() int64) error {
	var rows [][]any
	for _, i := range n.missing {
		p := &n.h.Missing[i]
		if n.patches[patchOf(p)] != 0 {
			continue
		}
		id := newID()
		n.patches[patchOf(p)] = id
		rows = append(rows, []any{n.account, id, p.KB, p.Title, p.Product, p.Vendor, p.Severity, p.Category, millis(p.Released), 0})
	}
	return insertRows(ctx, tx, "patches (account_id, id, kb, title, product, vendor, severity, category, released_at, devices)", 10, rows)
}

// correct makes rows say what the device's report and catalogue say. The rows are locked in the order of flushFacets.
func (n *numbering) correct(ctx context.Context, tx *Tx) error {
	versions := make(map[int64]*versionRow)
	for _, i := range n.installed {
		p := &n.h.Installed[i]
		row := n.version(p)
		if now := n.said(p, row); !now.same(row) {
			*row = now
			versions[row.id] = row
		}
	}
	for _, row := range slices.SortedFunc(maps.Values(versions), func(a, b *versionRow) int { return cmp.Compare(a.id, b.id) }) {
		err := tx.putVersion(ctx, n.account, row)
		if err != nil {
			return err
		}
	}
	var vulnerabilities []*vulnerabilityRow
	for _, i := range n.open {
		v := &n.h.Vulnerabilities[i]
		row := n.vulnerabilities[v.ID]
		if now := n.saidOpen(v, row); !now.same(row) {
			*row = now
			vulnerabilities = append(vulnerabilities, row)
		}
	}
	slices.SortFunc(vulnerabilities, func(a, b *vulnerabilityRow) int { return cmp.Compare(a.id, b.id) })
	for _, row := range vulnerabilities {
		err := tx.execOne(ctx, `UPDATE vulnerabilities SET kev = ?, score_opswat = ?, score_cvss2 = ?, score_cvss3 = ?, level_opswat = ?,
			level_cvss2 = ?, level_cvss3 = ?, catalogue = ? WHERE account_id = ? AND id = ?`, flag(row.kev), row.scores[0], row.scores[1],
			row.scores[2], row.levels[0], row.levels[1], row.levels[2], row.catalogue, n.account, row.id)
		if err != nil {
			return err
		}
	}
	return nil
}
