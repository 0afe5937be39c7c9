package linux

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

const (
	clamDaemon   = "clamd"
	clamOnAccess = "clamonacc" // what scans each file as it is opened
)

var (
	clamPrograms = []string{"usr/sbin/clamd", "usr/bin/clamd", "usr/bin/clamscan", "usr/local/sbin/clamd", "usr/local/bin/clamscan"}
	clamSettings = []string{"etc/clamav/clamd.conf", "etc/clamd.d/scan.conf", "etc/clamd.conf", "usr/local/etc/clamd.conf"}
)

// clamav keeps what was read of ClamAV's files.
type clamav struct {
	logs remembered[clamLog]
}

// product describes ClamAV: it runs where its daemon does, protects in real time where the scanner on access runs too, and
// its definitions are as old as its daily database says.
func (c *clamav) product(h *host.Host, s *collect.Snapshot, up map[string]bool, unseen error) collect.Product {
	p := collect.Product{
		Name: "ClamAV", Vendor: "Cisco Talos", Version: packageVersion(s, "clamav-daemon", "clamd", "clamav", "clamav-base"),
		Running:     collect.Of(up[clamDaemon], unseen),
		Enabled:     collect.Of(up[clamDaemon] && up[clamOnAccess], unseen),
		Definitions: collect.Of(clamDefinitions(h)),
	}
	log := c.read(h)
	switch {
	case log.State == collect.Unreadable:
		p.LastScan = collect.CouldNotReadf[time.Time]("%s", log.Why)
	case log.Value.scanned.IsZero():
		p.LastScan = collect.CouldNotReadf[time.Time]("no log in /var/log/clamav tells of a scan")
	default:
		p.LastScan = collect.Known(log.Value.scanned)
	}
	return p
}

// clamFolder is where ClamAV's databases are.
func clamFolder(h *host.Host) string {
	for _, name := range clamSettings {
		raw, err := readStart(h, name, 64<<10)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line)
			if len(f) == 2 && f[0] == "DatabaseDirectory" && fs.ValidPath(strings.Trim(f[1], "/")) {
				return strings.Trim(f[1], "/")
			}
		}
	}
	return "var/lib/clamav"
}

// clamDefinitions gives the date of the definitions: of the daily database, which is the one that changes from day to day,
// and of the others only where it is missing. Where there is no database at all they were never fetched.
func clamDefinitions(h *host.Host) (time.Time, error) {
	dir := clamFolder(h)
	entries, err := fs.ReadDir(h.Files, dir)
	if err != nil {
		return time.Time{}, err
	}
	var daily, other time.Time
	databases := 0
	for _, e := range entries {
		stem, ending, _ := strings.Cut(e.Name(), ".")
		switch ending {
		case "cvd", "cld", "cud":
		case "ndb", "hdb", "hsb", "ldb", "mdb", "yar", "yara":
			databases++
			continue
		default:
			continue
		}
		databases++
		head, err := readStart(h, dir+"/"+e.Name(), 512)
		if err != nil {
			return time.Time{}, err
		}
		date, err := parseClamHeader(head)
		if err != nil {
			return time.Time{}, fmt.Errorf("/%s/%s: %w", dir, e.Name(), err)
		}
		if stem == "daily" {
			daily = later(daily, date)
		} else {
			other = later(other, date)
		}
	}
	switch {
	case !daily.IsZero():
		return daily, nil
	case !other.IsZero() || databases == 0:
		return other, nil
	default:
		return time.Time{}, errors.New("the databases are of a kind that bears no date")
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// parseClamHeader reads the date from the beginning of a database:
// ClamAV-VDB:22 Nov 2026 04-05 -0500:27120:2071223:90:md5:signature:builder:1795338300.
func parseClamHeader(head []byte) (time.Time, error) {
	f := strings.Split(strings.TrimRight(string(head), " \x00"), ":")
	if len(f) < 3 || f[0] != "ClamAV-VDB" {
		return time.Time{}, errors.New("it is no database of ClamAV")
	}
	date, err := time.Parse("02 Jan 2006 15-04 -0700", f[1])
	if err == nil {
		return date.UTC(), nil
	}
	if len(f) > 8 {
		if n, err := strconv.ParseInt(strings.TrimSpace(f[8]), 10, 64); err == nil && n > 0 && n < 1<<40 {
			return time.Unix(n, 0).UTC(), nil
		}
	}
	return time.Time{}, errors.New("its date cannot be read")
}

// Bounds of reading logs.
const (
	maxLogs    = 16
	maxLogTail = 256 << 10
	maxThreats = 200
)

// clamLog is what ClamAV's logs tell.
type clamLog struct {
	scanned time.Time // the end of the last scan
	found   []collect.Threat
}

// read reads the ends of ClamAV's logs.
func (c *clamav) read(h *host.Host) collect.Fact[clamLog] {
	names := clamLogs(h)
	return c.logs.get(fingerprint(h, names), h.Now(), func() collect.Fact[clamLog] {
		var all clamLog
		for _, name := range names {
			raw, written, err := readEnd(h, name, maxLogTail)
			if errors.Is(err, fs.ErrPermission) {
				return collect.CouldNotReadf[clamLog]("needs root: %w", err)
			}
			if err != nil {
				continue // it was just put aside
			}
			one := parseClamLog(raw, h.Now().Location(), written)
			all.scanned = later(all.scanned, one.scanned)
			all.found = append(all.found, one.found...)
		}
		slices.SortFunc(all.found, func(a, b collect.Threat) int {
			return cmp.Or(b.Found.Compare(a.Found), cmp.Compare(a.File, b.File), cmp.Compare(a.Name, b.Name))
		})
		all.found = slices.Compact(all.found)
		all.found = slices.Clip(all.found[:min(len(all.found), maxThreats)])
		return collect.Known(all)
	})
}

func clamLogs(h *host.Host) []string {
	var out []string
	entries, _ := fs.ReadDir(h.Files, "var/log/clamav") // without the folder there are no logs
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".log") && !strings.HasPrefix(e.Name(), "freshclam") && len(out) < maxLogs {
			out = append(out, "var/log/clamav/"+e.Name())
		}
	}
	for _, name := range []string{"var/log/clamscan.log", "var/log/clamav.log", "var/log/clamd.scan"} {
		if h.Exists(name) {
			out = append(out, name)
		}
	}
	return out
}

// readEnd reads the whole lines at the end of a file, and says when it was last written to.
func readEnd(h *host.Host, name string, most int64) ([]byte, time.Time, error) {
	f, err := openRegular(h, name)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	seeker, ok := f.(io.Seeker)
	if info.Size() <= most || !ok {
		raw, err := io.ReadAll(io.LimitReader(f, most))
		return raw, info.ModTime(), err
	}
	if _, err := seeker.Seek(-most, io.SeekEnd); err != nil {
		return nil, time.Time{}, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, most))
	_, rest, _ := strings.Cut(string(raw), "\n")
	return []byte(rest), info.ModTime(), err
}

// parseClamLog reads a log of the daemon, in which each line begins with its time, or of scans by hand, which end with a
// summary. What such a scan found is as old as the summary says.
//
// Both write names of files as they are, with what looks like more lines where somebody called a file so. So the daemon's log,
// to which everybody can make it write, tells of no scan's end, and none is later than its log was last written to.
func parseClamLog(raw []byte, zone *time.Location, written time.Time) clamLog {
	var log clamLog
	undated, ofDaemon := 0, false
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\r\n")
		if when, _, ok := strings.Cut(line, " -> "); ok && !ofDaemon {
			_, err := time.Parse(time.ANSIC, when)
			ofDaemon = err == nil
		}
		if value, ok := strings.CutPrefix(line, "End Date:"); ok {
			if end, err := time.ParseInLocation("2006:01:02 15:04:05", strings.TrimSpace(value), zone); err == nil {
				if end = end.UTC(); end.After(written) {
					end = written.UTC().Truncate(time.Second)
				}
				log.scanned = later(log.scanned, end)
				for ; undated < len(log.found); undated++ {
					if log.found[undated].Found.IsZero() {
						log.found[undated].Found = end
					}
				}
			}
			continue
		}
		if t, ok := parseClamFind(line, zone); ok {
			log.found = append(log.found, t)
		}
	}
	if ofDaemon {
		log.scanned = time.Time{}
	}
	return log
}

// parseClamFind reads `Mon Nov 30 10:00:00 2026 -> /srv/eicar.com: Eicar-Signature(44d8…:68) FOUND`, of which scans by hand
// leave out the time, and the daemon, unless it is told to, hash and length.
func parseClamFind(line string, zone *time.Location) (collect.Threat, bool) {
	line, ok := strings.CutSuffix(line, " FOUND")
	if !ok {
		return collect.Threat{}, false
	}
	t := collect.Threat{Product: "ClamAV"}
	if when, rest, ok := strings.Cut(line, " -> "); ok {
		if at, err := time.ParseInLocation(time.ANSIC, when, zone); err == nil {
			t.Found, line = at.UTC(), rest
		}
	}
	colon := strings.LastIndex(line, ": ")
	if colon < 0 {
		return collect.Threat{}, false
	}
	t.File, t.Name = cutText(line[:colon]), line[colon+2:]
	if name, more, ok := strings.Cut(t.Name, "("); ok {
		hash, _, _ := strings.Cut(strings.TrimSuffix(more, ")"), ":")
		t.Name, t.Hash = name, cutText(hash)
	}
	t.Name = cutText(t.Name)
	return t, t.Name != ""
}

// cutText cuts a text to what a report may hold.
func cutText(s string) string {
	if len(s) > collect.MaxText {
		s = s[:collect.MaxText]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// threats is what ClamAV found, as far as its logs go back.
func (c *clamav) threats(h *host.Host) collect.Fact[collect.Threats] {
	if !anyExists(h, clamPrograms) {
		for _, g := range guards {
			if anyExists(h, g.paths) {
				return collect.CouldNotReadf[collect.Threats]("%s keeps what it found to itself", g.name)
			}
		}
		return collect.DoesNotApply[collect.Threats]("there is no anti-malware")
	}
	log := c.read(h)
	switch {
	case log.State == collect.Unreadable:
		return collect.CouldNotReadf[collect.Threats]("%s", log.Why)
	case len(clamLogs(h)) == 0:
		return collect.CouldNotReadf[collect.Threats]("ClamAV keeps no log in /var/log/clamav")
	default:
		return collect.Known(collect.Threats{Scanned: log.Value.scanned, Found: log.Value.found})
	}
}
