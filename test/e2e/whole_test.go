package e2e

import (
	"encoding/csv"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/client"
	"muster/internal/device"
	"muster/internal/posture"
	"muster/tools/fleet"
)

// town is a server with a fleet that has everything that the API can tell, and a client that may do everything.
type town struct {
	t     *testing.T
	p     *program
	c     *client.Client
	token string
	code  string
	// agents by device id; seen are all devices, as the newest list shows them.
	agents map[string]*fleet.Agent
	seen   []client.Device
}

// TestWholeAPI makes the calls of the API on one fleet, first those that read, then those that change something.
func TestWholeAPI(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		w := settle(t, p)
		for _, part := range []struct {
			name string
			test func(*town)
		}{
			{"account", countsAgree}, {"details", detailsAgree}, {"verdicts", verdictsAgree}, {"software", softwareAgrees},
			{"vulnerabilities", vulnerabilitiesAgree}, {"threats", threatsAgree}, {"patches", patchesAgree}, {"records", recordsAgree},
			{"search", searchFinds}, {"configuration", configurationTells}, {"versions", olderVersions}, {"wild", programsInTheWild},
			{"tolerances", tolerances}, {"actions", actionsTakeEffect}, {"deletion", agentsHearOfDeletion}, {"logs", logsArrive},
			{"walks", walksUnderWrites}, {"restart", cursorsOutliveRestart},
		} {
			t.Run(part.name, func(t *testing.T) {
				w.t, w.p.t = t, t
				defer func() { w.p.t = w.t }()
				part.test(w)
			})
		}
		p.t = t
	})
}

// settle enrols the demo's fleet, and adds devices without an agent, a group, a linked user and some attempts.
func settle(t *testing.T, p *program) *town {
	t.Helper()
	w := &town{t: t, p: p, code: strings.TrimSpace(p.muster("regcode", "show")), agents: map[string]*fleet.Agent{}}
	var id, secret string
	id, secret = p.application("write")
	var err error
	w.c, err = client.New(p.url, client.Options{ClientID: id, ClientSecret: secret, MaxWait: -1, Retries: -1})
	w.ok(err)
	token, err := w.c.RequestToken(t.Context(), "")
	w.ok(err)
	w.token = token.AccessToken
	demo := fleet.Demo(time.Now())
	agents, err := fleet.Enrol(t.Context(), p.url, w.code, demo.Machines, 8)
	w.ok(err)
	for _, a := range agents {
		w.agents[a.DeviceID] = a
	}
	file, lines := path(t, "devices.csv"), ""
	for _, s := range demo.Unmanaged {
		lines += s.MAC + "," + s.Name + "," + s.Type + "\n"
	}
	write(t, file, lines)
	p.muster("device", "import", file)
	p.muster("group", "add", "Workshop")
	for _, e := range demo.Exempt {
		w.act(client.ActionRequest{Action: client.Exempt, IDs: []string{agents[e.Machine].DeviceID}}, client.ActionDone)
	}
	w.act(client.ActionRequest{Action: client.AssignGroup, IDs: []string{agents[0].DeviceID, agents[1].DeviceID}, Group: "2"}, client.ActionDone)
	w.ok(w.c.LinkUser(t.Context(), agents[2].DeviceID, client.LinkedUser{Username: "kari", Group: "staff"}))
	svc, account := p.beside()
	for _, app := range []string{"intranet", "payroll", "intranet"} {
		w.ok(svc.RecordActivity(t.Context(), account, device.Activity{
			Action: device.AccessBlocked, DeviceID: agents[3].DeviceID, DeviceName: agents[3].Machine.HostName, AppName: app, DeviceStatus: posture.StatusCompliant,
		}))
	}
	w.seen = all(w, w.c.AllDevices(t.Context(), client.DevicesQuery{}))
	if len(w.seen) != len(agents)+len(demo.Unmanaged) {
		t.Fatalf("%d devices, want %d and %d", len(w.seen), len(agents), len(demo.Unmanaged))
	}
	return w
}

func (w *town) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// act does something with devices, and sees that all of them answer alike.
func (w *town) act(r client.ActionRequest, want client.ActionStatus) (commands []string) {
	w.t.Helper()
	list, err := w.c.Act(w.t.Context(), r)
	w.ok(err)
	for i, one := range list {
		if one.ID != append(r.IDs, r.MACs...)[i] || one.Status != want {
			w.t.Errorf("%s of %s: %d, want %d", r.Action, one.ID, one.Status, want)
		}
		commands = append(commands, string(one.CommandID))
	}
	return commands
}

// all collects a walk.
func all[T any](w *town, walk iter.Seq2[T, error]) []T {
	w.t.Helper()
	var out []T
	for item, err := range walk {
		w.ok(err)
		out = append(out, item)
	}
	return out
}

// equal fails unless two values are the same.
func equal[T any](w *town, what string, got, want T) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s: %s", what, diff)
	}
}

// listed counts the devices that a filter leaves.
func (w *town) listed(f client.DeviceFilter) int64 {
	w.t.Helper()
	return int64(len(all(w, w.c.AllDevices(w.t.Context(), client.DevicesQuery{Filter: &f}))))
}

var monitored = []client.Status{client.Compliant, client.NonCompliant, client.Exempted, client.Pending, client.Quarantined, client.Installed}

// countsAgree: each number of account details is how many devices the list has under that filter.
func countsAgree(w *town) {
	account, err := w.c.Account(w.t.Context(), client.AccountQuery{})
	w.ok(err)
	equal(w, "devices used", w.listed(client.DeviceFilter{Statuses: monitored}), account.DevicesUsed)
	for _, n := range account.ByStatus {
		equal(w, "status "+string(n.Status), w.listed(client.DeviceFilter{Statuses: []client.Status{n.Status}}), n.Devices)
	}
	for _, n := range account.ByIssue {
		equal(w, "severity "+string(n.Severity), w.listed(client.DeviceFilter{Severities: []client.Severity{n.Severity}, Statuses: monitored}), n.Devices)
	}
	for _, kind := range []client.ScoreType{client.OPSWATScore, client.CVSS2Score, client.CVSS3Score} {
		account, err = w.c.Account(w.t.Context(), client.AccountQuery{ScoreType: kind})
		w.ok(err)
		var sum int64
		for _, n := range account.ByVulnerability {
			sum += n.Devices
		}
		equal(w, "levels by "+string(kind), sum, account.DevicesUsed)
	}
	groups := all(w, w.c.AllGroups(w.t.Context(), client.GroupsQuery{}))
	for _, g := range groups {
		equal(w, "group "+g.Name, w.listed(client.DeviceFilter{Groups: []string{string(g.ID)}}), g.Devices)
	}
	if workshop := groups[len(groups)-1]; workshop.Name != "Workshop" || workshop.Devices < 2 {
		w.t.Errorf("the last group is %+v", workshop)
	}
}

// detailsAgree: lists, details and what agents reported say the same of each device.
func detailsAgree(w *town) {
	var ids []string
	for i := range w.seen {
		ids = append(ids, w.seen[i].ID)
	}
	details := all(w, w.c.AllDeviceDetails(w.t.Context(), client.DetailsQuery{IDs: ids, Categories: true, Packages: true, Processes: true, Patches: true, MobileApps: true, Unclassified: true}))
	equal(w, "how many details", len(details), len(w.seen))
	patches, packages := 0, 0
	for i := range details {
		d, s := &details[i], &w.seen[i]
		equal(w, "a device", client.Device{
			ID: d.ID, Status: d.Status, Severity: d.Severity, Issues: d.Issues, Name: d.Name, HostName: d.HostName, Type: d.Type, Nickname: d.Nickname,
			GroupName: d.GroupName, PublicIP: d.PublicIP, AgentVersion: d.AgentVersion, Enrolled: d.Enrolled, LastSeen: d.LastSeen, LastReboot: d.LastReboot,
			RemediationLink: d.RemediationLink, OS: d.OS, Networks: d.Networks, User: d.User, LinkedUser: d.LinkedUser, Vulnerabilities: s.Vulnerabilities,
		}, *s)
		a := w.agents[d.ID]
		if a == nil {
			equal(w, "status without an agent", d.Status, client.Unknown)
			continue
		}
		m := a.Machine
		if d.Name != m.HostName || d.Type != m.Type || string(d.OS.Version) != m.OS.Version || d.OS.Name != m.OS.Name {
			w.t.Errorf("reported %s %s %v, shown %s %s %v", m.HostName, m.Type, m.OS, d.Name, d.Type, d.OS)
		}
		if len(m.Adapters) > 0 && (len(d.Networks) != len(m.Adapters) || !strings.EqualFold(d.Networks[0].MAC, m.Adapters[0].MAC)) {
			w.t.Errorf("%s: adapters %v, reported %v", m.HostName, d.Networks, m.Adapters)
		}
		patches += d.Patches.Total
		packages += d.Packages.Total
		if len(d.Patches.List) != d.Patches.Total || len(d.Packages.List) != d.Packages.Total {
			w.t.Errorf("%s: %d patches and %d packages of %d and %d", m.HostName, len(d.Patches.List), len(d.Packages.List), d.Patches.Total, d.Packages.Total)
		}
	}
	if patches == 0 || packages == 0 {
		w.t.Errorf("%d patches, %d packages", patches, packages)
	}
	// A device by its address and by the integrator's own id.
	one, err := w.c.DeviceDetail(w.t.Context(), strings.ToUpper(strings.ReplaceAll(fleet.DemoMAC, ":", "-")), client.DetailsQuery{})
	w.ok(err)
	equal(w, "by its address", one.Networks[0].MAC, fleet.DemoMAC)
	linked := slices.IndexFunc(details, func(d client.DeviceDetail) bool { return d.LinkedID != "" })
	if linked < 0 {
		w.t.Fatal("no device has a linked id")
	}
	own, err := w.c.DeviceDetail(w.t.Context(), details[linked].LinkedID, client.DetailsQuery{Kind: client.ByLinkedID})
	w.ok(err)
	equal(w, "by its linked id", own.ID, details[linked].ID)
	_, err = w.c.DeviceDetail(w.t.Context(), "02:00:00:00:00:99", client.DetailsQuery{})
	if !client.IsNotFound(err) {
		w.t.Errorf("details of nobody: %v", err)
	}
}

// verdictsAgree: policy check, information and remediation say of each device what the list says.
func verdictsAgree(w *town) {
	var ids []string
	for i := range w.seen {
		ids = append(ids, w.seen[i].ID)
	}
	infos, err := w.c.DeviceInfo(w.t.Context(), client.InfoQuery{IDs: ids[:client.MaxIDs]})
	w.ok(err)
	checks, err := w.c.PolicyChecks(w.t.Context(), ids)
	w.ok(err)
	for i := range w.seen {
		s := &w.seen[i]
		want := map[client.Status]client.Status{client.Exempted: client.Compliant, client.Unknown: client.Removed}[s.Status]
		if want == "" {
			want = s.Status
		}
		equal(w, "batch check of "+s.Name, checks[i], client.PolicyVerdict{Status: want, Critical: s.Issues.Critical > 0})
		if i >= len(infos) {
			continue
		}
		equal(w, "information", infos[i].ID+string(infos[i].Status)+string(infos[i].Severity), s.ID+string(s.Status)+string(s.Severity))
		worst := client.NoIssue
		for _, c := range infos[i].Categories {
			if c.Severity == client.Critical || c.Severity == client.Warning && worst == client.NoIssue {
				worst = c.Severity
			}
		}
		if s.Status != client.Unknown {
			equal(w, "worst category of "+s.Name, worst, s.Severity)
		}
		one, err := w.c.PolicyCheck(w.t.Context(), s.ID, true)
		w.ok(err)
		if one.Status != want || one.TotalIssues != s.Issues.Total || one.TotalCritical != s.Issues.Critical || len(one.Issues) != s.Issues.Total {
			w.t.Errorf("policy check of %s: %+v, listed %+v", s.Name, one, s.Issues)
		}
		link, err := w.c.RemediationLink(w.t.Context(), s.ID, client.ByDevice)
		w.ok(err)
		equal(w, "remediation", link, s.RemediationLink)
	}
}

// softwareAgrees: each version of a product is on as many devices as a filter by it lists, and as its details say.
func softwareAgrees(w *town) {
	apps := all(w, w.c.AllApps(w.t.Context(), client.AppsQuery{}))
	versions := map[client.Number][]client.App{}
	for _, a := range apps {
		versions[a.ProductID] = append(versions[a.ProductID], a)
	}
	if len(apps) < 100 {
		w.t.Fatalf("only %d applications", len(apps))
	}
	checked := 0
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		a := versions[id][0]
		if len(versions[id]) > 1 || a.Vulnerabilities == 0 && checked > 5 || checked > 30 {
			continue
		}
		checked++
		number, _ := id.Int64()
		equal(w, "devices with "+a.Name, w.listed(client.DeviceFilter{Products: []int64{number}}), a.Devices)
		d, err := w.c.AppDetails(w.t.Context(), client.AppQuery{ProductID: id, Version: string(a.Version), Vulnerabilities: true})
		w.ok(err)
		equal(w, "details of "+a.Name, []int64{d.Devices, d.Total, d.Critical + d.Important + d.Moderate + d.Low + d.Unknown, int64(len(d.Vulnerabilities))},
			[]int64{a.Devices, a.Vulnerabilities, a.Vulnerabilities, min(a.Vulnerabilities, 100)})
	}
	for _, a := range versions {
		if len(a) > 1 {
			number, _ := a[0].ProductID.Int64()
			var sum int64
			for _, v := range a {
				sum += v.Devices
			}
			equal(w, "devices with any version of "+a[0].Name, w.listed(client.DeviceFilter{Products: []int64{number}}), sum)
			break
		}
	}
	filtered := all(w, w.c.AllApps(w.t.Context(), client.AppsQuery{Filter: client.AppsFilter{Levels: []string{"critical"}}, Sort: client.Sort{Field: "number_of_devices", Order: client.Descending}}))
	want := 0
	for _, a := range apps {
		if a.Level == "critical" {
			want++
		}
	}
	equal(w, "critical applications", len(filtered), want)
	for i := 1; i < len(filtered); i++ {
		if filtered[i].Devices > filtered[i-1].Devices {
			w.t.Errorf("%v after %v", filtered[i], filtered[i-1])
		}
	}
}

// vulnerabilitiesAgree: each vulnerability is on as many devices as a filter by it lists, and as their own lists have it.
func vulnerabilitiesAgree(w *town) {
	list := all(w, w.c.AllVulnerabilities(w.t.Context(), client.VulnerabilitiesQuery{}))
	if len(list) < 15 {
		w.t.Fatalf("only %d vulnerabilities", len(list))
	}
	counted := map[string]int64{}
	for i := range w.seen {
		own := all(w, w.c.AllDeviceVulnerabilities(w.t.Context(), client.DeviceVulnerabilitiesQuery{Device: w.seen[i].ID, Verbose: i%2 == 0}))
		equal(w, "vulnerabilities of "+w.seen[i].Name, len(own), w.seen[i].Vulnerabilities.Total)
		for _, v := range own {
			counted[v.ID]++
		}
	}
	kev := 0
	for i, v := range list {
		equal(w, "devices with "+v.ID, counted[v.ID], v.Devices)
		if i%4 == 0 {
			equal(w, "listed with "+v.ID, w.listed(client.DeviceFilter{CVEs: []string{v.ID}}), v.Devices)
		}
		if v.KEV {
			kev++
		}
	}
	equal(w, "vulnerabilities that devices have", len(counted), len(list))
	exploited := all(w, w.c.AllVulnerabilities(w.t.Context(), client.VulnerabilitiesQuery{OnlyKEV: true, ScoreType: client.CVSS3Score}))
	equal(w, "known to be exploited", len(exploited), kev)
	for _, v := range all(w, w.c.AllVulnerabilities(w.t.Context(), client.VulnerabilitiesQuery{MinScore: 9, ScoreType: client.CVSS3Score, Sort: client.Sort{Field: "cvss3_score", Order: client.Descending}})) {
		if score, ok := v.CVSS3Score.Float64(); !ok || score < 9 {
			w.t.Errorf("%s has the score %s", v.ID, v.CVSS3Score)
		}
	}
}

// threatsAgree: what antimalware found is told with the device, also in its details.
func threatsAgree(w *town) {
	found := 0
	for id, a := range w.agents {
		if a.Machine.OS.Family == "linux" {
			continue
		}
		t, err := w.c.Threats(w.t.Context(), client.ThreatsQuery{Device: id, Limit: 10})
		w.ok(err)
		reported := strings.Count(string(a.Machine.Report(id, a.Now())), `"severity":"severe"`) + strings.Count(string(a.Machine.Report(id, a.Now())), `"severity":"low"`)
		equal(w, "threats on "+a.Machine.HostName, len(t.Local)+len(t.Scan), reported)
		for _, one := range t.Local {
			if one.Name == "" || one.File == "" || one.Product == "" || one.Scanned.IsZero() {
				w.t.Errorf("a threat: %+v", one)
			}
			found++
		}
	}
	if found == 0 {
		w.t.Error("no threat is told")
	}
	if _, err := w.c.Threats(w.t.Context(), client.ThreatsQuery{Device: "02:00:00:00:00:99"}); !client.IsNotFound(err) {
		w.t.Errorf("threats on nobody: %v", err)
	}
}

// table downloads a report.
func (w *town) table(q client.ReportQuery) [][]string {
	w.t.Helper()
	r, err := w.c.Report(w.t.Context(), q)
	w.ok(err)
	defer r.Body.Close()
	if r.MediaType != "text/csv" {
		w.t.Fatalf("%+v is %s", q, r.MediaType)
	}
	rows, err := csv.NewReader(r.Body).ReadAll()
	w.ok(err)
	return rows
}

// patchesAgree: the summary counts what the two other reports list.
func patchesAgree(w *town) {
	summary := w.table(client.ReportQuery{Type: client.PatchSummary})
	if len(summary) < 4 {
		w.t.Fatalf("the summary: %v", summary)
	}
	sum := 0
	for _, row := range summary[1:] {
		devices := w.table(client.ReportQuery{Type: client.DevicesMissingPatch, KB: row[0]})
		n, err := strconv.Atoi(row[len(row)-1])
		w.ok(err)
		if strings.HasPrefix(row[0], "KB890830") { // of two systems
			continue
		}
		equal(w, "devices that lack "+row[0], len(devices)-1, n)
		sum += n
		own := w.table(client.ReportQuery{Type: client.PatchesMissingDevice, Device: devices[1][0]})
		if !slices.ContainsFunc(own, func(r []string) bool { return r[0] == row[0] }) {
			w.t.Errorf("%s does not lack %s: %v", devices[1][1], row[0], own)
		}
	}
	if sum < 10 {
		w.t.Errorf("%d patches are missing in all", sum)
	}
}

// recordsAgree: logs, changes, statistics and activities know of every device.
func recordsAgree(w *town) {
	times := map[string]int{}
	for _, l := range all(w, w.c.AllLogs(w.t.Context(), client.LogsQuery{Events: []string{"added", "imported"}, Age: time.Hour, Limit: 30})) {
		times[l.DeviceID]++
	}
	changed := map[string]int{}
	for _, c := range all(w, w.c.AllChanges(w.t.Context(), client.ChangesQuery{Age: time.Hour, Limit: 30})) {
		changed[c.ID]++
	}
	for i := range w.seen {
		if id := w.seen[i].ID; times[id] != 1 || changed[id] != 1 {
			w.t.Errorf("%s was added %d times and changed %d times", w.seen[i].Name, times[id], changed[id])
		}
	}
	equal(w, "devices with logs and changes", []int{len(times), len(changed)}, []int{len(w.seen), len(w.seen)})
	exempted := all(w, w.c.AllLogs(w.t.Context(), client.LogsQuery{Events: []string{"exempted"}, Age: time.Hour}))
	equal(w, "exemptions", int64(len(exempted)), w.listed(client.DeviceFilter{Statuses: []client.Status{client.Exempted}}))
	for _, q := range []struct {
		query client.StatsQuery
		want  int
	}{
		{client.StatsQuery{Event: client.StatsAdded, IDs: client.StatsDeviceIDs, Amount: 1, Period: "hour"}, len(w.seen)},
		{client.StatsQuery{Event: client.StatsAdded, IDs: client.StatsDeviceIDs, Devices: "unmanaged"}, len(w.seen) - len(w.agents)},
		{client.StatsQuery{Event: client.StatsNotSeen, IDs: client.StatsDeviceIDs, Amount: 1, Period: "hour", Devices: "managed"}, 0},
		{client.StatsQuery{Event: client.StatsAdded, IDs: client.StatsDeviceIDs, From: time.Now().AddDate(0, 0, -9), To: time.Now().AddDate(0, 0, -8)}, 0},
	} {
		stats, err := w.c.Stats(w.t.Context(), q.query)
		w.ok(err)
		equal(w, "statistics of "+string(q.query.Event)+q.query.Devices, []int{stats.Total, len(stats.Devices)}, []int{q.want, q.want})
	}
	activities := all(w, w.c.AllActivities(w.t.Context(), client.ActivitiesQuery{Age: time.Hour}))
	equal(w, "activities", len(activities), 3)
	activities = all(w, w.c.AllActivities(w.t.Context(), client.ActivitiesQuery{Search: "intranet", Actions: []string{"blocked"}, Limit: 1}))
	equal(w, "activities found", len(activities), 2)
}

// searchFinds: each way to search finds the device, and as many as the count says.
func searchFinds(w *town) {
	some := w.seen[7]
	for _, text := range []string{some.ID, some.HostName, some.Networks[0].MAC, "kari"} {
		page, err := w.c.SearchDevices(w.t.Context(), client.SearchQuery{Text: text, In: "all"})
		w.ok(err)
		if page.Total < 1 || len(page.Devices) != min(page.Total, 10) {
			w.t.Errorf("%q finds %d of %d", text, len(page.Devices), page.Total)
		}
		if text != "kari" && page.Devices[0].ID != some.ID {
			w.t.Errorf("%q finds %s", text, page.Devices[0].HostName)
		}
	}
	found := all(w, w.c.AllFound(w.t.Context(), client.SearchQuery{Text: "lab-pc", In: "hostname", Limit: 3}))
	want := 0
	for i := range w.seen {
		if strings.HasPrefix(w.seen[i].HostName, "lab-pc") {
			want++
		}
	}
	equal(w, "found by a part of the name", len(found), want)
}

func configurationTells(w *town) {
	c, err := w.c.Configuration(w.t.Context())
	w.ok(err)
	if c.RegistrationCode != w.code || c.CrossDomain == nil || c.CrossDomain.Port == 0 {
		w.t.Errorf("configuration: %+v", c)
	}
	policy, err := w.c.AccountPolicy(w.t.Context())
	w.ok(err)
	if len(policy) < 5 || len(policy["Firewall"].Checks) == 0 || !policy["Firewall"].AppliesTo["laptop"] {
		w.t.Errorf("policy: %v", policy)
	}
}
