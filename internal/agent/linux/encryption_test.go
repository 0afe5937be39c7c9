package linux

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
)

func volumesOf(t *testing.T, h *host.Host) map[string]collect.Volume {
	t.Helper()
	products, ok := gathered(t, h, encryptionCollector(h)).Encryption.Get()
	if !ok || len(products) != 1 {
		t.Fatalf("%+v", products)
	}
	out := map[string]collect.Volume{}
	for _, v := range products[0].Volumes {
		out[v.Name] = v
	}
	return out
}

func TestEncryptionThroughLayers(t *testing.T) {
	got := volumesOf(t, hosttest.Load(t, "testdata/layers.txtar"))
	want := map[string]collect.Volume{}
	for name, yes := range map[string]bool{
		"/": true, "/boot": false, "/home": true, "/srv": true, "/mixed": false, "/vendor": false, "/image": true,
		"/pool/a": true, "/pool/b": true, "/half": false, "/data two": false, "/home/kari/Private": true,
		"/tank": true, "/tank/secret": true, "/plain": false, "[SWAP]": true,
	} {
		want[name] = collect.Volume{Name: name, Encrypted: collect.Known(yes), System: name == "/"}
	}
	if gone := got["/gone"]; gone.Encrypted.State != collect.Unreadable {
		t.Errorf("a device that is not to be seen: %+v", gone)
	}
	delete(got, "/gone")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestEncryptionNotToBeSeen: in a container the disk below is hidden, which is not the same as plain.
func TestEncryptionNotToBeSeen(t *testing.T) {
	got := volumesOf(t, hosttest.Of(t, "-- file proc/self/mountinfo --\n27 1 0:40 / / rw - overlay overlay rw,upperdir=/x\n"+
		"28 27 8:1 /hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"))
	if v := got["/"]; v.Encrypted.State != collect.Unreadable || !v.System || len(got) != 1 {
		t.Errorf("%+v", got)
	}
	h := hosttest.Of(t, "-- file x --\n")
	if f := gathered(t, h, encryptionCollector(h)).Encryption; f.State != collect.Unreadable {
		t.Errorf("no mounts: %+v", f)
	}
	// A device below itself, as no kernel makes it.
	got = volumesOf(t, hosttest.Of(t, "-- file proc/self/mountinfo --\n27 1 253:0 / / rw - ext4 /dev/dm-0 rw\n"+
		"-- file sys/dev/block/253:0/uevent --\nDEVNAME=dm-0\n-- file sys/class/block/dm-0/slaves/dm-0 --\n"))
	if v := got["/"]; v.Encrypted.State != collect.Unreadable {
		t.Errorf("round and round: %+v", v)
	}
}

// TestSwap: all of it has to be encrypted, and memory that is compressed is none.
func TestSwap(t *testing.T) {
	const machine = `
-- file proc/self/mountinfo --
27 1 8:1 / / rw - ext4 /dev/sda1 rw
-- file sys/dev/block/8:1/uevent --
DEVNAME=sda1
-- file sys/class/block/sda1/size --
-- file sys/class/block/dm-0/dm/uuid --
CRYPT-PLAIN-swap
-- file sys/class/block/zram0/backing_dev --
/dev/sda1
-- file proc/swaps --
Filename Type Size Used Priority
`
	for swaps, want := range map[string]*bool{
		"":                           nil,
		"/dev/dm-0 partition 1 0 -2": new(true),
		"/dev/dm-0 partition 1 0 -2\n/f file 1 0 -3": new(false),
		"/dev/zram1 partition 1 0 100":               nil,
		"/dev/zram0 partition 1 0 100":               new(false),
	} {
		got, ok := volumesOf(t, hosttest.Of(t, machine+swaps+"\n"))["[SWAP]"]
		if ok != (want != nil) || ok && got.Encrypted != collect.Known(*want) {
			t.Errorf("%q: %+v", swaps, got)
		}
	}
}

func FuzzMounts(f *testing.F) {
	f.Add([]byte("38 27 8:65 / /data\\040two rw shared:1 - ext4 /dev/sde1 rw\n"))
	f.Add([]byte("tank\toff\n\t/dev/sda1\t-\n/swap\\040file file 1 0 -3\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		seen := map[string]bool{}
		for _, m := range parseMounts(in) {
			if seen[m.point] {
				t.Errorf("%s is there twice", m.point)
			}
			seen[m.point] = true
		}
		parseSwaps(in)
		parseZFS(in)
		parsePool(in)
	})
}

// TestEncryptionDenied: what may not be read is not plain.
func TestEncryptionDenied(t *testing.T) {
	const disk = "-- file proc/self/mountinfo --\n27 1 254:0 / / rw - ext4 /dev/dm-0 rw\n" +
		"-- file sys/dev/block/254:0/uevent --\nDEVNAME=dm-0\n-- file sys/class/block/dm-0/size --\n1\n"
	if v := volumesOf(t, hosttest.Of(t, disk))["/"]; v.Encrypted.State != collect.IsKnown || v.Encrypted.Value {
		t.Fatalf("a plain disk: %+v", v)
	}
	for _, denied := range []string{"sys/class/block/dm-0/dm/uuid", "sys/class/block/dm-0/slaves"} {
		v := volumesOf(t, hosttest.Of(t, disk+"-- denied "+denied+" --\n"))["/"]
		if v.Encrypted.State != collect.Unreadable {
			t.Errorf("without %s: %+v", denied, v)
		}
	}
}
