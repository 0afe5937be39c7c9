package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"muster/client"
)

// ids collects what a walk yields, and its error, which must come once and last.
func ids[T any](t *testing.T, walk iter.Seq2[T, error], id func(T) string) (out []string, failed error) {
	t.Helper()
	for item, err := range walk {
		if failed != nil {
			t.Fatal("the walk goes on after its error")
		}
		if err != nil {
			failed = err
			continue
		}
		out = append(out, id(item))
	}
	return out, failed
}

// pages answers with pages of numbered groups, and notes which were asked for. Of an empty list page 1 is there.
type pages struct {
	total  int
	past   func(w http.ResponseWriter) // answers a page past the end
	asked  []string                    // page/limit
	broken int                         // a page that fails; 0 is none
}

func (p *pages) serve(w http.ResponseWriter, r *http.Request) {
	var q struct{ Page, Limit int }
	body, _ := io.ReadAll(r.Body)
	json.Unmarshal(body, &q)
	p.asked = append(p.asked, fmt.Sprintf("%d/%d", q.Page, q.Limit))
	from, to := (q.Page-1)*q.Limit, min(q.Page*q.Limit, p.total)
	switch {
	case q.Page == p.broken:
		fail(w, 500, "server_error", "broken")
	case from >= p.total && q.Page > 1:
		p.past(w)
	default:
		list := []map[string]string{}
		for i := from; i < to; i++ {
			list = append(list, map[string]string{"group_id": strconv.Itoa(i)})
		}
		writeJSON(w, 200, list)
	}
}

func pastEnd(w http.ResponseWriter)   { fail(w, 413, "payload_too_large", "There is no such page") }
func emptyList(w http.ResponseWriter) { writeJSON(w, 200, []string{}) }

func groupID(g client.Group) string { return string(g.ID) }

func numbersTo(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, strconv.Itoa(i))
	}
	return out
}

func TestWalksOfPages(t *testing.T) {
	for _, c := range []struct {
		name  string
		pages pages
		query client.GroupsQuery
		want  []string
		asked []string
		fails bool
	}{
		{"none", pages{total: 0, past: pastEnd}, client.GroupsQuery{}, nil, []string{"1/50"}, false},
		{"less than a page", pages{total: 3, past: pastEnd}, client.GroupsQuery{}, numbersTo(0, 3), []string{"1/50"}, false},
		{"full pages, then 413", pages{total: 100, past: pastEnd}, client.GroupsQuery{}, numbersTo(0, 100), []string{"1/50", "2/50", "3/50"}, false},
		{"full pages, then an empty one", pages{total: 4, past: emptyList}, client.GroupsQuery{Limit: 2}, numbersTo(0, 4), []string{"1/2", "2/2", "3/2"}, false},
		{"a last page that is not full", pages{total: 5, past: pastEnd}, client.GroupsQuery{Limit: 2}, numbersTo(0, 5), []string{"1/2", "2/2", "3/2"}, false},
		{"from page 2", pages{total: 5, past: pastEnd}, client.GroupsQuery{Limit: 2, Page: 2}, numbersTo(2, 5), []string{"2/2", "3/2"}, false},
		{"from past the end", pages{total: 5, past: pastEnd}, client.GroupsQuery{Limit: 2, Page: 9}, nil, []string{"9/2"}, true},
		{"broken", pages{total: 9, broken: 2, past: pastEnd}, client.GroupsQuery{Limit: 2}, numbersTo(0, 2), []string{"1/2", "2/2"}, true},
	} {
		c1 := c.pages
		s := newServer(t, c1.serve)
		got, err := ids(t, s.client(client.Options{}).AllGroups(t.Context(), c.query), groupID)
		if !slices.Equal(got, c.want) || !slices.Equal(c1.asked, c.asked) || (err != nil) != c.fails {
			t.Errorf("%s: %v, error %v, after %v; want %v after %v", c.name, got, err, c1.asked, c.want, c.asked)
		}
	}
}

// TestWalkStops: no page is fetched that the consumer does not come to, and a walk can be had again.
func TestWalkStops(t *testing.T) {
	p := pages{total: 100, past: pastEnd}
	s := newServer(t, p.serve)
	walk := s.client(client.Options{}).AllGroups(t.Context(), client.GroupsQuery{Limit: 2})
	for range 2 {
		n := 0
		for range walk {
			n++
			if n == 3 {
				break
			}
		}
	}
	if want := []string{"1/2", "2/2", "1/2", "2/2"}; !slices.Equal(p.asked, want) {
		t.Errorf("asked for %v, want %v", p.asked, want)
	}
}

// positions answers with a page for each position.
func positions(pages map[string]string, asked *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Token *string
			Limit int
		}
		body, _ := io.ReadAll(r.Body)
		if json.Unmarshal(body, &q) != nil || q.Token == nil {
			fail(w, 400, "invalid_request", "no token")
			return
		}
		*asked = append(*asked, fmt.Sprintf("%s/%d", *q.Token, q.Limit))
		if text, ok := pages[*q.Token]; ok {
			answer(text)(w, r)
			return
		}
		pastEnd(w)
	}
}

func TestWalksOfPositions(t *testing.T) {
	devices := func(s *server, ctx context.Context) ([]string, error) {
		return ids(t, s.client(client.Options{}).AllDevices(ctx, client.DevicesQuery{}), func(d client.Device) string { return d.ID })
	}
	logs := func(s *server, ctx context.Context) ([]string, error) {
		return ids(t, s.client(client.Options{}).AllLogs(ctx, client.LogsQuery{}), func(l client.Log) string { return l.Event })
	}
	for _, c := range []struct {
		name  string
		walk  func(*server, context.Context) ([]string, error)
		pages map[string]string
		want  string
		asked string
		fails bool
	}{
		{"devices", devices, map[string]string{
			"": `{"devices":[{"device_id":"a"},{"device_id":"b"}],"next_token":"x"}`, "x": `{"devices":[],"next_token":"y"}`, "y": `{"devices":[{"device_id":"c"}],"next_token":""}`,
		}, "a b c", "/50 x/50 y/50", false},
		{"devices that never end", devices, map[string]string{
			"": `{"devices":[{"device_id":"a"}],"next_token":"x"}`, "x": `{"devices":[{"device_id":"b"}],"next_token":"x"}`,
		}, "a b", "/50 x/50", true},
		{"an old position", devices, map[string]string{}, "", "/50", true},
		{"logs", logs, map[string]string{
			"": `{"data":[{"event":"a"}],"token":"x"}`, "x": `{"data":[{"event":"b"}],"token":"y"}`, "y": `{"data":[],"token":"y"}`,
		}, "a b", "/100 x/100 y/100", false},
		{"logs with 413", logs, map[string]string{"": `{"data":[{"event":"a"}],"token":"x"}`}, "a", "/100 x/100", false},
	} {
		var asked []string
		got, err := c.walk(newServer(t, positions(c.pages, &asked)), t.Context())
		if strings.Join(got, " ") != c.want || strings.Join(asked, " ") != c.asked || (err != nil) != c.fails {
			t.Errorf("%s: %v, error %v, after %v", c.name, got, err, asked)
		}
	}
}

// TestWalksOfTheOthers: each walk asks for the largest pages of its call, and goes on to the second.
func TestWalksOfTheOthers(t *testing.T) {
	count := func(walk iter.Seq2[string, error]) int {
		n := 0
		for _, err := range walk {
			if err != nil {
				return -1
			}
			n++
		}
		return n
	}
	for _, c := range []struct {
		name, item, wrap string // %s in wrap is the list
		limit            int
		walk             func(context.Context, *client.Client) iter.Seq2[string, error]
	}{
		{"apps", `{"name":"a"}`, `%s`, 50, walkOf((*client.Client).AllApps, client.AppsQuery{})},
		{"vulnerabilities", `"CVE"`, `%s`, 50, walkOf((*client.Client).AllVulnerabilities, client.VulnerabilitiesQuery{})},
		{"vulnerabilities of a device", `"CVE"`, `%s`, 100, walkOf((*client.Client).AllDeviceVulnerabilities, client.DeviceVulnerabilitiesQuery{Device: "d"})},
		{"activities", `{"action":"a"}`, `%s`, 50, walkOf((*client.Client).AllActivities, client.ActivitiesQuery{})},
		{"found", `{"hwid":"a"}`, `{"total_count":1,"results":%s}`, 50, walkOf((*client.Client).AllFound, client.SearchQuery{Text: "abc"})},
	} {
		s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			q := struct{ Page, Limit int }{}
			body, _ := io.ReadAll(r.Body)
			json.Unmarshal(body, &q)
			if r.Method == "GET" {
				q.Page, _ = strconv.Atoi(r.FormValue("page"))
				q.Limit, _ = strconv.Atoi(r.FormValue("limit"))
			}
			if q.Limit != c.limit || q.Page < 1 {
				fail(w, 400, "invalid_request", "limit")
				return
			}
			n := map[int]int{1: c.limit, 2: 1}[q.Page]
			answer(fmt.Sprintf(c.wrap, "["+strings.TrimSuffix(strings.Repeat(c.item+",", n), ",")+"]"))(w, r)
		})
		if n := count(c.walk(t.Context(), s.client(client.Options{}))); n != c.limit+1 {
			t.Errorf("%s: %d entries, want %d", c.name, n, c.limit+1)
		}
		if _, calls := s.counts(); calls != 2 {
			t.Errorf("%s: %d calls", c.name, calls)
		}
	}
}

// TestWalkOfChanges: a short page is not the last; an empty one is, and none is.
func TestWalkOfChanges(t *testing.T) {
	two := `{"monitored_devices":[{"device_id":"a"}],"deleted_devices":[{"device_id":"b"}]}`
	one := `{"monitored_devices":[{"device_id":"c"}],"deleted_devices":[]}`
	none := `{"monitored_devices":[],"deleted_devices":[]}`
	for _, c := range []struct {
		name  string
		steps []http.HandlerFunc
		want  string
		fails bool
	}{
		{"413", []http.HandlerFunc{answer(one), answer(two), refuse(413)}, "c a b", false},
		{"an empty page", []http.HandlerFunc{answer(two), answer(one), answer(none)}, "a b c", false},
		{"nothing", []http.HandlerFunc{answer(none)}, "", false},
		{"413 at once", []http.HandlerFunc{refuse(413)}, "", true},
	} {
		var asked []string
		serve := script(t, c.steps...)
		s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = append(asked, string(body))
			serve(w, r)
		})
		got, err := ids(t, s.client(client.Options{}).AllChanges(t.Context(), client.ChangesQuery{}), func(d client.Change) string { return d.ID })
		if strings.Join(got, " ") != c.want || (err != nil) != c.fails || len(asked) != len(c.steps) {
			t.Errorf("%s: %v, error %v, after %d calls", c.name, got, err, len(asked))
		}
		for i, body := range asked {
			if want := fmt.Sprintf(`{"page":%d,"limit":50}`, i+1); body != want {
				t.Errorf("%s: call %d is %s, want %s", c.name, i+1, body, want)
			}
		}
	}
}

// walkOf forgets what a walk is of.
func walkOf[Q, T any](method func(*client.Client, context.Context, Q) iter.Seq2[T, error], q Q) func(context.Context, *client.Client) iter.Seq2[string, error] {
	return func(ctx context.Context, c *client.Client) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for item, err := range method(c, ctx, q) {
				if !yield(fmt.Sprint(item), err) {
					return
				}
			}
		}
	}
}

func TestWalkOfThreats(t *testing.T) {
	two := `{"antimalware_scan":[{"file":"a"}],"local_antimalware_threats":[{"file":"b"}]}`
	one := `{"antimalware_scan":[{"file":"c"}],"local_antimalware_threats":[]}`
	for _, c := range []struct {
		name  string
		steps []http.HandlerFunc
		want  int
	}{
		{"a page that is not full", []http.HandlerFunc{answer(two), answer(one)}, 3},
		{"413", []http.HandlerFunc{answer(two), refuse(413)}, 2},
		{"empty", []http.HandlerFunc{answer(`{}`)}, 0},
	} {
		n := 0
		for page, err := range newServer(t, script(t, c.steps...)).client(client.Options{}).AllThreats(t.Context(), client.ThreatsQuery{Device: "d", Limit: 2}) {
			check(t, err)
			n += len(page.Scan) + len(page.Local)
		}
		if n != c.want {
			t.Errorf("%s: %d threats", c.name, n)
		}
	}
}

// TestDetailsOfMany: any number of devices is asked for in calls of at most 50.
func TestDetailsOfMany(t *testing.T) {
	var sizes []int
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		var q struct{ IDs []string }
		body, _ := io.ReadAll(r.Body)
		json.Unmarshal(body, &q)
		sizes = append(sizes, len(q.IDs))
		list := []map[string]string{}
		for _, id := range q.IDs {
			list = append(list, map[string]string{"device_id": id})
		}
		writeJSON(w, 200, list)
	})
	all := numbersTo(0, 120)
	got, err := ids(t, s.client(client.Options{}).AllDeviceDetails(t.Context(), client.DetailsQuery{IDs: all}), func(d client.DeviceDetail) string { return d.ID })
	if err != nil || !slices.Equal(got, all) || !slices.Equal(sizes, []int{50, 50, 20}) {
		t.Errorf("%d devices in %v: %v", len(got), sizes, err)
	}
}
