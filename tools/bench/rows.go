package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"
)

// rows are the lines of the table in the order in which they are measured: what adds to the fleet, or changes what the
// next one needs to find unchanged, comes late.
func (f *fleet) rows() []row {
	onPostgres := f.engine == "postgres"
	budget := func(sqlite, postgres float64) float64 {
		if onPostgres {
			return postgres
		}
		return sqlite
	}
	size := int64(len(f.agents))
	rows := []row{
		{name: "ping, the first since the start", walk: true, op: operation{want: []byte("{}"), limit: size, render: f.pingInTurn}},
		{name: "ping", budget: 0.025, op: operation{want: []byte("{}"), render: f.ping}},
		{name: "report, unchanged (12 kB)", budget: 0.15, op: operation{want: []byte("{}"), render: f.unchangedReport}},
		{name: "account details v3.2", budget: budget(0.04, 0.12), op: operation{
			want: fmt.Appendf(nil, `"devices_used":%d,`, size), render: f.accountDetails,
		}},
		{name: "an agent asks how its device stands", budget: budget(0.08, 0.2), op: operation{want: []byte(`"status":"`), render: f.ownStatus}},
		{name: "link user, by MAC", budget: budget(0.06, 0.25), op: operation{want: []byte(`"result":1`), render: f.linkByMAC}},
		{name: "link user, by id", budget: budget(0.06, 0.25), op: operation{want: []byte(`"result":1`), render: f.linkByID}},
		{name: "token", op: operation{want: []byte(`"access_token":"`), render: f.issueToken}},
	}
	rows = append(rows, f.deviceRows(budget(0.08, 0.2))...)
	rows = append(rows, f.listRows(budget(0.8, 1.2))...)
	return append(rows,
		row{name: "report, changed (12 kB)", budget: budget(0.6, 1.0), op: operation{want: []byte("{}"), render: f.changedReport}},
		row{name: "report, changed, and with it the status", op: operation{want: []byte("{}"), render: f.changedStatus}},
		row{name: "status change v3, of the last minute or so", budget: budget(0.8, 1.2), op: operation{
			want: []byte(`"device_id":"`), times: pageSize, render: f.statusChanges,
		}},
		row{name: "registration", op: operation{want: []byte(`"access_key":"`), render: f.newDevice}},
	)
}

// measureFleet makes a fleet, measures every row on it, and looks whether the counts are still right.
func (b *bench) measureFleet(ctx context.Context, engine string, size int) (err error) {
	began := time.Now()
	f, err := b.newFleet(ctx, engine, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close(), os.RemoveAll(f.data)) }()
	err = f.seed(ctx, size)
	if err != nil {
		return err
	}
	bytes, err := f.size(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s with %d devices is made, after %s: %.1f kB of disk for each\n", engine, size,
		time.Since(began).Round(time.Second), float64(bytes)/1000/float64(size))
	err = b.measureRows(ctx, f, size)
	if err != nil {
		return err
	}
	err = f.checkCounts(ctx, int64(size))
	if err != nil || b.profile != "" {
		return err
	}
	return b.measureBare(ctx, f, size)
}

// leastSpent is how many milliseconds a row must have taken to be believed: the clock ticks every ten.
const leastSpent = 300

func (b *bench) measureRows(ctx context.Context, f *fleet, size int) (err error) {
	c, err := f.serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	err = f.walk(ctx, c.Addr)
	if err != nil {
		return err
	}
	for _, r := range f.rows() {
		if !b.options.rows.MatchString(r.name) {
			continue
		}
		out, err := b.measure(ctx, c, f.meter(c), r)
		if err != nil {
			return err
		}
		out.Engine, out.Devices = f.engine, size
		if out.Millis*float64(out.Requests) >= leastSpent {
			b.add(out)
		}
	}
	if !b.options.rows.MatchString("judging") {
		return nil
	}
	return b.measureRejudging(ctx, f, c, size)
}

// any picks a device; all are equally likely.
func (f *fleet) any(c *caller) int { return c.rng.IntN(len(f.agents)) }

// device appends the head of an agent's request up to its end.
func (f *fleet) device(buf []byte, method string, i int, path string, length int) []byte {
	a := &f.agents[i]
	buf = append(buf, method...)
	buf = append(buf, " /api/v2/accounts/"...)
	buf = append(buf, f.account.LicenseKey...)
	buf = append(buf, "/devices/"...)
	buf = append(buf, a.id...)
	buf = append(buf, path...)
	buf = append(buf, " HTTP/1.1\r\nHost: bench\r\nUser-Agent: muster-agent/1.0.0\r\nGears-Access-Key: "...)
	buf = append(buf, a.key...)
	buf = append(buf, "\r\nGears-Access-Token: "...)
	buf = append(buf, a.token...)
	return appendLength(buf, "application/json", length)
}

// appendLength ends a head.
func appendLength(buf []byte, kind string, length int) []byte {
	buf = append(buf, "\r\nContent-Type: "...)
	buf = append(buf, kind...)
	buf = append(buf, "\r\nContent-Length: "...)
	buf = strconv.AppendInt(buf, int64(length), 10)
	return append(buf, "\r\n\r\n"...)
}

func (f *fleet) pingOf(buf []byte, i int) []byte {
	return append(f.device(buf, "POST", i, "/ping", 2), "{}"...)
}

func (f *fleet) ping(buf []byte, c *caller) []byte { return f.pingOf(buf, f.any(c)) }

func (f *fleet) pingInTurn(buf []byte, c *caller) []byte {
	return f.pingOf(buf, int(c.seq.Add(1)-1)%len(f.agents))
}

// report appends the report of a device with a variant's content and the version of one package.
func (f *fleet) report(buf []byte, i int, version int64, kind int) []byte {
	t := &f.bodies.variants[kind%len(f.bodies.variants)]
	return t.appendTo(f.device(buf, "PUT", i, "/report/health", len(t.text)), i, version)
}

func (f *fleet) unchangedReport(buf []byte, c *caller) []byte {
	i := f.any(c)
	return f.report(buf, i, 0, i)
}

// releases are how many versions there are of the package that changed reports upgrade.
const releases = 100

// changedReport upgrades a package. One in eight brings other faults too, and so mostly another status, with an event
// and changed counts.
func (f *fleet) changedReport(buf []byte, c *caller) []byte {
	i, n := f.any(c), c.seq.Add(1)
	version := 1 + n%releases
	kind := i
	if n%8 == 0 {
		kind = c.rng.IntN(len(f.bodies.variants))
	}
	return f.report(buf, i, version, kind)
}

func (f *fleet) ownStatus(buf []byte, c *caller) []byte {
	return f.device(buf, "GET", f.any(c), "/policy_check", 0)
}

// changedStatus has each device in turn become compliant or cease to be, all over the fleet.
func (f *fleet) changedStatus(buf []byte, c *caller) []byte {
	const stride = 7919 // a prime that divides no size of a fleet
	f.changing.CompareAndSwap(0, time.Now().Unix())
	n := int(c.seq.Add(1))
	i, round := n*stride%len(f.agents), n/len(f.agents)
	kind := laptop
	if (i%len(f.bodies.variants) == faultyLaptop) == (round%2 == 1) {
		kind = faultyLaptop
	}
	return f.report(buf, i, int64(releases+1+round), kind)
}

// register appends the registration of a machine.
func (f *fleet) register(buf []byte, i int) []byte {
	t := &f.bodies.registration
	buf = append(buf, "POST /api/v2/accounts/devices/registration_code HTTP/1.1\r\nHost: bench\r\nGears-Auth: "...)
	buf = append(buf, f.account.RegistrationCode...)
	return t.appendTo(appendLength(buf, "application/json", len(t.text)), i, 0)
}

func (f *fleet) newDevice(buf []byte, c *caller) []byte {
	return f.register(buf, len(f.agents)+int(c.seq.Add(1)))
}

// api appends a whole request of an OAuth client.
func (f *fleet) api(buf []byte, path, body string) []byte {
	buf = append(buf, "POST /o/api/"...)
	buf = append(buf, path...)
	buf = append(buf, " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer "...)
	buf = append(buf, f.token...)
	return append(appendLength(buf, "application/json", len(body)), body...)
}

func (f *fleet) accountDetails(buf []byte, _ *caller) []byte {
	return f.api(buf, "v3.2/account", `{"score_type":"cvss3_score"}`)
}

// link appends a request that gives a device one of a thousand users.
func (f *fleet) link(buf []byte, c *caller, device string) []byte {
	n := strconv.Itoa(c.rng.IntN(1000))
	return f.api(buf, "v2/devices/"+device+"/link_user", `{"username":"user`+n+`","group":"staff"}`)
}

func (f *fleet) linkByMAC(buf []byte, c *caller) []byte {
	var mac [17]byte
	copy(mac[:], markMAC)
	putMAC(mac[:], f.any(c), 0)
	return f.link(buf, c, string(mac[:]))
}

func (f *fleet) linkByID(buf []byte, c *caller) []byte { return f.link(buf, c, f.agents[f.any(c)].id) }

func (f *fleet) issueToken(buf []byte, _ *caller) []byte {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {f.app.ClientID}, "client_secret": {f.secret}}.Encode()
	buf = append(buf, "POST /o/oauth/token HTTP/1.1\r\nHost: bench"...)
	return append(appendLength(buf, "application/x-www-form-urlencoded", len(form)), form...)
}
