package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// pageSize is the largest page that the calls give.
const pageSize = 50

var (
	oneDevice = []byte(`"device_id":"`)
	oneHWID   = []byte(`"hwid":"`)
)

// deviceRows are the calls about one device.
func (f *fleet) deviceRows(budget float64) []row {
	return []row{
		{name: "device details v3.8, by id", budget: budget, op: operation{want: oneDevice, times: 1, render: f.detailsByID}},
		{name: "device details v2.1, by MAC", budget: budget, op: operation{want: oneHWID, times: 1, render: f.detailsByMAC}},
		{name: "policy check v2, by MAC", budget: budget, op: operation{want: []byte(`"status":`), render: f.policyCheck}},
		{name: "search v2.1, a host name", op: operation{want: oneHWID, times: 1, render: f.searchOne}},
		{name: "search v2.1, what 100 host names begin with", op: operation{want: oneHWID, times: pageSize, render: f.searchHundred}},
	}
}

// listRows are the lists of devices.
func (f *fleet) listRows(budget float64) []row {
	size, pages := len(f.agents), len(f.agents)/pageSize
	list := func(name, path, body string) row {
		return row{name: name, budget: budget, op: operation{want: oneDevice, times: pageSize, render: f.fixed(path, body)}}
	}
	page := func(n int) string { return fmt.Sprintf(`{"limit":%d,"page":%d}`, pageSize, n) }
	filtered := func(name, filter string) row {
		return list("list v3.7 filtered, "+name, "v3.7/devices", fmt.Sprintf(`{"limit":%d,"filter":%s}`, pageSize, filter))
	}
	rows := []row{
		list("list by cursor v3.7, first page", "v3.7/devices", fmt.Sprintf(`{"limit":%d}`, pageSize)),
		{name: "list by cursor v3.7, any page", budget: budget, op: operation{want: oneDevice, times: pageSize, render: f.anyPage}},
		list("list by cursor v3.7, last page", "v3.7/devices", f.cursorBody(pages-1)),
		list("list by page v3.3, first page", "v3.3/devices", page(1)),
		list("list by page v3.3, the middle", "v3.3/devices", page(pages/2)),
		list("list by page v3.3, last page", "v3.3/devices", page(pages)),
		{name: "list by page v3.3, a jump to the middle", walk: true, op: operation{want: oneDevice, limit: jumps, render: f.jump}},
		filtered("a status", `{"device_status":["non_compliant"]}`),
		filtered("system, type and status", `{"os":["linux"],"device_type":["laptop"],"device_status":["compliant"]}`),
		filtered("severity and category", `{"severity":["warning"],"category":["firewall"]}`),
		filtered("a product", `{"product_ids":[`+f.product+`]}`),
		filtered("a CVE", `{"cve_ids":["`+f.cve+`"]}`),
	}
	// What no index serves has no budget: every device is looked at, for nothing.
	scans := int64(max(16, min(2000, 2_000_000/size)))
	for _, r := range []row{
		filtered("agents that are silent, and none is", `{"agent_status":["disconnected"]}`),
		filtered("a type and a category that never meet", `{"device_type":["server"],"category":["user_authentication"]}`),
	} {
		r.op.want, r.op.times, r.op.limit, r.walk, r.budget = []byte(`"devices":[]`), 0, scans, true, 0
		rows = append(rows, r)
	}
	return rows
}

// fixed makes the same request each time.
func (f *fleet) fixed(path, body string) func([]byte, *caller) []byte {
	request := f.api(nil, path, body)
	return func(buf []byte, c *caller) []byte {
		c.seq.Add(1)
		return append(buf, request...)
	}
}

func (f *fleet) cursorBody(page int) string {
	if page >= len(f.cursors) {
		return "{}" // nobody walked: the row is not wanted
	}
	return fmt.Sprintf(`{"limit":%d,"token":%q}`, pageSize, f.cursors[page])
}

func (f *fleet) anyPage(buf []byte, c *caller) []byte {
	return f.api(buf, "v3.7/devices", f.cursorBody(c.rng.IntN(len(f.cursors))))
}

// jumps are how many pages in the middle can be asked for that the server does not know yet: it remembers the pages of one
// size, of which there are so many.
const jumps = pageSize - 1

func (f *fleet) jump(buf []byte, c *caller) []byte {
	limit := int(c.seq.Add(1)-1)%jumps + 1
	return f.api(buf, "v3.3/devices", fmt.Sprintf(`{"limit":%d,"page":%d}`, limit, len(f.agents)/2/limit))
}

func (f *fleet) detailsByID(buf []byte, c *caller) []byte {
	return f.api(buf, "v3.8/devices/detail", `{"ids":["`+f.agents[f.any(c)].id+`"]}`)
}

func (f *fleet) detailsByMAC(buf []byte, c *caller) []byte {
	return f.get(buf, "v2.1/devices/"+macText(f.any(c), 0)+"?opt=1")
}

func (f *fleet) policyCheck(buf []byte, c *caller) []byte {
	return f.get(buf, "v2/devices/"+macText(f.any(c), 0)+"/policy_check?opt=0")
}

func (f *fleet) searchOne(buf []byte, c *caller) []byte {
	return f.get(buf, "v2.1/devices/search?in=hostname&limit=50&q="+hostName(f.any(c)))
}

func (f *fleet) searchHundred(buf []byte, c *caller) []byte {
	name := hostName(f.any(c))
	return f.get(buf, "v2.1/devices/search?in=hostname&limit=50&q="+name[:len(name)-2])
}

func (f *fleet) statusChanges(buf []byte, _ *caller) []byte {
	age := max(time.Now().Unix()-f.changing.Load(), 1)
	return f.api(buf, "v3/devices/status_changed", fmt.Sprintf(`{"age":%d,"limit":%d}`, age, pageSize))
}

// get appends a whole request of an OAuth client that has no body.
func (f *fleet) get(buf []byte, path string) []byte {
	buf = append(buf, "GET /o/api/"...)
	buf = append(buf, path...)
	buf = append(buf, " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer "...)
	buf = append(buf, f.token...)
	return append(buf, "\r\n\r\n"...)
}

// walk reads the list of all devices from its first page to its last, and keeps where the pages begin. Every device must
// be there once.
func (f *fleet) walk(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // everything was answered
	answers := bufio.NewReaderSize(conn, 64<<10)
	f.cursors = f.cursors[:0]
	seen := 0
	var request, body []byte
	var next struct {
		Next string `json:"next_token"`
	}
	for ctx.Err() == nil {
		f.cursors = append(f.cursors, next.Next)
		request = f.api(request[:0], "v3.7/devices", f.cursorBody(len(f.cursors)-1))
		body, err = exchange(conn, answers, request, body[:0])
		if err != nil {
			return err
		}
		head, _, _ := bytes.Cut(body, []byte(`,"devices"`))
		err = json.Unmarshal(append(bytes.Clone(head), '}'), &next)
		if err != nil {
			return err
		}
		seen += bytes.Count(body, oneDevice)
		if next.Next == "" {
			break
		}
	}
	if seen != len(f.agents) {
		return fmt.Errorf("the list of all devices has %d, in place of %d", seen, len(f.agents))
	}
	return ctx.Err()
}

// findShared finds out what the product and the vulnerability are called that every other machine has: see variant.
func (f *fleet) findShared(ctx context.Context) (err error) {
	db, err := f.openSQL(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var id int64
	err = db.QueryRowContext(ctx, f.rebind("SELECT id FROM products WHERE account_id = ? AND name = ?"), f.account.ID, "libwebp7").Scan(&id)
	if err != nil {
		return fmt.Errorf("looking for a product: %w", err)
	}
	f.product = strconv.FormatInt(id, 10)
	err = db.QueryRowContext(ctx, f.rebind("SELECT cve FROM vulnerabilities WHERE account_id = ? AND devices * 2 = CAST(? AS BIGINT) LIMIT 1"),
		f.account.ID, len(f.agents)).Scan(&f.cve)
	if err != nil {
		err = fmt.Errorf("looking for a vulnerability of every other machine: %w", err)
	}
	return err
}
