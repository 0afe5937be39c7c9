package app

import (
	"cmp"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	adminclient "muster/client/admin"
	"muster/internal/errs"
	"muster/internal/policy"
	"muster/internal/run"
)

type vulnCommand struct {
	List     vulnList     `cmd:"" help:"List the vulnerabilities that devices have, the worst first."`
	Show     vulnShow     `cmd:"" help:"Show one: how bad it is and who says so, the products it is in, the devices that have it."`
	Explain  vulnExplain  `cmd:"" help:"Say step by step why a device has a vulnerability, or why it has not."`
	Accept   vulnAccept   `cmd:"" help:"Accept a risk: the vulnerability stays visible and does not count any more."`
	Revoke   vulnRevoke   `cmd:"" help:"Revoke an accepted risk: the vulnerability counts again."`
	Accepted vulnAccepted `cmd:"" help:"List accepted risks and VEX statements, the newest first."`
}

type vulnList struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	By          string   `help:"Score that --min-score, --level and --sort are about." enum:"opswat_score,cvss2_score,cvss3_score" default:"opswat_score" placeholder:"SCORE"`
	MinScore    string   `help:"Only those scored at least so high." placeholder:"N"`
	Level       []string `help:"Only those of this level; may be given several times." placeholder:"LEVEL"`
	KEV         bool     `help:"Only those that are known to be exploited."`
	Accepted    bool     `help:"Those that are accepted on some device, in place of those that count on some." xor:"state"`
	All         bool     `help:"Those that count and those that are accepted." xor:"state"`
	Product     string   `help:"Only those of products with this in their names." placeholder:"TEXT"`
	Search      string   `help:"Only those with this in their id or summary." placeholder:"TEXT"`
	Sort        string   `help:"What to sort by: score, level or id." enum:"score,level,id" default:"score" placeholder:"BY"`
	Limit       int      `help:"How many; 0 for all." default:"50" placeholder:"N"`
}

// filter says what the list is to have.
func (c *vulnList) filter() adminclient.VulnerabilityFilter {
	f := adminclient.VulnerabilityFilter{
		State: "open", ScoreType: c.By, MinScore: c.MinScore, Level: strings.Join(c.Level, ","), KEV: c.KEV, Search: c.Search, Product: c.Product, Sort: c.Sort,
	}
	switch {
	case c.Accepted:
		f.State = "accepted"
	case c.All:
		f.State = "found"
	}
	if c.Sort == "score" {
		f.Sort = c.By
	}
	if c.Limit > 0 {
		f.Limit = strconv.Itoa(min(c.Limit, 500))
	}
	return f
}

// firstOf reads up to so many of a list, all of it with 0; never nil, so that nothing is [] in JSON.
func firstOf[T any](all iter.Seq2[T, error], limit int) ([]T, error) {
	list := []T{}
	for one, err := range all {
		if err != nil {
			return nil, err
		}
		list = append(list, one)
		if len(list) == limit {
			break
		}
	}
	return list, nil
}

// Run lists the vulnerabilities.
func (c *vulnList) Run(env *environment) error {
	if c.Limit < 0 {
		return errs.InvalidField("limit", "--limit must be 0 or more")
	}
	return env.administer(c.deviceFlags, func(api *administration) error {
		list, err := firstOf(api.Vulnerabilities(env.ctx, c.filter()), c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, list)
		}
		t := newTable("VULNERABILITY", "LEVEL", "SCORE", "CVSS3", "CVSS2", "EPSS", "KEV", "OPEN", "ACCEPTED", "SUMMARY")
		for i := range list {
			v := &list[i]
			level := map[string]string{"opswat_score": v.Levels.Opswat, "cvss2_score": v.Levels.CVSS2, "cvss3_score": v.Levels.CVSS3}[c.By]
			t.row(v.ID, level, decimal(v.Scores.Opswat), decimal(v.Scores.CVSS3), decimal(v.Scores.CVSS2), decimal(v.EPSS), yes(v.KEV), v.Open, v.Accepted, brief(v.Summary))
		}
		return t.print(env.stdout)
	})
}

// decimal writes a number that may be missing.
func decimal(n *float64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

// brief cuts a text for a column.
func brief(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// vulnArg names a vulnerability.
type vulnArg struct {
	Vulnerability string `arg:"" name:"cve" help:"CVE id, or the id of a feed's entry."`
}

// shownDevices is how many devices and accepted risks 'show' lists.
const shownDevices = 20

type vulnShow struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	vulnArg     `embed:""`
}

// wholeVulnerability is one as the command line prints it. The names of its members stay.
type wholeVulnerability struct {
	adminclient.Vulnerability
	OpenOn     []adminclient.VulnerabilityDevice `json:"open_on"` // the first ones
	AcceptedOn []adminclient.VulnerabilityDevice `json:"accepted_on"`
	Risks      []adminclient.AcceptedRisk        `json:"accepted_risks"` // that hold
}

// Run shows the vulnerability.
func (c *vulnShow) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		v, err := api.wholeVulnerability(c.Vulnerability)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, v)
		}
		t := newTable()
		t.row("vulnerability", v.ID)
		if v.Summary != "" {
			t.row("summary", v.Summary)
		}
		t.row("opswat_score", decimal(v.Scores.Opswat)+" "+v.Levels.Opswat)
		t.row("cvss3_score", decimal(v.Scores.CVSS3)+" "+v.Levels.CVSS3)
		t.row("cvss2_score", decimal(v.Scores.CVSS2)+" "+v.Levels.CVSS2)
		t.row("known to be exploited", yes(v.KEV))
		t.row("epss", decimal(v.EPSS))
		if v.CWE != "" {
			t.row("weakness", v.CWE)
		}
		t.row("published", stamp(v.Published))
		t.row("modified", stamp(v.Modified))
		for _, s := range v.Said {
			t.row("feed", strings.TrimSpace(cmp.Or(s.Feed, "-")+" "+s.Entry+" "+strings.Join(s.Vectors, " ")))
		}
		for _, p := range v.Products {
			t.row("product", strings.Join(strings.Fields(p.Ecosystem+" "+p.Vendor+" "+p.Name+" "+p.Version), " ")+fmt.Sprintf(" on %d devices", p.Devices))
		}
		t.row("open on", fmt.Sprint(v.Open, " devices"))
		for _, d := range v.OpenOn {
			t.row("", d.DeviceID+" "+d.Name)
		}
		t.row("accepted on", fmt.Sprint(v.Accepted, " devices"))
		for _, d := range v.AcceptedOn {
			t.row("", d.DeviceID+" "+d.Name)
		}
		for i := range v.Risks {
			t.row("accepted risk", v.Risks[i].ID+" "+where(&v.Risks[i])+until(v.Risks[i].Until)+because(v.Risks[i].Author, v.Risks[i].Reason))
		}
		return t.print(env.stdout)
	})
}

// wholeVulnerability gathers what there is about one.
func (a *administration) wholeVulnerability(id string) (wholeVulnerability, error) {
	out := wholeVulnerability{OpenOn: []adminclient.VulnerabilityDevice{}, AcceptedOn: []adminclient.VulnerabilityDevice{}, Risks: []adminclient.AcceptedRisk{}}
	var err error
	out.Vulnerability, err = a.Vulnerability(a.ctx, id)
	if err != nil {
		return out, err
	}
	for state, into := range map[string]*[]adminclient.VulnerabilityDevice{"open": &out.OpenOn, "accepted": &out.AcceptedOn} {
		for d, err := range a.VulnerabilityDevices(a.ctx, out.ID, state) {
			if err != nil {
				return out, err
			}
			*into = append(*into, d)
			if len(*into) == shownDevices {
				break
			}
		}
	}
	for r, err := range a.AcceptedRisks(a.ctx, adminclient.RiskFilter{State: "active", Vulnerability: out.ID}) {
		if err != nil {
			return out, err
		}
		out.Risks = append(out.Risks, r)
		if len(out.Risks) == shownDevices {
			break
		}
	}
	return out, nil
}

// where says on what an accepted risk is about.
func where(r *adminclient.AcceptedRisk) string {
	var parts []string
	if r.Product != "" {
		parts = append(parts, "in "+strings.Join(strings.Fields(r.Ecosystem+" "+r.Product+" "+strings.Join(r.Versions, " ")), " "))
	}
	switch {
	case r.Device != "":
		parts = append(parts, "on device "+r.Device)
	case r.Group != "":
		parts = append(parts, "in group "+r.Group)
	}
	if len(parts) == 0 {
		return "everywhere"
	}
	return strings.Join(parts, " ")
}

type vulnAccept struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	vulnArg     `embed:""`
	Product     string   `help:"Only in this application or package: its name, in which * stands for any text, or a package URL." placeholder:"P"`
	Ecosystem   string   `help:"Only in packages of this ecosystem, such as Debian:12." placeholder:"E"`
	Version     []string `help:"Only in this version of the product; may be given several times." placeholder:"V"`
	Group       string   `help:"Only on devices of this group, by name or id." placeholder:"G" xor:"place"`
	Device      string   `help:"Only on this device: its id, hardware id or MAC address." placeholder:"D" xor:"place"`
	Reason      string   `help:"Why the risk is taken." required:"" placeholder:"TEXT"`
	Until       string   `help:"Day or time from when on it counts again, such as 2027-03-31; for good unless given." placeholder:"DATE" xor:"end"`
	For         string   `help:"For how long, such as 30d." placeholder:"TIME" xor:"end"`
	Author      string   `help:"Who answers for it." placeholder:"NAME"`
	Wait        bool     `help:"Return when the devices have been judged anew. On a database without a server this command judges them itself."`
}

// moment reads a day, which is its beginning, or a time that a flag was given.
func moment(flag, text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		at, err := time.Parse(layout, text)
		if err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, errs.InvalidField(flag, "--%s must be a day such as 2027-03-31 or a time such as 2027-03-31T12:00:00Z, and not %q", flag, text)
}

// end reads until when the risk is accepted; nil for good.
func (c *vulnAccept) end(now time.Time) (*time.Time, error) {
	switch {
	case c.For != "":
		var d policy.Duration
		err := d.UnmarshalText([]byte(c.For))
		if err != nil || d <= 0 {
			return nil, errs.InvalidField("for", "--for must be a time such as 30d or 12h, and not %q", c.For)
		}
		at := now.Add(time.Duration(d)).UTC().Truncate(time.Second)
		return &at, nil
	case c.Until != "":
		at, err := moment("until", c.Until)
		if err != nil {
			return nil, err
		}
		return &at, nil
	default:
		return nil, nil //nolint:nilnil // no end is not a mistake
	}
}

// Run accepts the risk.
func (c *vulnAccept) Run(env *environment) error {
	end, err := c.end(time.Now())
	if err != nil {
		return err
	}
	return env.administer(c.deviceFlags, func(api *administration) error {
		n := adminclient.NewAcceptedRisk{
			Vulnerability: c.Vulnerability, Product: c.Product, Ecosystem: c.Ecosystem, Versions: c.Version, Device: c.Device, Reason: c.Reason, Author: c.Author, Until: end,
		}
		if c.Group != "" {
			n.Group, err = api.group(c.Group)
			if err != nil {
				return err
			}
		}
		r, err := api.AcceptRisk(env.ctx, n)
		if err == nil {
			err = api.followed(&r, c.Wait)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, r)
		}
		return printLine(env.stdout, "accepted", r.Vulnerability, printable(where(&r))+until(r.Until)+", as", r.ID+judgedBy(&r, c.Wait))
	})
}

// judgedBy says what becomes of the devices.
func judgedBy(r *adminclient.AcceptedRisk, waited bool) string {
	switch {
	case r.Device != "":
		return "; the device has been judged anew"
	case waited:
		return "; its devices have been judged anew"
	default:
		return "; a server judges its devices anew: muster run list"
	}
}

// followed waits, if that is wanted, until the devices have been judged that a change is about. One device is judged at once.
func (a *administration) followed(r *adminclient.AcceptedRisk, wait bool) error {
	if !wait || r.Device != "" {
		return nil
	}
	for one, err := range a.Runs(a.ctx) {
		if err != nil {
			return err
		}
		if one.Kind != string(run.Reevaluate) || one.Policy != "" {
			continue
		}
		one, err = a.wait(one.ID)
		if err == nil && one.State != run.Done.String() {
			err = errs.New(errs.Unavailable, "Judging the devices anew did not come to its end: %s", cmp.Or(one.Message, one.State))
		}
		return err
	}
	return nil
}

type vulnRevoke struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	ID          string `arg:"" help:"Id of the accepted risk."`
	Reason      string `help:"Why it holds no more." required:"" placeholder:"TEXT"`
	Wait        bool   `help:"Return when the devices have been judged anew. On a database without a server this command judges them itself."`
}

// Run revokes the accepted risk.
func (c *vulnRevoke) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		r, err := api.RevokeRisk(env.ctx, c.ID, adminclient.Whatever, c.Reason)
		if err == nil {
			err = api.followed(&r, c.Wait)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, r)
		}
		return printLine(env.stdout, "revoked", r.ID+":", r.Vulnerability, printable(where(&r)), "counts again"+judgedBy(&r, c.Wait))
	})
}

type vulnAccepted struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	State       string `help:"How they are to stand." enum:"any,active,lapsed,revoked" default:"active" placeholder:"STATE"`
	Source      string `help:"Where they are to come from: risk or vex." enum:"any,risk,vex" default:"any" placeholder:"SOURCE"`
	CVE         string `name:"cve" help:"Only those about this vulnerability." placeholder:"CVE"`
	Limit       int    `help:"How many; 0 for all." default:"50" placeholder:"N"`
}

// Run lists accepted risks.
func (c *vulnAccepted) Run(env *environment) error {
	if c.Limit < 0 {
		return errs.InvalidField("limit", "--limit must be 0 or more")
	}
	return env.administer(c.deviceFlags, func(api *administration) error {
		list, err := firstOf(api.AcceptedRisks(env.ctx, adminclient.RiskFilter{State: c.State, Source: c.Source, Vulnerability: c.CVE}), c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, list)
		}
		t := newTable("ID", "VULNERABILITY", "WHERE", "STATE", "UNTIL", "BY", "REASON")
		for i := range list {
			r := &list[i]
			state := r.State
			if !r.Accepts {
				state += ", lifts"
			}
			t.row(r.ID, r.Vulnerability, where(r), state, stamp(r.Until), r.Author, brief(r.Reason))
		}
		return t.print(env.stdout)
	})
}
