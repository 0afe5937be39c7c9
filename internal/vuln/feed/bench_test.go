package feed

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkRead reads a thousand records of each of the large formats.
func BenchmarkRead(b *testing.B) {
	words := strings.Repeat("It overflows when somebody sends more than was asked for. ", 10)
	record := cveRecordWith(`{"vendor":"V","product":"P","platforms":["Windows"],"versions":[{"version":"1.0","status":"affected","lessThan":"1.2"},{"version":"2.0","status":"affected","lessThan":"2.3"}]}`,
		`{"vendor":"v","product":"p","cpes":["cpe:2.3:a:v:p:*:*:*:*:*:*:*:*"],"versions":[{"version":"1.0","status":"affected"}]}`)
	for _, bc := range []struct {
		format            Format
		first, each, last string
	}{
		{OSV, "[", strings.Replace(osvA, `"id":"A-1"`, `"id":"A-%06d","details":"`+words+`"`, 1), "]"},
		{CVE5, "[", strings.Replace(strings.Replace(record, "CVE-2026-0001", "CVE-2026-%06d", 1), `"affected"`, `"descriptions":[{"lang":"en","value":"`+words+`"}],"affected"`, 1), "]"},
		{NVD, `{"vulnerabilities":[`, strings.Replace(nvdCVE(node(match("cpe:2.3:a:v:p:*:*:*:*:*:*:*:*", `,"versionEndExcluding":"2.0"`))), "CVE-2026-0001", "CVE-2026-%06d", 1), `]}`},
		{DebianTracker, `{"p":{`, `"CVE-2026-%06d":{"description":"` + words + `","releases":{"trixie":{"status":"open","urgency":"low","repositories":{"trixie":"1"}}}}`, "}}"},
	} {
		var text strings.Builder
		text.WriteString(bc.first)
		for i := range 1000 {
			if i > 0 {
				text.WriteByte(',')
			}
			fmt.Fprintf(&text, bc.each, i)
		}
		text.WriteString(bc.last)
		b.Run(string(bc.format), func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if g := read("x", text.String()); g.err != nil || len(g.entries) != 1000 {
					b.Fatal(g.err, len(g.entries))
				}
			}
		})
	}
}
