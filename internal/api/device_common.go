package api

import (
	"slices"
	"strings"
	"sync"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// findDevice gives the live device that a value names, by its id, hardware id or a MAC address. NotFound: none.
func (d *door) findDevice(c *call, value string) (device.Device, error) {
	sel, err := selectorOf(value)
	if err != nil {
		return device.Device{}, err
	}
	return d.Devices.Find(c.r.Context(), c.account.ID, sel)
}

// unlessNotFound makes nothing of what is not there.
func unlessNotFound(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// pageOf cuts a page out of a list that is there as a whole.
func pageOf[T any](list []T, number, limit int) ([]T, error) {
	from := (number - 1) * limit
	if from >= len(list) {
		if number > 1 {
			return []T{}, errPastEnd()
		}
		return []T{}, nil
	}
	return list[from:min(from+limit, len(list))], nil
}

// exactWords is words for an array whose values are spelled in one way only.
func exactWords[T any](p *params, name string, table []spelling[T]) []T {
	list, _ := p.elements(name, maxWords)
	out := make([]T, 0, len(list))
	for _, e := range list {
		i := slices.IndexFunc(table, func(s spelling[T]) bool { return e.kind == asText && s.word == e.text })
		if i < 0 {
			p.wrong(name, "must be an array of %s", strings.Join(knownWords(table), ", "))
			return nil
		}
		out = append(out, table[i].means)
	}
	return out
}

// wireName is what a device is called: the name it was given, or that of the host.
func wireName(d *device.Device) string {
	if d.Name != "" {
		return d.Name
	}
	return d.HostName
}

// remediationLink leads to the page that tells a device's owner what is wrong.
func (d *door) remediationLink(c *call, id string) string {
	return d.BaseURL(c.r) + "/device/" + id
}

// maxBatch is how many devices one call may name where the reference gives no number.
const maxBatch = 500

// batchWorkers is how many devices of one call are worked on at once, so that they share commits.
const batchWorkers = 16

// batch is a list of devices that a caller named, each by an id or a MAC address.
type batch struct {
	values []string
	byMAC  bool
}

// readBatch reads two lists of which exactly one has to be there.
func (p *params) readBatch(macs, ids string) batch {
	byMAC, haveMACs := p.texts(macs, maxBatch, maxName)
	byID, haveIDs := p.texts(ids, maxBatch, maxName)
	switch {
	case haveMACs && haveIDs:
		p.wrong(ids, "and %s must not both be there", macs)
	case !haveMACs && !haveIDs:
		p.wrong(ids, "or %s is required", macs)
	case haveMACs:
		return batch{byMAC, true}
	}
	return batch{byID, false}
}

// selector reads the entry of a batch. NotFound: it names no device, such as a MAC address that is none.
func (b batch) selector(i int) (device.Selector, error) {
	sel, err := selectorOf(b.values[i])
	if err == nil && b.byMAC && !sel.ByMAC {
		err = errs.New(errs.NotFound, "Device not found")
	}
	return sel, err
}

// each calls do for every entry, several at a time, and gives the first fault. Each entry is done at most once, whatever
// becomes of the others.
func (b batch) each(do func(i int) error) error {
	var wait sync.WaitGroup
	faults := make([]error, len(b.values))
	next := make(chan int)
	for range min(batchWorkers, len(b.values)) {
		wait.Go(func() {
			for i := range next {
				faults[i] = do(i)
			}
		})
	}
	for i := range b.values {
		next <- i
	}
	close(next)
	wait.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// statusNumber is the status in v2. While it is exempted or has time left, a device passes.
func statusNumber(s posture.Status) int {
	switch s {
	case posture.StatusCompliant, posture.StatusExempted, posture.StatusInGrace:
		return 0
	case posture.StatusNonCompliant, posture.StatusQuarantined:
		return 1
	case posture.StatusUnknown, posture.StatusIgnored:
		return statusNotFound
	default:
		return 3
	}
}

// statusNotFound is the number of a device that is not there, or has no agent.
const statusNotFound = 2

// hyphenStatuses are the statuses of Device Information, Status Change v3, Device Details v3 and Activities.
var hyphenStatuses = []spelling[posture.Status]{
	{word: "compliant", means: posture.StatusCompliant},
	{word: "non-compliant", means: posture.StatusNonCompliant},
	{word: "exempted", means: posture.StatusExempted},
	{word: "out_of_license_usage", means: posture.StatusOutOfLicence},
	{word: "unknown", means: posture.StatusUnknown},
	{word: "ignored", means: posture.StatusIgnored},
	{word: "installed", means: posture.StatusInstalled},
	{word: "pending", means: posture.StatusPending},
	{word: "quarantined", means: posture.StatusQuarantined},
	{word: "in-grace", means: posture.StatusInGrace},
}

func hyphenStatus(s posture.Status) string {
	for _, w := range hyphenStatuses {
		if w.means == s {
			return w.word
		}
	}
	return "unknown"
}

// categoryLabels are what v2 and the names of categories call them.
var categoryLabels = []spelling[posture.Category]{
	{word: "Antivirus", means: posture.Antimalware},
	{word: "Firewall", means: posture.Firewall},
	{word: "Encryption", means: posture.Encryption},
	{word: "Operating System", means: posture.OperatingSystem},
	{word: "3rd Party Patch Mgmt.", means: posture.PatchManagement},
	{word: "User Authentication", means: posture.UserAuthentication},
	{word: "Vulnerabilities", means: posture.Vulnerabilities},
	{word: "Antiphishing", means: posture.Antiphishing},
	{word: "Backup", means: posture.Backup},
	{word: "Hard Drive", means: posture.HardDrive},
	{word: "Public File Sharing", means: posture.PublicFileSharing},
	{word: "Instant Messenger", means: posture.InstantMessenger},
	{word: "Cloud Storage", means: posture.CloudStorage},
	{word: "Remote Control", means: posture.RemoteControl},
	{word: "Web Meeting Recording", means: posture.RecordingWebMeeting},
	{word: "Toolbars", means: posture.Toolbars},
	{word: "Media Player", means: posture.MediaPlayer},
	{word: "VPN Client", means: posture.VPNClient},
	{word: "Cleaner and Optimizer", means: posture.CleanerOptimizer},
	{word: "Developer Tool", means: posture.DeveloperTool},
	{word: "Uninstaller", means: posture.Uninstaller},
	{word: "Unclassified PUA", means: posture.UnclassifiedUnwanted},
	{word: "System Security", means: posture.SystemSecurity},
	{word: "Browser", means: posture.Browser},
	{word: "Virtual Machine", means: posture.VirtualMachine},
	{word: "Data Loss Prevention", means: posture.DataLossPrevention},
	{word: "Other", means: ""},
}

// categoryLabel gives what a category is called; one without a name of its own is Other.
func categoryLabel(c posture.Category) string {
	for _, s := range categoryLabels {
		if s.means == c {
			return s.word
		}
	}
	return "Other"
}
