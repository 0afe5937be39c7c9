package store

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// table is where an index holds what a member of a filter asks for.
type table uint8

const (
	inDevices table = iota // a column of devices, each device having one value
	inFacets
	inWords
)

// member is one member of a filter that an index serves: a device must have one of its values.
type member struct {
	table  table
	column string // of devices
	values []any  // distinct, at least one
	// Words from (included) to (excluded), in the place of values.
	from, to string
}

// criteria is a filter as queries need it.
type criteria struct {
	members []member
	managed posture.Fact
	// conditions are on devices d and device_seen s; no index serves them.
	conditions []condition
	// nothing says that no device can match.
	nothing bool
}

// criteriaOf reads a filter. Invalid: it is too long.
func (s *Store) criteriaOf(ctx context.Context, account posture.AccountID, f *device.Filter) (criteria, error) {
	c := criteria{managed: f.Managed}
	err := s.addConditions(ctx, account, &c, f)
	if err != nil {
		return c, err
	}
	for _, m := range []struct {
		name   string
		member member
	}{
		{"status", scalar("status", f.Statuses)},
		{"severity", scalar("severity", f.Severities)},
		{"os", texts("os_family", f.OS)},
		{"device_type", texts("device_type", f.Types)},
		{"group", scalar("group_id", f.Groups)},
		{"level", scalar("level_opswat", f.Levels)},
	} {
		err := c.add(m.name, m.member)
		if err != nil {
			return c, err
		}
	}
	err = s.addFacets(ctx, account, &c, f)
	if err != nil {
		return c, err
	}
	words, err := device.SearchWords(f.Search)
	for _, w := range words {
		c.members = append(c.members, member{table: inWords, from: w, to: successor(w)})
		c.conditions = append(c.conditions, shownWord(w, f.Hidden)...)
	}
	return c, err
}

func (c *criteria) add(name string, m member) error {
	if len(m.values) > device.MaxFilterValues {
		return errs.InvalidField(name, "A filter has at most %d values of %s", device.MaxFilterValues, name)
	}
	if len(m.values) > 0 {
		c.members = append(c.members, m)
	}
	return nil
}

// addFacets adds the members that device_facets serves. One of which no value is known lets nothing through.
func (s *Store) addFacets(ctx context.Context, account posture.AccountID, c *criteria, f *device.Filter) error {
	var categories []int64
	for _, category := range f.Categories {
		if n, ok := categoryNumber(category); ok {
			categories = append(categories, n)
		}
	}
	if len(f.CVEs) > device.MaxFilterValues {
		return errs.InvalidField("cve", "A filter has at most %d values of cve", device.MaxFilterValues)
	}
	if len(f.AcceptedCVEs) > device.MaxFilterValues {
		return errs.InvalidField("accepted_cve", "A filter has at most %d values of accepted_cve", device.MaxFilterValues)
	}
	vulnerabilities, err := s.vulnerabilityIDs(ctx, account, f.CVEs)
	if err != nil {
		return err
	}
	accepted, err := s.vulnerabilityIDs(ctx, account, f.AcceptedCVEs)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name  string
		kind  facetKind
		ids   []int64
		asked int
	}{
		{"category", facetCategory, categories, len(f.Categories)},
		{"product", facetProduct, possible(f.Products), len(f.Products)},
		{"cve", facetVulnerability, vulnerabilities, len(f.CVEs)},
		{"accepted_cve", facetAccepted, accepted, len(f.AcceptedCVEs)},
	} {
		err := c.add(m.name, facets(m.kind, m.ids))
		if err != nil {
			return err
		}
		c.nothing = c.nothing || m.asked > 0 && len(m.ids) == 0
	}
	return nil
}

// vulnerabilityIDs gives the ids of those vulnerabilities that a device of the account ever had.
func (s *Store) vulnerabilityIDs(ctx context.Context, account posture.AccountID, cves []string) ([]int64, error) {
	args := []any{account}
	for _, cve := range cves {
		if storable(cve) {
			args = append(args, cve)
		}
	}
	if len(args) == 1 {
		return nil, nil
	}
	args = append(args[:1:1], padded(args[1:])...)
	var out []int64
	err := s.query(ctx, func(r scanner) error {
		var id int64
		err := r.Scan(&id)
		out = append(out, id)
		return err
	}, "SELECT id FROM vulnerabilities WHERE account_id = ? AND cve IN ("+places(len(args)-1)+")", args...)
	return out, err
}

// possible leaves out the ids that nothing can have.
func possible(ids []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id < 0 || id >= facetIDs })
}

func scalar[T ~uint8 | ~int64](column string, values []T) member {
	m := member{column: column}
	for _, v := range distinct(values) {
		m.values = append(m.values, int64(v))
	}
	return m
}

func texts[T ~string](column string, values []T) member {
	m := member{column: column}
	for _, v := range distinct(values) {
		if storable(string(v)) {
			m.values = append(m.values, string(v))
		}
	}
	if len(values) > 0 && len(m.values) == 0 {
		m.values = []any{"\uFFFD"} // no device has it
	}
	return m
}

func facets(kind facetKind, ids []int64) member {
	m := member{table: inFacets}
	for _, id := range distinct(ids) {
		m.values = append(m.values, facetOf(kind, id))
	}
	return m
}

// distinct gives each of the values once, sorted.
func distinct[T ~uint8 | ~int64 | ~string](values []T) []T {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

// storable reports whether a text can be stored, and so whether it can be equal to one that is: PostgreSQL takes no zero
// bytes, and nothing but UTF-8; asking for another is an error there.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// successor gives the first text behind all that begin with prefix.
func successor(prefix string) string {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch r {
		case utf8.MaxRune:
			continue
		case 0xD7FF: // surrogates follow, which no text holds
			r = 0xE000
		default:
			r++
		}
		return prefix + string(r)
	}
	return "\U0010FFFF\U0010FFFF\U0010FFFF\U0010FFFF"
}
