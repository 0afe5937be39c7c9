package policy

import (
	"testing"

	"muster/internal/posture"
)

// Which disks an entry means, and which of those that are too full it names.
func TestChosenDisks(t *testing.T) {
	full, fine := posture.Disk{Name: "D:", Total: 100, Free: 1}, posture.Disk{Name: `C:\`, Total: 100, Free: 90, System: true}
	also := posture.Disk{Name: "B:", Total: 100, Free: 2}
	for _, c := range []struct {
		volumes []string
		disks   []posture.Disk
		outcome posture.Outcome
		product string
	}{
		{nil, []posture.Disk{full, fine}, posture.Pass, ""},
		{[]string{"system"}, []posture.Disk{full, fine}, posture.Pass, ""},
		{[]string{"all"}, []posture.Disk{fine}, posture.Pass, ""},
		{[]string{"all"}, []posture.Disk{full, fine, also}, posture.Fail, "B:"},
		{[]string{" c: "}, []posture.Disk{full, fine}, posture.Pass, ""},
		{[]string{"c:", `d:\`}, []posture.Disk{full, fine}, posture.Fail, "D:"},
		{[]string{"E:"}, []posture.Disk{full, fine}, posture.Unknown, "E:"},
		{[]string{"system"}, []posture.Disk{full}, posture.Fail, "D:"}, // none is marked: it may be this one
	} {
		r := bare()
		r.Disks = c.disks
		got := compiled(t, only(Check{ID: "disk_space", MinFreePercent: 10, Volumes: c.volumes})).Explain(&Subject{Report: r}, now)[0]
		if got.Outcome != c.outcome || got.Product != c.product {
			t.Errorf("%q of %+v: %s %q (%s), want %s %q", c.volumes, c.disks, got.Outcome, got.Product, got.Evidence, c.outcome, c.product)
		}
	}
}
