package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
)

// everything gives all live devices of an account in the order of their enrolment.
func everything(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) []device.Device {
	t.Helper()
	list, next, err := s.Select(ctx, account, device.Query{Window: page.Window{Limit: 10_000}})
	if err != nil || next != "" {
		t.Fatalf("listing everything: next %q, %v", next, err)
	}
	return list
}

// whole compares devices by all that is stored of them.
var whole = cmpopts.IgnoreUnexported(device.Device{})

// flush stores the contact times that the service has in memory.
func flush(svc *device.Service) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	svc.Run(ctx)
}

// fleet is a bench with devices of all kinds, and what is true of them besides.
type fleet struct {
	*bench
	rnd *rand.Rand
	// facets says what each device has: the name of a category, "product/N" or the id of a vulnerability.
	facets map[string]map[string]bool
	texts  map[string][]string // the beginnings by which a device is found
	newest map[posture.OSFamily]string
}

var (
	hostNames  = []string{"", "alpha", "Alpha", "alpha.example.test", "beta-07", "ærø-laptop", "zeta"}
	users      = []string{"", "kari", "KARI@example.test", "ola nordmann"}
	deviceName = []string{"", "Lab PC-07", "Kari's own", "beta"}
	families   = []posture.OSFamily{posture.Windows, posture.MacOS, posture.Linux}
	types      = []posture.DeviceType{posture.Laptop, posture.Desktop, posture.VM}
	categories = []posture.Category{posture.Firewall, posture.Encryption, posture.Browser}
	cves       = []string{"CVE-2099-0001", "CVE-2099-0002", "CVE-2099-0003"}
	products   = []int64{900_001, 900_002, 900_003}
)

func pick[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }

func newFleet(t *testing.T, e Engine, size int) *fleet {
	t.Helper()
	f := &fleet{bench: newBench(t, e), rnd: rand.New(rand.NewPCG(3, uint64(size))), facets: map[string]map[string]bool{}, texts: map[string][]string{}, newest: map[posture.OSFamily]string{}}
	for group := 2; group <= 3; group++ {
		check(t, e.Exec(t.Context(), f.Store, "INSERT INTO device_groups (account_id, id, name) VALUES (?, ?, ?)", f.account, group, fmt.Sprint("g", group)))
		check(t, e.Exec(t.Context(), f.Store, "INSERT INTO device_counts (account_id, group_id) VALUES (?, ?)", f.account, group))
	}
	for i := range size {
		f.add(t, i)
	}
	flush(f.svc)
	f.clock.advance(20 * time.Hour)
	list := everything(t.Context(), t, f.Store, f.account)
	for i := range list {
		if list[i].Managed && f.rnd.IntN(2) == 0 {
			at := f.clock.now()
			if f.rnd.IntN(2) == 0 {
				at = at.Add(5*time.Hour - device.ContactLost) // which is a moment too short to be lost
			}
			check(t, f.Touch(t.Context(), []device.Seen{{Ref: device.Ref{Account: f.account, ID: list[i].ID}, At: at}}))
		}
	}
	f.clock.advance(5 * time.Hour)
	all := everything(t.Context(), t, f.Store, f.account)
	for i := range all {
		d := &all[i]
		if d.Managed && slices.Index(agentVersions, d.AgentVersion) > max(0, slices.Index(agentVersions, f.newest[d.OSFamily])) {
			f.newest[d.OSFamily] = d.AgentVersion
		}
	}
	f.addFacets(t, e, all)
	return f
}

// add enrols or imports a device and has something happen to it.
func (f *fleet) add(t *testing.T, i int) {
	t.Helper()
	ctx, rnd := t.Context(), f.rnd
	mac := fmt.Sprintf("00:0c:29:00:%02x:%02x", i/256, i%256)
	if rnd.IntN(8) == 0 {
		_, err := f.svc.Import(ctx, f.account, []device.Sighting{{MAC: Adapters(mac)[0].MAC, Name: pick(rnd, deviceName), Type: pick(rnd, types)}})
		check(t, err)
		f.clock.advance(time.Second)
		return
	}
	id := f.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-%05d", i), Adapters: Adapters(mac), HostName: pick(rnd, hostNames)}).DeviceID
	for range rnd.IntN(4) {
		f.happens(t, id, i, mac)
	}
}

// agentVersions are in the order of their age, the newest last. The first is no release.
var agentVersions = []string{"dev-build", "7.6.9", "7.6.10", "7.6.10.1"}

func (f *fleet) happens(t *testing.T, id string, i int, mac string) {
	t.Helper()
	ctx, rnd := t.Context(), f.rnd
	var err error
	switch rnd.IntN(9) {
	case 0:
		err = f.svc.Delete(ctx, f.account, id)
	case 1:
		err = f.svc.Exempt(ctx, f.account, id, "r", time.Time{})
	case 2:
		err = f.svc.LinkUser(ctx, f.account, device.Selector{ID: id}, device.LinkedUser{Username: pick(rnd, users), Group: "staff"})
	case 3:
		err = f.svc.Retire(ctx, device.Ref{Account: f.account, ID: id})
	case 4, 5:
		err = f.Change(ctx, device.Change{Device: id, Do: func(tx device.Tx) error {
			old, err := tx.DeviceForUpdate(ctx, f.account, id)
			if err != nil || old.Lifecycle != device.Live {
				return err
			}
			d := old
			d.Issues = device.Issues{Critical: rnd.IntN(3), Warning: rnd.IntN(3)}
			d.Cell.Group = posture.GroupID(1 + rnd.IntN(3))
			d.Vulnerabilities, d.PackedProfile, d.StatusAt = rnd.IntN(9), `{"vendor":"Ørsted  ltd"}`, f.clock.now()
			d.LinkedID = fmt.Sprint("phone ", rnd.IntN(40))
			return tx.Update(ctx, &old, &d)
		}})
	default:
		r := posture.Report{
			HostName: pick(rnd, hostNames), DeviceName: pick(rnd, deviceName), UserIdentity: pick(rnd, users), DeviceType: pick(rnd, types),
			Serial: fmt.Sprintf("SN%05d", i), AgentVersion: pick(rnd, agentVersions), Adapters: Adapters(mac, fmt.Sprintf("02:00:00:00:00:%02x", rnd.IntN(3))),
		}
		r.OS.Family = pick(rnd, families)
		r.OS.Name = fmt.Sprintf("%d/%d/%d", 3+rnd.IntN(3), rnd.IntN(3), rnd.IntN(5))
		err = f.svc.Report(ctx, device.Ref{Account: f.account, ID: id}, Submission(r, fmt.Sprint(rnd.IntN(1000), r.AgentVersion)))
	}
	if err != nil && errs.CodeOf(err) == errs.Internal {
		t.Fatal(err)
	}
	f.clock.advance(time.Second)
}

// addFacets gives the devices things to have, by the numbers that storage uses.
func (f *fleet) addFacets(t *testing.T, e Engine, list []device.Device) {
	t.Helper()
	number := map[string]int64{string(categories[0]): 1<<48 | 2, string(categories[1]): 1<<48 | 3, string(categories[2]): 1<<48 | 24}
	for i, cve := range cves {
		number[cve] = 4<<48 | int64(900_001+i)
		check(t, e.Exec(t.Context(), f.Store, `INSERT INTO vulnerabilities (account_id, id, cve, devices, kev, score_opswat, score_cvss2, score_cvss3,
			level_opswat, level_cvss2, level_cvss3, catalogue) VALUES (?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, '')`, f.account, 900_001+i, cve))
		number[fmt.Sprint("product/", products[i])] = 2<<48 | products[i]
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range number {
			if !yield(name) {
				return
			}
		}
	})
	for i := range list {
		id := list[i].ID
		f.facets[id] = map[string]bool{}
		var set device.Facets
		for _, name := range names {
			if f.rnd.IntN(3) == 0 {
				f.facets[id][name] = true
				set = append(set, number[name])
			}
		}
		slices.Sort(set)
		packed, err := f.PackReport(t.Context(), &device.ToPack{
			Account: f.account, Device: id, Body: []byte("{}"), Report: &posture.Report{}, Verdict: &posture.Verdict{}, Facets: set,
		})
		check(t, err)
		check(t, f.Change(t.Context(), device.Change{Device: id, Do: func(tx device.Tx) error {
			return tx.PutReport(t.Context(), f.account, id, packed, f.clock.at)
		}}))
	}
}

// some gives a few values, mostly none, at times one twice or one that nothing has.
func some[T any](rnd *rand.Rand, from []T, none T) []T {
	var out []T
	for rnd.IntN(3) == 0 {
		out = append(out, pick(rnd, append(from, none)))
	}
	if len(out) > 0 && rnd.IntN(3) == 0 {
		out = append(out, out[0])
	}
	return out
}

func randomFilter(rnd *rand.Rand) device.Filter {
	f := device.Filter{
		Types: some(rnd, types, posture.Phone), OS: some(rnd, families, posture.IOS),
		Statuses:   some(rnd, []posture.Status{0, 1, 3, 4, 5, 6}, posture.StatusQuarantined),
		Severities: some(rnd, []posture.IssueSeverity{0, 1, 2}, 2), Groups: some(rnd, []posture.GroupID{1, 2, 3}, 99),
		Levels: some(rnd, []posture.Level{0, 1, 2, 3}, 4), Categories: some(rnd, categories, "no such thing"),
		Contacts: some(rnd, []device.Contact{device.Connected, device.Disconnected, device.OutOfDate}, device.Unseen),
		Products: some(rnd, products, 7), CVEs: some(rnd, cves, "CVE-1999-0001"),
	}
	if rnd.IntN(4) == 0 {
		f.Managed = posture.Fact(rnd.IntN(3))
	}
	moment := func() time.Time {
		if rnd.IntN(4) > 0 {
			return time.Time{}
		}
		return Epoch.Add(time.Duration(rnd.IntN(300)) * time.Second)
	}
	f.EnrolledFrom, f.EnrolledUntil, f.NotSeenSince = moment(), moment(), moment()
	if !f.NotSeenSince.IsZero() && rnd.IntN(2) == 0 {
		f.NotSeenSince = f.NotSeenSince.Add(20 * time.Hour)
	}
	if rnd.IntN(3) == 0 {
		f.Search = pick(rnd, []string{
			"alph", "KARI", "kari al", "example", "pc-07", "lab  pc", "00:0c:29", "000c29", "00-0C-29-00-00-05", "sn000", "zzz", "ærø", "Ola N", "'", "  ", "02:00:00:00:00:01",
		})
	}
	if rnd.IntN(2) == 0 { // one member alone is what nearly everybody asks for
		one := device.Filter{Search: f.Search}
		switch rnd.IntN(8) {
		case 5:
			one.EnrolledFrom, one.EnrolledUntil = f.EnrolledFrom, f.EnrolledUntil
		case 6:
			one.NotSeenSince = f.NotSeenSince
		case 0:
			one.Statuses = f.Statuses
		case 1:
			one.OS = f.OS
		case 2:
			one.Products = f.Products
		case 3:
			one.Contacts = f.Contacts
		case 4:
			one.CVEs, one.Categories = f.CVEs, f.Categories
		}
		return one
	}
	return f
}

func among[T comparable](values []T, v T) bool { return len(values) == 0 || slices.Contains(values, v) }

// passes says, from what lists show and what is known besides, whether a filter lets a device through.
func (f *fleet) passes(t *testing.T, d *device.Device, q *device.Filter) bool {
	t.Helper()
	has := func(names []string) bool {
		return len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return f.facets[d.ID][n] })
	}
	texts := make([][]string, 2)
	for _, c := range q.Categories {
		texts[0] = append(texts[0], string(c))
	}
	for _, p := range q.Products {
		texts[1] = append(texts[1], fmt.Sprint("product/", p))
	}
	contact := device.Disconnected
	switch {
	case d.SeenAt.IsZero():
		contact = device.Unseen
	case !d.SeenAt.Before(f.clock.now().Add(-device.ContactLost)):
		contact = device.Connected
	}
	managed := posture.No
	if d.Managed {
		managed = posture.Yes
	}
	return among(q.Types, d.Type) && among(q.OS, d.OSFamily) && among(q.Statuses, d.Cell.Status) && among(q.Severities, d.Cell.Severity) &&
		among(q.Groups, d.Cell.Group) && among(q.Levels, d.Cell.Levels[0]) && has(texts[0]) && has(texts[1]) && has(q.CVEs) &&
		f.stands(d, contact, q.Contacts) && within(d, q) && (q.Managed == posture.NotReported || q.Managed == managed) && f.found(t, d, q.Search)
}

// stands says whether the agent of a device stands in one of some ways.
func (f *fleet) stands(d *device.Device, contact device.Contact, wanted []device.Contact) bool {
	old := d.Managed && d.AgentVersion != "" && f.newest[d.OSFamily] != "" && d.AgentVersion != f.newest[d.OSFamily]
	return among(wanted, contact) || slices.Contains(wanted, device.OutOfDate) && old
}

// within says whether the times of a device lie where a filter wants them.
func within(d *device.Device, q *device.Filter) bool {
	return (q.EnrolledFrom.IsZero() || !d.EnrolledAt.Before(q.EnrolledFrom)) &&
		(q.EnrolledUntil.IsZero() || !d.EnrolledAt.After(q.EnrolledUntil)) &&
		(q.NotSeenSince.IsZero() || d.SeenAt.Before(q.NotSeenSince))
}

// found says whether each word of a search begins a value of the device, or a word in one.
func (f *fleet) found(t *testing.T, d *device.Device, search string) bool {
	t.Helper()
	if f.texts[d.ID] == nil {
		f.texts[d.ID] = f.searched(t, d)
	}
	for _, word := range strings.Fields(strings.ToLower(search)) {
		word = strings.ReplaceAll(word, "00-0c-29-00-00-05", "00:0c:29:00:00:05")
		if !slices.ContainsFunc(f.texts[d.ID], func(s string) bool { return strings.HasPrefix(s, word) }) {
			return false
		}
	}
	return true
}

func (f *fleet) searched(t *testing.T, d *device.Device) []string {
	t.Helper()
	var texts []string
	for _, value := range []string{d.HostName, d.Name, d.Serial, d.HardwareID, d.UserIdentity, d.Link.Username} {
		value = strings.ToLower(value)
		texts = append(texts, value)
		texts = append(texts, strings.Fields(value)...)
		texts = append(texts, strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" -.@'", r) })...)
	}
	adapters, err := f.Adapters(t.Context(), f.account, d.ID)
	check(t, err)
	for _, a := range adapters {
		if a.Current {
			texts = append(texts, a.MAC.String(), strings.ReplaceAll(a.MAC.String(), ":", ""))
		}
	}
	return texts
}

// ordered puts devices into the order of a query.
func ordered(list []device.Device, q *device.Query) {
	slices.SortFunc(list, func(a, b device.Device) int {
		c := 0
		switch q.Order {
		case device.ByHostName:
			c = strings.Compare(a.HostName, b.HostName)
		case device.ByIssues:
			c = cmp.Compare(a.Issues.Total(), b.Issues.Total())
		}
		c = cmp.Or(c, strings.Compare(a.ID, b.ID))
		if q.Descending {
			return -c
		}
		return c
	})
}

// testFilters compares lists and counts with what a look at every device says, for many random queries.
func testFilters(t *testing.T, e Engine) {
	f := newFleet(t, e, 120)
	all := everything(t.Context(), t, f.Store, f.account)
	if len(all) < 60 {
		t.Fatalf("only %d devices are live", len(all))
	}
	for i := range all {
		d := f.device(t, all[i].ID)
		d.Judge, d.Digest, d.Credentials, d.Policy = "", nil, nil, posture.PolicyRef{}
		if diff := gocmp.Diff(d, all[i], whole); diff != "" {
			t.Fatalf("a device by itself (-) and in a list (+): %s", diff)
		}
	}
	nonempty := 0
	for range 300 {
		q := device.Query{Filter: randomFilter(f.rnd), Order: device.Order(f.rnd.IntN(3)), Descending: f.rnd.IntN(2) == 0}
		q.Limit = 4 + f.rnd.IntN(60)
		var want []device.Device
		for i := range all {
			if f.passes(t, &all[i], &q.Filter) {
				want = append(want, all[i])
			}
		}
		ordered(want, &q)
		if len(want) > 0 {
			nonempty++
		}
		n, err := f.svc.CountMatching(t.Context(), f.account, q.Filter)
		if err != nil || n != int64(len(want)) {
			t.Fatalf("%+v: counted %d, want %d, %v", q.Filter, n, len(want), err)
		}
		f.checkWalk(t, q, want)
		q.Skip, q.Limit = f.rnd.IntN(len(want)+2), 1+f.rnd.IntN(12)
		got, _, err := f.svc.Select(t.Context(), f.account, q)
		check(t, err)
		rest := want[min(q.Skip, len(want)):]
		if diff := gocmp.Diff(rest[:min(q.Limit, len(rest))], got, sameLists); diff != "" {
			t.Fatalf("%+v: %s", q, diff)
		}
	}
	if nonempty < 150 {
		t.Errorf("only %d filters let anything through", nonempty)
	}
}

// sameLists has an empty list equal none.
var sameLists = gocmp.Transformer("ids", func(list []device.Device) []string {
	out := []string{}
	for i := range list {
		out = append(out, list[i].ID)
	}
	return out
})

// checkWalk reads a list part by part.
func (f *fleet) checkWalk(t *testing.T, q device.Query, want []device.Device) {
	t.Helper()
	var got []device.Device
	for {
		list, next, err := f.svc.Select(t.Context(), f.account, q)
		check(t, err)
		if len(list) > q.Limit || next != "" && len(list) < q.Limit {
			t.Fatalf("%+v: a part has %d entries, next %q", q, len(list), next)
		}
		got = append(got, list...)
		if next == "" {
			break
		}
		q.After = next
	}
	if diff := gocmp.Diff(want, got, sameLists); diff != "" {
		t.Fatalf("%+v: %s", q, diff)
	}
}
