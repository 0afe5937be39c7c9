package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/client"
	"muster/internal/device"
	"muster/tools/fleet"
)

// walk reads a list from its beginning to its end, and gives what tells its entries apart, in the order of the list.
type walk func(w *town) []string

// byPage asks for one page after the other until 413 or a page that is not full.
func byPage(method, path, body string, limit int, entries func(*town, string) []string) walk {
	return func(w *town) (out []string) {
		for page := 1; page < 2000; page++ {
			p, b := path, ""
			if method == "GET" {
				p += fmt.Sprintf("&limit=%d&page=%d", limit, page)
			} else {
				b = strings.Replace(body, "{", fmt.Sprintf(`{"limit":%d,"page":%d,`, limit, page), 1)
			}
			r := w.p.call(method, "/o/api/"+p, bearer(w.token), strings.Replace(b, ",}", "}", 1))
			if r.status == 413 && page > 1 {
				return out
			}
			got := entries(w, r.want(200).body)
			if len(got) == 0 {
				return out
			}
			out = append(out, got...)
		}
		w.t.Errorf("%s does not end", path)
		return out
	}
}

// byCursor asks with what the last answer gave, until there is no more.
func byCursor(path, body, cursor, list string, limit int, key func(object) string) walk {
	return func(w *town) (out []string) {
		next := ""
		for range 2000 {
			r := w.p.call("POST", "/o/api/"+path, bearer(w.token), fmt.Sprintf(`{"limit":%d,"token":%q%s}`, limit, next, body))
			if r.status == 413 {
				return out
			}
			answer := r.want(200).object()
			for _, o := range answer[list].([]any) {
				out = append(out, key(o.(object)))
			}
			next, _ = answer[cursor].(string)
			if next == "" || len(answer[list].([]any)) == 0 {
				return out
			}
		}
		w.t.Errorf("%s does not end", path)
		return out
	}
}

// under reads the lists that members of an answer hold; "" is the answer itself.
func under(members string, key func(object) string) func(*town, string) []string {
	return func(w *town, body string) (out []string) {
		w.t.Helper()
		var lists [][]object
		if members == "" {
			lists = [][]object{decode[[]object](w.t, body)}
		}
		for _, name := range words(members) {
			lists = append(lists, decode[[]object](w.t, string(decode[map[string]json.RawMessage](w.t, body)[name])))
		}
		for _, list := range lists {
			for _, o := range list {
				out = append(out, key(o))
			}
		}
		return out
	}
}

// named tells entries apart by some of their members.
func named(members string) func(object) string {
	return func(o object) string {
		var out strings.Builder
		for _, m := range words(members) {
			fmt.Fprint(&out, o[m], "|")
		}
		return out.String()
	}
}

// lists are all that have pages.
func (w *town) lists() map[string]walk {
	id, logged := named("device_id"), named("timestamp event device_id details")
	most := slices.MaxFunc(w.seen, func(a, b client.Device) int { return cmp.Compare(a.Vulnerabilities.Total, b.Vulnerabilities.Total) })
	return map[string]walk{
		"devices v2":            byPage("GET", "v2.3/devices?GroupBy=hwid&order=des", "", 9, under("", named("hwid"))),
		"devices v3.3":          byPage("POST", "v3.3/devices", "{}", 7, under("", id)),
		"devices v3.3 filtered": byPage("POST", "v3.3/devices", `{"filter":{"os":["windows","linux"]}}`, 7, under("", id)),
		"devices v3.7":          byCursor("v3.7/devices", "", "next_token", "devices", 7, id),
		"devices v3.7 filtered": byCursor("v3.7/devices", `,"filter":{"device_type":["desktop","server","vm"]}`, "next_token", "devices", 7, id),
		"search":                byPage("GET", "v2.1/devices/search?q=lab&in=all", "", 3, under("results", named("hwid"))),
		"changes":               byPage("POST", "v3/devices/status_changed", `{"age":7200}`, 9, under("monitored_devices deleted_devices", id)),
		"logs v3":               byPage("POST", "v3/logs", `{"age":7200}`, 20, under("logs", logged)),
		"logs v3.3":             byCursor("v3.3/logs", `,"age":7200,"event_category":"device"`, "token", "data", 20, logged),
		"groups":                byPage("POST", "v3/groups", "{}", 3, under("", named("group_id"))),
		"apps":                  byPage("POST", "v3/apps", "{}", 40, under("", named("product_id version"))),
		"cves":                  byPage("POST", "v3.2/cves", "{}", 4, under("", named("cve_id"))),
		"cves of a device":      byPage("POST", "v3.2/get_cves", fmt.Sprintf(`{"id":%q}`, most.ID), 1, under("", named("cve_id"))),
		"activities":            byPage("POST", "v3/activities", "{}", 2, under("", named("timestamp app_name"))),
	}
}

// walksUnderWrites: while devices come, report and go, a walk sees everything that was there throughout exactly once.
func walksUnderWrites(w *town) {
	svc, account := w.p.beside()
	for i := range 11 {
		name := fmt.Sprintf("Group %02d", i)
		_, err := svc.CreateGroup(w.t.Context(), account, device.GroupChange{Name: &name}, "test")
		w.ok(err)
		w.ok(svc.RecordActivity(w.t.Context(), account, device.Activity{Action: device.AccessAllowed, AppName: name}))
	}
	lists := w.lists()
	there := map[string][]string{}
	for name, read := range lists {
		there[name] = read(w)
		if len(there[name]) < 5 && name != "cves of a device" {
			w.t.Errorf("%s: only %d entries", name, len(there[name]))
		}
	}
	ctx, stop := context.WithCancel(w.t.Context())
	var writers sync.WaitGroup
	var written [3]atomic.Int64
	for i, write := range []func(n int){
		w.comeAndGo,
		w.reportAnew,
		func(n int) {
			name := fmt.Sprintf("group %02d and %d", n%20, n)
			g, err := svc.CreateGroup(ctx, account, device.GroupChange{Name: &name}, "test")
			if err == nil && (n%3 > 0 || n > 200) {
				err = svc.DeleteGroup(ctx, account, g.ID, nil, "test")
			}
			if err == nil && n < 300 {
				err = svc.RecordActivity(ctx, account, device.Activity{Action: device.AccessBlocked, AppName: name})
			}
			if err != nil && ctx.Err() == nil {
				w.t.Error(err)
			}
		},
	} {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				write(n)
				written[i].Add(1)
			}
		})
	}
	for name, read := range lists {
		// A walk that nobody wrote into shows nothing: another, then.
		before, deadline := written[0].Load()+written[1].Load(), time.Now().Add(10*time.Second)
		for first := true; first || written[0].Load()+written[1].Load() < before+3 && time.Now().Before(deadline); first = false {
			once(w, name, there[name], read(w))
		}
	}
	stop()
	writers.Wait()
	for i := range written {
		if written[i].Load() < 10 {
			w.t.Errorf("writer %d wrote %d times", i, written[i].Load())
		}
	}
	countsAgree(w)
}

// once fails unless a walk saw each of some entries exactly once, and no other twice.
func once(w *town, name string, there, got []string) {
	w.t.Helper()
	// What happened to a device twice within a second looks the same in some lists.
	times, want := map[string]int{}, map[string]int{}
	for _, key := range there {
		want[key]++
	}
	for _, key := range got {
		times[key]++
		if times[key] == max(1, want[key])+1 {
			w.t.Errorf("%s: %s is there once too often", name, key)
		}
	}
	for key, n := range want {
		if times[key] < n {
			w.t.Errorf("%s: %s is missing", name, key)
		}
	}
}

// comeAndGo enrols a machine with products of its own, some of them vulnerable, and deletes it again; a few stay.
func (w *town) comeAndGo(n int) {
	h := &household{machine: fmt.Sprintf("lab-passer-%d", n), mac: fmt.Sprintf("00:0c:29:77:%02x:%02x", n>>8, n&255)}
	a := w.p.register(w.code, registration(h.mac))
	old := [][2]string{{"7-Zip", "24.07"}, {"FileZilla Client", "3.66.5"}, {"PuTTY release", "0.78"}, {"WinRAR", "6.22"}}[n%4]
	a.report(furnished(h, fmt.Sprintf("passing-%d", n%7), old[0], old[1], "KB5000001")).want(200)
	if n%5 > 0 {
		w.p.call("POST", fmt.Sprintf("/o/api/v2.2/devices/%s/delete?opt=%d", a.ID, n%3), bearer(w.token), "").want(200)
	}
}

// reportAnew has a machine that stays report something else: whether its owner has a password.
func (w *town) reportAnew(n int) {
	agents := make([]*fleet.Agent, 0, len(w.seen))
	for i := range w.seen {
		if a := w.agents[w.seen[i].ID]; a != nil {
			agents = append(agents, a)
		}
	}
	a := agents[n%len(agents)]
	if n < 2*len(agents) { // more, and a fast machine has the same change twice within a second
		a.Machine.Health.PasswordSet = !a.Machine.Health.PasswordSet
	}
	err := a.Report(w.t.Context())
	if err != nil {
		w.t.Error(err)
	}
}
