package macos

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Written by Python's plistlib, of the value below, in both forms.
const (
	plistBinary = "62706c6973743030db0102030405060708090a0b0c0d0e0f101112191a1b1c5241745542656c6f775c434642756e646c654e616d655f101a43464275" +
		"6e646c6553686f727456657273696f6e537472696e6755436f756e745444617461544c697374544c6f6e67534f6666524f6e5553686172653341c85e" +
		"ce6000000013fffffffffffffff96900dc006e00ef0063006f00640065002020ac55312e322e3311012c440001feffa41314151651611001a0d11718" +
		"54646565705265725f10506c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c" +
		"6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e676c6f6e670809233fe00000000000000008001f00220028003500520058005d0062" +
		"0067006b006e0074007d00860099009f00a200a700ac00ae00b000b100b400b900bc010f011001110000000000000201000000000000001d00000000" +
		"00000000000000000000011a"
	plistXML = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>At</key>
	<date>2026-11-30T12:00:00Z</date>
	<key>Below</key>
	<integer>-7</integer>
	<key>CFBundleName</key>
	<string>Ünïcode €</string>
	<key>CFBundleShortVersionString</key>
	<string>1.2.3</string>
	<key>Count</key>
	<integer>300</integer>
	<key>Data</key>
	<data>
	AAH+/w==
	</data>
	<key>List</key>
	<array>
		<string>a</string>
		<integer>1</integer>
		<array/>
		<dict>
			<key>deep</key>
			<string>er</string>
		</dict>
	</array>
	<key>Long</key>
	<string>longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong</string>
	<key>Off</key>
	<false/>
	<key>On</key>
	<true/>
	<key>Share</key>
	<real>0.5</real>
</dict>
</plist>
`
)

var plistValue = dict{
	"CFBundleName": "Ünïcode €", "CFBundleShortVersionString": "1.2.3", "Count": int64(300), "Below": int64(-7), "Share": 0.5,
	"On": true, "Off": false, "At": time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), "Data": []byte{0, 1, 254, 255},
	"List": []any{"a", int64(1), []any{}, dict{"deep": "er"}}, "Long": strings.Repeat("long", 20),
}

func unhex(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPlistInBothForms(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string][]byte{"binary": unhex(t, plistBinary), "XML": []byte(plistXML)} {
		got, err := parsePlist(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := plistValue
		if diff := cmp.Diff(want, got, cmp.Transformer("none", func(l []any) []any {
			if len(l) == 0 {
				return nil
			}
			return l
		})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		// Cut off anywhere, it is refused.
		for n := range raw {
			if v, err := parsePlist(raw[:n]); err == nil && n < len(raw)-1 {
				t.Errorf("%s: after %d octets of %d it is read as %v", name, n, len(raw), v)
			}
		}
	}
}

// trailer ends a binary property list.
func trailer(wide, refWidth byte, count, root, offsets uint64) []byte {
	b := make([]byte, 32)
	b[6], b[7] = wide, refWidth
	for i := range 8 {
		shift := 56 - 8*i
		b[8+i], b[16+i], b[24+i] = byte(count>>shift), byte(root>>shift), byte(offsets>>shift)
	}
	return b
}

// Files that say of themselves what would take all memory, or for ever.
func TestPlistsThatAreHostile(t *testing.T) {
	t.Parallel()
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	head := []byte("bplist00")
	doubling := join(head) // each list holds the next one twice: 2^30 values in a hundred octets
	var table []byte
	for i := range byte(30) {
		table = append(table, byte(len(doubling)))
		doubling = append(doubling, 0xa2, i+1, i+1)
	}
	table = append(table, byte(len(doubling)))
	doubling = append(doubling, 0x09)
	end := uint64(len(doubling))
	doubling = join(doubling, table, trailer(1, 1, 31, 0, end))

	chain := join(head) // lists in each other, none of them twice
	table = nil
	for i := range byte(maxDepth + 1) {
		table = append(table, byte(len(chain)))
		chain = append(chain, 0xa1, i+1)
	}
	table = append(table, byte(len(chain)))
	chain = append(chain, 0x09)
	end = uint64(len(chain))
	chain = join(chain, table, trailer(1, 1, maxDepth+2, 0, end))

	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"lists within lists":         {chain, errLarge},
		"a list of itself":           {join(head, []byte{0xa1, 0x00, 0x08}, trailer(1, 1, 1, 0, 10)), errLarge},
		"lists that double":          {doubling, errLarge},
		"more objects than octets":   {join(head, []byte{0x09, 0x08}, trailer(1, 1, 1<<40, 0, 9)), errPlist},
		"a table of no width":        {join(head, []byte{0x09, 0x08}, trailer(0, 1, 1<<40, 0, 9)), errPlist},
		"no such root":               {join(head, []byte{0x09, 0x08}, trailer(1, 1, 1, 7, 9)), errPlist},
		"a table beyond the end":     {join(head, []byte{0x09, 0x08}, trailer(1, 1, 1, 0, 1<<63)), errPlist},
		"a text longer than all":     {join(head, []byte{0x5f, 0x13, 255, 255, 255, 255, 255, 255, 255, 255, 0x08}, trailer(1, 1, 1, 0, 18)), errPlist},
		"a list longer than all":     {join(head, []byte{0xaf, 0x13, 127, 255, 255, 255, 255, 255, 255, 255, 0x08}, trailer(1, 1, 1, 0, 18)), errLarge},
		"a wide text of great size":  {join(head, []byte{0x6f, 0x13, 128, 0, 0, 0, 0, 0, 0, 1, 0x08}, trailer(1, 1, 1, 0, 18)), errPlist},
		"lists within lists, in XML": {[]byte("<plist>" + strings.Repeat("<array>", 1_000_000)), errLarge},
		"very many values, in XML":   {[]byte("<plist><array>" + strings.Repeat("<true/>", maxValues+1)), errLarge},
		"another document":           {[]byte("<html><body/></html>"), errPlist},
		"no document":                {[]byte("{ key = value; }"), errPlist},
		"entities of its own":        {[]byte(`<!DOCTYPE plist [<!ENTITY a "aaaa">]><plist><string>&a;</string></plist>`), errPlist},
		"nothing":                    {nil, errPlist},
	} {
		if v, err := parsePlist(c.raw); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func FuzzPlist(f *testing.F) {
	f.Add(unhex(f, plistBinary))
	f.Add([]byte(plistXML))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := parsePlist(raw)
		if err != nil && v != nil {
			t.Errorf("both %v and %v", v, err)
		}
		if d, ok := v.(dict); ok {
			for key := range d {
				d.text(key)
				d.number(key)
				d.time(key)
				d.dicts(key)
			}
		}
	})
}
