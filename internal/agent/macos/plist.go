package macos

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"muster/internal/agent/collect"
)

// Property lists are read here and not by a library: some of them lie in folders of users, and what a file says of itself
// (how many objects it has, how deep they lie, which of them holds itself) must decide neither how much memory nor how much
// time it takes.
const (
	maxDepth  = 32
	maxValues = 100_000
)

var (
	errPlist = errors.New("the property list cannot be read")
	errLarge = errors.New("the property list is too large or too deep")
)

// dict is a dictionary of a property list. Its values are dict, []any, string, int64, float64, bool, time.Time and []byte.
type dict map[string]any

// parsePlist reads a property list, as XML or in its binary form.
func parsePlist(raw []byte) (any, error) {
	if bytes.HasPrefix(raw, []byte("bplist0")) {
		return parseBinary(raw)
	}
	return parseXML(raw)
}

// parseDict reads one whose root is a dictionary.
func parseDict(raw []byte) (dict, error) {
	v, err := parsePlist(raw)
	if err != nil {
		return nil, err
	}
	d, ok := v.(dict)
	if !ok {
		return nil, errPlist
	}
	return d, nil
}

// text gives a string, "" where there is none. NUL at the end of data, as in the device tree, goes.
func (d dict) text(key string) string {
	switch v := d[key].(type) {
	case string:
		return collect.Plain(v)
	case []byte:
		return collect.Plain(string(bytes.TrimRight(v, "\x00")))
	default:
		return ""
	}
}

// number gives a whole number, also of a real, a boolean or digits, and whether there is one.
func (d dict) number(key string) (int64, bool) {
	switch v := d[key].(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	default:
		return 0, false
	}
}

func (d dict) time(key string) time.Time {
	t, _ := d[key].(time.Time)
	return t
}

func (d dict) list(key string) []any {
	l, _ := d[key].([]any)
	return l
}

func (d dict) dicts(key string) []dict {
	var out []dict
	for _, v := range d.list(key) {
		if one, ok := v.(dict); ok {
			out = append(out, one)
		}
	}
	return out
}

// binaryPlist is the form of CFBinaryPList.c: objects, a table of where they begin, and at the end where that table is.
type binaryPlist struct {
	data           []byte // without the trailer
	offsets        uint64 // where the table begins
	count          uint64
	wide, refWidth int // of an entry of the table, and of a reference to an object
	left           int // values that may still be read
}

func parseBinary(raw []byte) (any, error) {
	const trailer = 32
	if len(raw) < 8+trailer {
		return nil, errPlist
	}
	end := raw[len(raw)-trailer:]
	p := &binaryPlist{
		data: raw[:len(raw)-trailer], wide: int(end[6]), refWidth: int(end[7]), left: maxValues,
		count: binary.BigEndian.Uint64(end[8:]), offsets: binary.BigEndian.Uint64(end[24:]),
	}
	size := uint64(len(p.data))
	if p.wide < 1 || p.wide > 8 || p.refWidth < 1 || p.refWidth > 8 || p.offsets > size || p.count > (size-p.offsets)/uint64(p.wide) {
		return nil, errPlist
	}
	return p.object(binary.BigEndian.Uint64(end[16:]), 0)
}

// bytes gives so many octets from a place on.
func (p *binaryPlist) bytes(at, n uint64) ([]byte, error) {
	size := uint64(len(p.data))
	if at > size || n > size-at {
		return nil, errPlist
	}
	return p.data[at : at+n], nil
}

func bigEndian(b []byte) uint64 {
	var n uint64
	for _, octet := range b {
		n = n<<8 | uint64(octet)
	}
	return n
}

func (p *binaryPlist) object(ref uint64, depth int) (any, error) {
	p.left--
	if depth > maxDepth || p.left < 0 {
		return nil, errLarge
	}
	if ref >= p.count {
		return nil, errPlist
	}
	where, err := p.bytes(p.offsets+ref*uint64(p.wide), uint64(p.wide))
	if err != nil {
		return nil, err
	}
	at := bigEndian(where)
	marker, err := p.bytes(at, 1)
	if err != nil {
		return nil, err
	}
	kind, low := marker[0]>>4, marker[0]&0x0f
	switch at++; kind {
	case 0x0:
		return low == 9, nil // 8 is false, 0 null
	case 0x1, 0x8: // a number; an id within the file
		return p.integer(at, kind, low)
	case 0x2, 0x3:
		return p.float(at, kind, low)
	}
	n, at, err := p.length(at, low)
	if err != nil {
		return nil, err
	}
	switch kind {
	case 0x4:
		return p.bytes(at, n)
	case 0x5:
		b, err := p.bytes(at, n)
		return strings.ToValidUTF8(string(b), "\uFFFD"), err
	case 0x6:
		return p.utf16(at, n)
	case 0xa, 0xc: // a list, a set
		return p.array(at, n, depth)
	case 0xd:
		return p.dictionary(at, n, depth)
	default:
		return nil, errPlist
	}
}

func (p *binaryPlist) integer(at uint64, kind, low byte) (any, error) {
	n := uint64(1) << low
	if kind == 0x8 {
		n = uint64(low) + 1
	}
	b, err := p.bytes(at, n)
	if err != nil {
		return nil, err
	}
	if n > 16 {
		return nil, errPlist
	}
	if n == 16 { // only numbers that do not fit into 8 are written so
		b = b[8:]
	}
	return int64(bigEndian(b)), nil
}

func (p *binaryPlist) float(at uint64, kind, low byte) (any, error) {
	b, err := p.bytes(at, uint64(1)<<low)
	if err != nil {
		return nil, err
	}
	var f float64
	switch len(b) {
	case 4:
		f = float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		f = math.Float64frombits(binary.BigEndian.Uint64(b))
	default:
		return nil, errPlist
	}
	if kind == 0x2 {
		return f, nil
	}
	// A date: seconds since the year 2001.
	const longest = 1 << 33
	if !(math.Abs(f) < longest) {
		return nil, errPlist
	}
	return time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(f) * time.Second), nil
}

// length gives how many there are, which stands in the marker or, from 15 on, in a number after it.
func (p *binaryPlist) length(at uint64, low byte) (n, next uint64, err error) {
	if low != 0x0f {
		return uint64(low), at, nil
	}
	marker, err := p.bytes(at, 1)
	if err != nil {
		return 0, 0, err
	}
	if marker[0]>>4 != 0x1 || marker[0]&0x0f > 3 {
		return 0, 0, errPlist
	}
	wide := uint64(1) << (marker[0] & 0x0f)
	b, err := p.bytes(at+1, wide)
	return bigEndian(b), at + 1 + wide, err
}

func (p *binaryPlist) utf16(at, n uint64) (any, error) {
	if n > uint64(len(p.data)) {
		return nil, errPlist
	}
	b, err := p.bytes(at, 2*n)
	if err != nil {
		return nil, err
	}
	units := make([]uint16, n)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units)), nil
}

// references gives the numbers of n objects.
func (p *binaryPlist) references(at, n uint64) ([]byte, error) {
	if n > uint64(p.left) {
		return nil, errLarge
	}
	return p.bytes(at, n*uint64(p.refWidth))
}

func (p *binaryPlist) array(at, n uint64, depth int) (any, error) {
	refs, err := p.references(at, n)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, n)
	for ; len(refs) > 0; refs = refs[p.refWidth:] {
		v, err := p.object(bigEndian(refs[:p.refWidth]), depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (p *binaryPlist) dictionary(at, n uint64, depth int) (any, error) {
	refs, err := p.references(at, 2*n)
	if err != nil {
		return nil, err
	}
	out := make(dict, n)
	for i := range int(n) {
		key, err := p.object(bigEndian(refs[i*p.refWidth:(i+1)*p.refWidth]), depth+1)
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, errPlist
		}
		j := i + int(n)
		if out[name], err = p.object(bigEndian(refs[j*p.refWidth:(j+1)*p.refWidth]), depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// xmlPlist reads the form of PropertyList-1.0.dtd.
type xmlPlist struct {
	in   *xml.Decoder
	left int
}

func parseXML(raw []byte) (any, error) {
	p := &xmlPlist{in: xml.NewDecoder(bytes.NewReader(raw)), left: maxValues}
	p.in.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errPlist }
	root, err := p.next()
	if err != nil {
		return nil, err
	}
	if root == nil || root.Name.Local != "plist" {
		return nil, errPlist
	}
	start, err := p.next()
	if err != nil {
		return nil, err
	}
	if start == nil {
		return nil, errPlist
	}
	v, err := p.value(*start, 0)
	if err != nil {
		return nil, err
	}
	if after, err := p.next(); err != nil || after != nil {
		return nil, errPlist
	}
	return v, nil
}

// next gives the next element, nil where the one around it ends.
func (p *xmlPlist) next() (*xml.StartElement, error) {
	for {
		token, err := p.in.Token()
		if err != nil {
			return nil, errPlist
		}
		switch t := token.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.EndElement:
			return nil, nil
		}
	}
}

func (p *xmlPlist) value(start xml.StartElement, depth int) (any, error) {
	p.left--
	if depth > maxDepth || p.left < 0 {
		return nil, errLarge
	}
	switch start.Name.Local {
	case "dict":
		return p.dictionary(depth)
	case "array":
		return p.array(depth)
	}
	text, err := p.content()
	if err != nil {
		return nil, err
	}
	switch start.Name.Local {
	case "string":
		return text, nil
	case "true", "false":
		return start.Name.Local == "true", nil
	case "integer":
		return integerOf(strings.TrimSpace(text))
	case "real":
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		return f, wrong(err)
	case "date":
		t, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
		return t.UTC(), wrong(err)
	case "data":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		return b, wrong(err)
	default:
		return nil, errPlist
	}
}

func wrong(err error) error {
	if err != nil {
		return errPlist
	}
	return nil
}

// integerOf reads a whole number. One that is too large for a signed one of 64 bits is taken bit by bit, as the binary form
// does.
func integerOf(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return n, nil
	}
	n, err := strconv.ParseUint(text, 0, 64)
	return int64(n), wrong(err)
}

// content gives the text of an element that has no others in it.
func (p *xmlPlist) content() (string, error) {
	var b strings.Builder
	for {
		token, err := p.in.Token()
		if err != nil {
			return "", errPlist
		}
		switch t := token.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.EndElement:
			return b.String(), nil
		case xml.StartElement:
			return "", errPlist
		}
	}
}

func (p *xmlPlist) array(depth int) (any, error) {
	var out []any
	for {
		start, err := p.next()
		if err != nil || start == nil {
			return out, err
		}
		v, err := p.value(*start, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

func (p *xmlPlist) dictionary(depth int) (any, error) {
	out := dict{}
	for {
		start, err := p.next()
		if err != nil || start == nil {
			return out, err
		}
		if start.Name.Local != "key" {
			return nil, errPlist
		}
		key, err := p.content()
		if err != nil {
			return nil, err
		}
		start, err = p.next()
		if err != nil {
			return nil, err
		}
		if start == nil {
			return nil, errPlist
		}
		if out[key], err = p.value(*start, depth+1); err != nil {
			return nil, err
		}
	}
}
