package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"muster/test/proof"
)

// TestWhoReports: what a report says of the agent itself and of what people told it.
func TestWhoReports(t *testing.T) {
	proof.NeedRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	run(t, "env", runAs+"=muster-agent", self, "identify", "--settings", os.DevNull, "--state", state, "--status-file", "", "kari@example.net")
	r := onceBy(t, "muster-agent", "once", "--json", "--settings", os.DevNull, "--state", state, "--device-name", "The one in the hall")
	equal(t, "kind of agent", r.AgentType, "persistent")
	equal(t, "version of the agent", r.AgentVersion, said(t, "env", runAs+"=muster-agent", self, "version"))
	equal(t, "name of the device", r.DeviceName, "The one in the hall")
	equal(t, "who uses it", r.UserIdentity, "kari@example.net")
}

// TestApplicationsInTheReport: the whole list as it is sent, with what guards the machine in front, is what dpkg-query has,
// each package once and with nothing that belongs to others.
func TestApplicationsInTheReport(t *testing.T) {
	proof.NeedPrograms(t, "dpkg-query", "lsblk", "clamscan", "nft")
	agree(t, "applications", func() (we, they []string) {
		r := once(t, "")
		versions := map[string]string{}
		for _, line := range lines(run(t, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture}\n")) {
			if f := strings.Fields(line); f[0] == "installed" {
				versions[f[1]] = f[2]
				they = append(they, strings.Join(f[1:], " "))
			}
		}
		from := map[string]string{"ClamAV": "clamav", "nftables": "nftables", "ufw": "ufw"}
		for name, of := range from {
			if v := versions[of]; v != "" {
				they = append(they, "guard "+name+" "+v)
			}
		}
		for i := range r.SOH.Applications {
			a := &r.SOH.Applications[i]
			guard := slices.Contains([]string{"anti-malware", "firewall", "encryption"}, a.Category)
			if guard {
				if from[a.Name] != "" {
					we = append(we, "guard "+a.Name+" "+a.Version)
				}
				if a.PURL != "" || from[a.Name] != "" && (a.Running == nil || a.Enabled == nil) { // others do not tell everything
					t.Errorf("a guard is %+v", a)
				}
				continue
			}
			if a.Running != nil || a.Enabled != nil || len(a.Volumes) > 0 || !a.Definitions.IsZero() || !a.LastScan.IsZero() {
				t.Errorf("what is no guard says %+v", a)
			}
			if strings.HasPrefix(a.PURL, "pkg:deb/") {
				_, _, q := spelled(t, a.PURL)
				we = append(we, strings.Join([]string{a.Name, a.Version, q.Get("arch")}, " "))
			}
		}
		for _, category := range []string{"anti-malware", "firewall", "encryption", "browser", "remote_control"} {
			if !slices.Contains(r.SOH.Collected, category) {
				t.Errorf("%s was not looked for: %q", category, r.SOH.Collected)
			}
		}
		return we, they
	})
}

// TestVolumesInTheReport: whether each volume is encrypted is told as lsblk shows it, beside the size of it.
func TestVolumesInTheReport(t *testing.T) {
	proof.NeedPrograms(t, "lsblk")
	var list struct{ Blockdevices []blockDevice }
	if err := json.Unmarshal([]byte(run(t, "lsblk", "-J", "-o", "NAME,TYPE,MOUNTPOINTS")), &list); err != nil {
		t.Fatal(err)
	}
	crypt := map[string]bool{}
	for i := range list.Blockdevices {
		list.Blockdevices[i].volumes(false, crypt)
	}
	for _, a := range ofMachine(t).SOH.Applications {
		for _, v := range a.Volumes {
			yes, there := crypt[v.Name]
			if there && (v.Encrypted == nil || *v.Encrypted != yes || v.System != (v.Name == "/")) {
				t.Errorf("lsblk says %t of %s, and the report %v", yes, v.Name, fmt.Sprint(v))
			}
			delete(crypt, v.Name)
		}
	}
	if _, missing := crypt["/"]; missing {
		t.Error("nothing is said of the volume with the system")
	}
}
