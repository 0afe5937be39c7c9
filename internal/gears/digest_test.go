package gears

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"muster/internal/errs"
)

// volatileMembers are those that may change without the digest changing, as docs/agent-protocol.md lists them.
var volatileMembers = []string{
	"scan_time", "last_time_ip_scanning",
	"soh.last_time_ip_scanning", "soh.neighbours",
	"soh.system.battery", "soh.system.device_up_time", "soh.system.memory.available_memory_mb", "soh.system.disk_space.available_size_mb",
	"soh.os_info.system.battery", "soh.os_info.system.device_up_time", "soh.os_info.system.memory.available_memory_mb",
	"soh.os_info.system.disk_space.available_size_mb",
	"soh.os_info.network_adapter_info.dhcp_obtained", "soh.os_info.network_adapter_info.dhcp_expires",
	"network_adapter_info.dhcp_obtained", "network_adapter_info.dhcp_expires",
}

func isVolatile(path string) bool {
	for _, v := range volatileMembers {
		if path == v || strings.HasPrefix(path, v+".") {
			return true
		}
	}
	return false
}

var volatileSamples = []string{"reports/android.json", "reports/ios.json", "reports/linux.json", "reports/windows.json", "reports/mac.json", "reports/linux-gearsd.json", "reports/windows-findings.json", "reports/linux-agent.json"}

func parse(tb testing.TB, raw []byte) any {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// write writes a value as JSON with white space and an order of members of its own choosing.
func write(rnd *rand.Rand, b *strings.Builder, v any) {
	space := func() { b.WriteString([]string{"", "", " ", "\n\t", "\r\n"}[rnd.IntN(5)]) }
	space()
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		sort.Strings(names)
		rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		b.WriteByte('{')
		for i, name := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			space()
			writeJSON(b, name)
			space()
			b.WriteByte(':')
			write(rnd, b, v[name])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			write(rnd, b, e)
		}
		b.WriteByte(']')
	default:
		writeJSON(b, v)
	}
	space()
}

func writeJSON(b *strings.Builder, v any) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
}

func rendered(t *rapid.T, v any) []byte {
	var b strings.Builder
	write(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "layout"), 0)), &b, v)
	return []byte(b.String())
}

func mustDigest(t *rapid.T, raw []byte) [32]byte {
	d, err := digestOf(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return d
}

// place is a member or element of a document, and how to change it.
type place struct {
	path   string
	set    func(any)
	remove func()
}

func places(v any, path string) []place {
	var out []place
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			p := strings.TrimPrefix(path+"."+name, ".")
			out = append(out, place{p, func(n any) { v[name] = n }, func() { delete(v, name) }})
			out = append(out, places(inner, p)...)
		}
	case []any:
		for i, inner := range v {
			out = append(out, place{path, func(n any) { v[i] = n }, nil})
			out = append(out, places(inner, path)...)
		}
	}
	return out
}

func TestDigestIgnoresLayout(t *testing.T) {
	for _, name := range volatileSamples {
		raw := readSample(t, name)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			if mustDigest(t, rendered(t, parse(nil, raw))) != mustDigest(t, raw) {
				t.Fatal("white space or the order of members changed the digest")
			}
		}))
	}
}

// TestDigestSeesEveryChangeThatMatters changes, removes or adds one member or element anywhere in a report.
func TestDigestSeesEveryChangeThatMatters(t *testing.T) {
	for _, name := range volatileSamples {
		raw := readSample(t, name)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			doc := parse(nil, raw)
			all := places(doc, "")
			sort.SliceStable(all, func(i, j int) bool { return all[i].path < all[j].path })
			p := rapid.SampledFrom(all).Draw(t, "place")
			if p.remove != nil && rapid.Bool().Draw(t, "remove") {
				p.remove()
			} else {
				p.set(json.Number(rapid.StringMatching("1794[0-9]{6}").Draw(t, "value")))
			}
			changed := mustDigest(t, rendered(t, doc)) != mustDigest(t, raw)
			if changed == isVolatile(p.path) {
				t.Fatalf("a change of %s: digest changed %v", p.path, changed)
			}
		}))
	}
}

func TestDigestOfVolatileMembersThatComeAndGo(t *testing.T) {
	const base = `{"hostname":"a","soh":{"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`
	for _, body := range []string{
		`{"hostname":"a","scan_time":"2026-11-23T21:21:15Z","soh":{"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`,
		`{"hostname":"a","scan_time":null,"last_time_ip_scanning":{"a":[1,2,{"b":3}]},"soh":{"last_time_ip_scanning":1,"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`,
		`{"hostname":"a","soh":{"system":{"battery":{"percentage":3},"device_up_time":7,"memory":{"available_memory_mb":1,"total_memory_mb":8},"disk_space":{"available_size_mb":9}}}}`,
		`{"hostname":"a","\u0073can_time":1794000000,"soh":{"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`,
	} {
		same(t, base, body, true)
	}
	for _, body := range []string{
		`{"hostname":"a","trans_id":"crm-1","soh":{"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`,
		`{"hostname":"a","soh":{"soh":{"last_time_ip_scanning":1},"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`,
		`{"hostname":"a","soh":{"scan_time":1,"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`,
		`{"hostname":"a","battery":1,"soh":{"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`,
		`{"hostname":"a","soh":{"applications":[{"battery":1}],"system":{"memory":{"total_memory_mb":8},"disk_space":{}}}}`,
		`{"hostname":"a","soh":{"system":{"memory":{"total_memory_mb":8},"disk_space":{"available_memory_mb":1}}}}`,
		`{"hostname":"a","soh":{"system":{"memory":{"total_memory_mb":8},"disk_space":{}}},"x":{"system":{"battery":1}}}`,
	} {
		same(t, base, body, false)
	}
}

func TestDigestOfALease(t *testing.T) {
	for _, place := range []string{
		`{"network_adapter_info":[{%s}]}`, `{"os":{"network_adapters":[{%s}]}}`, `{"os_info":{"network_adapter_info":{%s}}}`,
		`{"soh":{"os_info":[{"network_adapter_info":[{%s}]}]}}`, `{"soh":{"os_info":[{"os":{"network_adapters":[{%s}]}}]}}`,
	} {
		in := func(members string) string { return fmt.Sprintf(place, members) }
		same(t, in(`"mac":"00:0c:29:00:00:01"`), in(`"dhcp_obtained":1794000000,"mac":"00:0c:29:00:00:01","dhcp_expires":"2026-11-23T21:21:15Z"`), true)
		same(t, in(`"dhcp_server":"192.0.2.1"`), in(`"dhcp_server":"192.0.2.2"`), false)
	}
	same(t, `{"soh":{}}`, `{"soh":{"dhcp_obtained":1}}`, false)
	for _, bad := range []string{`-1`, `"1969-01-01"`, `7258118400000`} { // where nothing else is new, nothing else would read it
		if _, err := digestOf([]byte(adapter(`"dhcp_expires":` + bad))); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func same(t *testing.T, a, b string, want bool) {
	t.Helper()
	da, err := digestOf([]byte(a))
	if err != nil {
		t.Fatal(err)
	}
	db, err := digestOf([]byte(b))
	if err != nil {
		t.Fatal(err)
	}
	if (da == db) != want {
		t.Errorf("same digest: %v, want %v, for\n  %s\n  %s", da == db, want, a, b)
	}
}

// TestDigestIsStable pins the digest itself. It is stored: when it changes for the same report, every device of the
// fleet is judged anew at its next report, which is right only if decoding has changed (see digestVersion).
func TestDigestIsStable(t *testing.T) {
	d, err := digestOf([]byte(`{"soh":{"os_info":[{"name":"Linux","family":"linux"}]},"scan_time":"2026-11-23T21:21:15Z","hostname":"vm"}`))
	if err != nil {
		t.Fatal(err)
	}
	canonical := digestVersion + `{"hostname":"vm","soh":{"os_info":[{"family":"linux","name":"Linux",},],},}`
	if want := sha256.Sum256([]byte(canonical)); d != want {
		t.Errorf("digest %x, want %x", d, want)
	}
}

func TestDigestTellsStructuresApart(t *testing.T) {
	bodies := []string{
		`{}`, `{"a":{}}`, `{"a":[]}`, `{"a":null}`, `{"a":""}`, `{"a":0}`, `{"a":false}`, `{"a":"0"}`, `{"a":[[]]}`, `{"a":[],"b":[]}`, `{"a":{"b":[]}}`,
		`{"a":[1,2]}`, `{"a":[12]}`, `{"a":[2,1]}`, `{"a":["1,2"]}`, `{"a":[[1],2]}`, `{"a":[1,[2]]}`, `{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"a":"1","b":2}`,
		`{"a\":1,\"b":2}`, `{"ab":1}`, `{"a":"b"}`, `{"b":"a"}`,
	}
	seen := map[[32]byte]string{}
	for _, body := range bodies {
		d, err := digestOf([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have the same digest", body, other)
		}
		seen[d] = body
	}
}

// tree draws a small document, from so few names and values that two drawn ones are often alike.
func tree(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 4).Draw(t, "kind")
		if depth == 0 && kind < 2 {
			kind = 2
		}
		switch kind {
		case 0:
			return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "battery", "system", "soh"}), tree(depth-1), 0, 3).Draw(t, "object")
		case 1:
			return rapid.SliceOfN(tree(depth-1), 0, 2).Draw(t, "list")
		case 2:
			return json.Number(rapid.SampledFrom([]string{"1", "12"}).Draw(t, "number"))
		case 3:
			return rapid.SampledFrom([]string{"", "a", `"`, "1"}).Draw(t, "text")
		default:
			return nil
		}
	})
}

func TestDigestIsTheSameExactlyForTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) map[string]any { return map[string]any{"x": tree(2).Draw(t, name)} }
		a, b := draw("a"), draw("b")
		same := mustDigest(t, rendered(t, a)) == mustDigest(t, rendered(t, b))
		if same != reflect.DeepEqual(a, b) {
			t.Fatalf("same digest: %v\n  %v\n  %v", same, a, b)
		}
	})
}

func TestScannerIsNotSpoiltByABadBody(t *testing.T) {
	good := readSample(t, "reports/android.json")
	want, err := digestOf(good)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		for _, bad := range []string{`{"a":{"b":[1,{"c":`, nested(100), `{"a":1,"a":2}`, `{}}`, string(good[:len(good)/2]), strings.Repeat(" ", 1<<20) + "{}x"} {
			if _, err := digestOf([]byte(bad)); err == nil {
				t.Fatalf("%.40s was accepted", bad)
			}
		}
		if got, err := digestOf(good); err != nil || got != want {
			t.Fatalf("digest %x, %v; want %x", got, err, want)
		}
	}
}

// TestDigestOfAWideObject puts more members in order than fit the sort for short lists.
func TestDigestOfAWideObject(t *testing.T) {
	var up, down []string
	for i := range 500 {
		up = append(up, fmt.Sprintf(`"m%d":%d`, i, i))
		down = append([]string{up[i]}, down...)
	}
	same(t, "{"+strings.Join(up, ",")+"}", "{"+strings.Join(down, ",")+"}", true)
}
