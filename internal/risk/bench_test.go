package risk_test

import (
	"fmt"
	"testing"

	"muster/internal/posture"
	"muster/internal/risk"
)

// BenchmarkApply applies what an account says to the findings of a device that has many.
func BenchmarkApply(b *testing.B) {
	var findings []posture.Finding
	for i := range 200 {
		findings = append(findings, finding(fmt.Sprintf("ALSA-2024:%d", i), "lib", fmt.Sprintf("CVE-2024-%04d", 2*i), fmt.Sprintf("CVE-2024-%04d", 2*i+1)))
	}
	for _, c := range []struct {
		name          string
		accepted, own int // entries, and how many of them are about the device
	}{{"nothing", 0, 0}, {"elsewhere", 10_000, 0}, {"one", 10_000, 1}, {"many", 10_000, 100}} {
		var list []risk.Risk
		for i := range c.accepted {
			year := 1999
			if i < c.own {
				year = 2024
			}
			list = append(list, accepted(fmt.Sprintf("%05d", i), fmt.Sprintf("CVE-%d-%04d", year, 3*i), nil))
		}
		set := risk.NewSet(1, risk.Thresholds{}, list)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Apply(findings, risk.Place{}, epoch, rescore)
			}
		})
	}
}
