package store

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"muster/internal/errs"
)

// keyset is the order of a list, and how to go on behind one of its rows: by the values of that row, not by a number of
// rows. Its columns together tell all rows apart.
type keyset struct {
	name       string // of the list and its order: a position of one is none of another
	columns    []keyColumn
	descending bool
	// single says that an index holds all of the columns, in this order.
	single bool
}

type keyColumn struct {
	expr string
	kind keyKind
}

type keyKind byte

const (
	keyWord   keyKind = 't'
	keyWhole  keyKind = 'n'
	keyNumber keyKind = 'f'
)

// order gives the columns for ORDER BY.
func (k *keyset) order() string {
	direction := ""
	if k.descending {
		direction = " DESC"
	}
	return k.join(direction+", ") + direction
}

func (k *keyset) join(separator string) string {
	var parts []string
	for i, c := range k.columns {
		if !k.again(i) {
			parts = append(parts, c.expr)
		}
	}
	return strings.Join(parts, separator)
}

// again reports whether a column stands before already: it decides nothing more.
func (k *keyset) again(i int) bool {
	return slices.ContainsFunc(k.columns[:i], func(c keyColumn) bool { return c.expr == k.columns[i].expr })
}

// behind gives the condition that leaves the rows behind a position, and its arguments; for the start it is empty. The
// first column is compared by itself too: that is what an index can use where the columns come from several tables.
func (k *keyset) behind(position string) (string, []any, error) {
	if position == "" {
		return "", nil, nil
	}
	values, ok := k.parse(position)
	if !ok {
		return "", nil, errs.InvalidField("token", "The token is not a place in this list")
	}
	compare := ">"
	if k.descending {
		compare = "<"
	}
	var told []any
	for i := range values {
		if !k.again(i) {
			told = append(told, values[i])
		}
	}
	text := " AND (" + k.join(", ") + ") " + compare + " (" + places(len(told)) + ")"
	if k.single {
		return text, told, nil
	}
	return " AND " + k.columns[0].expr + " " + compare + "= ?" + text, append([]any{values[0]}, told...), nil
}

// position gives the place behind a row with these values.
func (k *keyset) position(values []any) string {
	text, err := json.Marshal(append([]any{k.label()}, values...))
	if err != nil {
		panic("store: a position cannot be encoded: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func (k *keyset) label() string {
	if k.descending {
		return k.name + "-"
	}
	return k.name
}

// maxPosition bounds what is decoded; a position holds a few names.
const maxPosition = 16 << 10

func (k *keyset) parse(position string) ([]any, bool) {
	if len(position) > maxPosition {
		return nil, false
	}
	text, err := base64.RawURLEncoding.DecodeString(position)
	if err != nil {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	var values []any
	err = dec.Decode(&values)
	if err != nil || dec.More() || len(values) != len(k.columns)+1 || values[0] != k.label() {
		return nil, false
	}
	values = values[1:]
	for i, c := range k.columns {
		var ok bool
		values[i], ok = c.kind.value(values[i])
		if !ok {
			return nil, false
		}
	}
	return values, true
}

// value reads one value of a position.
func (kind keyKind) value(v any) (any, bool) {
	if kind == keyWord {
		s, ok := v.(string)
		return s, ok && storable(s)
	}
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	if kind == keyWhole {
		whole, err := n.Int64()
		return whole, err == nil
	}
	fraction, err := n.Float64()
	return fraction, err == nil
}

// lowerASCII is what lower() does in both databases: other letters stay as they are.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// likeHolding gives the LIKE pattern, with \ as its escape, for texts in small letters that hold this one.
func likeHolding(s string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(lowerASCII(s)) + "%"
}
