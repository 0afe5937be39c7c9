package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"muster/internal/posture"
)

// TestManyFindings: a device with hundreds of vulnerabilities shows the worst, says that there are more, and does not name
// a fix where there is none.
func TestManyFindings(t *testing.T) {
	v := &deviceView{}
	for i := range 100 {
		v.Findings = append(v.Findings, posture.Finding{ID: fmt.Sprintf("CVE-2030-%04d", i), Product: "tool", Version: "1"})
	}
	v.Findings[0].Fixed, v.Findings[0].KEV = "2", true
	var out bytes.Buffer
	no(t, v.print(&out))
	text := out.String()
	if n := strings.Count(text, " in tool 1"); n != maxShownFindings || !strings.Contains(text, "and 70 more") {
		t.Errorf("%d are shown: %s", n, text)
	}
	if strings.Count(text, "mended in") != 1 || !strings.Contains(text, "CVE-2030-0000 in tool 1, mended in 2; known to be exploited") {
		t.Errorf("shown: %s", text)
	}
}
