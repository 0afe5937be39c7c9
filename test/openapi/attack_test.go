package openapi

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/internal/testpg"
	"muster/internal/web"
	"muster/tools/fleet"
)

// onSites runs a test on a site of each engine, and sees that nothing was logged as an error.
func onSites(t *testing.T, test func(t *testing.T, s *site)) {
	for name, database := range map[string]func(testing.TB) string{
		"sqlite": func(testing.TB) string { return "" }, "postgres": testpg.Database,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, database(t), slog.LevelError)
			test(t, s)
			if text := s.log.take(); text != "" {
				t.Error(text)
			}
		})
	}
}

// ask makes a call as a program that may write, and sees that the answer is as described, and no failure.
func (s *site) ask(t *testing.T, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.writer.token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code >= 500 {
		t.Errorf("%s %s with %s: %d %s", method, target, clip([]byte(body)), w.Code, w.Body)
	}
	Load(t).CheckExchange(t, r, []byte(body), w.Code, w.Header(), w.Body.Bytes())
	return w
}

// read is ask for a call that has to work, and decodes its answer.
func read[T any](t *testing.T, s *site, method, target, body string) T {
	t.Helper()
	w := s.ask(t, method, target, body)
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s %s with %s: %d %s", method, target, body, w.Code, w.Body)
	}
	return v
}

// cursorPage is what lists with cursors answer.
type cursorPage struct {
	Next    string `json:"next_token"`
	Devices []struct {
		ID string `json:"device_id"`
	} `json:"devices"`
}

// oddPositions are no positions of any list, but that of another device may be one.
var oddPositions = []string{
	"\x00", "\xff\xfe", "'; --", strings.Repeat("0", 32), strings.Repeat("f", 32), strings.Repeat("f", 31) + "\x00",
	strings.Repeat("0", 32) + "\x00", strings.Repeat("0", 32) + "9223372036854775808", strings.Repeat("g", 32), strings.Repeat("0", 5000),
	"W10", "WyJzb2Z0d2FyZSIsMV0", "019b7d1a8808", "%", "019b7d1a8808" + strings.Repeat("0", 32),
}

// A cursor that somebody made leads nowhere else, whatever stands in it.
func TestMadeUpCursors(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		for _, position := range oddPositions {
			for mark, target := range map[string]string{"@devices": "/o/api/v3.7/devices", "@events": "/o/api/v3.2/logs"} {
				body := fmt.Sprintf(`{"event_category":"device","token":%q}`, forgeries[mark]([]byte(position)))
				w := s.ask(t, "POST", target, body)
				if good := len(position) == 32 && position[31] != 0 && position[0] != 'g'; good != (w.Code == http.StatusOK) || !good && w.Code != http.StatusBadRequest {
					t.Errorf("%s of %q: %d %s", mark, position, w.Code, w.Body)
				}
			}
		}
		first := read[cursorPage](t, s, "POST", "/o/api/v3.7/devices", `{"limit":2}`)
		w := s.ask(t, "POST", "/o/api/v3.7/devices", `{"limit":2,"filter":{"os":["linux"]},"token":"`+first.Next+`"}`)
		if w.Code != http.StatusBadRequest {
			t.Errorf("with another filter: %d %s", w.Code, w.Body)
		}
		again := read[cursorPage](t, s, "POST", "/o/api/v3.4/devices", `{"limit":2,"token":"`+first.Next+`"}`)
		if len(again.Devices) != 2 || again.Devices[0] == first.Devices[0] {
			t.Errorf("with the same filter: %+v after %+v", again, first)
		}
	})
}

// Values at the edge of what numbers and texts can be, in every call that has a body or a query.
func TestOddValues(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		for _, a := range seeds(t, apiRoutes(s.mux)) {
			rt := apiRoutes(s.mux)[a.route]
			w, r := httptest.NewRecorder(), a.request(rt, s.writer.token)
			s.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %s with %s: %d %s", r.Method, r.URL, a.body, w.Code, w.Body)
			}
			Load(t).CheckExchange(t, r, []byte(a.body), w.Code, w.Header(), w.Body.Bytes())
		}
	})
}

// The largest list of ids, and one more.
func TestManyLongIDs(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		for _, letter := range []string{"a", "ž", "%", "'"} {
			ids := slices.Repeat([]string{strings.Repeat(letter, 128)}, 50)
			for i := range ids {
				ids[i] = fmt.Sprint(i, string([]rune(ids[i])[3:]))
			}
			text, err := json.Marshal(ids)
			must(t, err)
			for _, target := range []string{"/o/api/v3.8/devices/detail", "/o/api/v3/device_info"} {
				if got := read[[]any](t, s, "POST", target, `{"opt":1,"ids":`+string(text)+`}`); len(got) != 0 {
					t.Errorf("%s finds %v", target, got)
				}
			}
			text, err = json.Marshal(append(ids, "x"))
			must(t, err)
			if w := s.ask(t, "POST", "/o/api/v3.8/devices/detail", `{"ids":`+string(text)+`}`); w.Code != http.StatusBadRequest {
				t.Errorf("51 ids: %d", w.Code)
			}
		}
	})
}

// No product has an id of 2 to the 48 or more. Such a one must not be taken for something of another kind that devices have.
func TestImpossibleProducts(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		type item struct {
			ID string `json:"product_id"`
		}
		products := read[[]item](t, s, "POST", "/o/api/v3/apps", `{"limit":50}`)
		found := 0
		for _, p := range products {
			for i, id := range []string{p.ID, added(t, p.ID, 1<<48), added(t, p.ID, 2<<48), added(t, p.ID, 1<<62)} {
				n := len(read[cursorPage](t, s, "POST", "/o/api/v3.7/devices", `{"filter":{"product_ids":[`+id+`]}}`).Devices)
				if i == 0 {
					found += n
				} else if n > 0 {
					t.Fatalf("%d devices have the product %s", n, id)
				}
			}
		}
		if found == 0 {
			t.Error("no device has any product")
		}
	})
}

func added(t *testing.T, id string, more int64) string {
	t.Helper()
	var n int64
	_, err := fmt.Sscan(id, &n)
	must(t, err)
	return fmt.Sprint(n + more)
}

// score_type is understood in versions that are older than it, and changes the words of their answers: they are described.
func TestEveryScoreTypeInEveryVersion(t *testing.T) {
	s := newSite(t, "", slog.LevelError)
	words := map[string]bool{}
	for _, version := range []string{"3", "3.1", "3.2"} {
		for _, by := range []string{"opswat_score", "cvss2_score", "cvss3_score"} {
			body := `{"limit":50,"verbose":1,"filter":{"score_type":"` + by + `"},"id":`
			for _, id := range s.ids[:6] {
				for _, path := range []string{"/cves", "/get_cves"} {
					for _, v := range read[[]struct{ Severity string }](t, s, "POST", "/o/api/v"+version+path, body+`"`+id+`"}`) {
						words[by+" "+v.Severity] = true
					}
				}
			}
		}
	}
	if len(words) < 5 {
		t.Errorf("the fleet shows only %v", words)
	}
}

// A token that may only read changes nothing, by whatever method and version.
func TestReaderChangesNothing(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		s.ids = s.ids[:6]
		limited := s.reader.token
		for _, rt := range apiRoutes(s.mux) {
			if rt.Scope != web.Write {
				continue
			}
			for _, body := range []string{`{"username":"x"}`, `{"HWID_list":["` + s.ids[0] + `"],"types":"unexempt"}`, `{"ids":["` + s.ids[0] + `"],"types":"delete"}`} {
				target := strings.ReplaceAll(rt.Path, "{value}", s.ids[0]) + "?types=exempt_all&opt=1"
				for _, headers := range [][]string{{"Authorization", "Bearer " + limited}, {"Authorization", "", "access_token", limited}, {"Authorization", "", "X-Query", limited}} {
					if headers[len(headers)-2] == "X-Query" {
						target += "&access_token=" + limited
					}
					if w := s.ask(t, rt.Method, target, body, headers...); w.Code != http.StatusForbidden {
						t.Errorf("%s %s: %d %s", rt.Method, target, w.Code, w.Body)
					}
				}
			}
		}
		for _, id := range s.ids {
			d, err := s.devices.Find(t.Context(), s.account.ID, device.SelectorOf(id))
			if err != nil || d.Exempted || d.Link.Username != "" || !d.Managed {
				t.Errorf("%s: %+v, %v", id, d, err)
			}
		}
	})
}

// HEAD is GET without a body; everything else that a path has no route for is told which methods it has.
func TestOtherMethods(t *testing.T) {
	s := newSite(t, "", slog.LevelError)
	for _, rt := range apiRoutes(s.mux) {
		target := strings.ReplaceAll(rt.Path, "{value}", s.ids[0])
		for _, method := range []string{"HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} {
			r := httptest.NewRequest(method, target, nil)
			r.Header.Set("Authorization", "Bearer "+s.writer.token)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			switch {
			case method == "HEAD" && w.Code < 500 && w.Code != http.StatusMethodNotAllowed:
			case w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), rt.Method):
				t.Errorf("%s %s: %d, Allow %q", method, target, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

// All versions of a call, and all its spellings, share one limit.
func TestSpellingsShareTheLimit(t *testing.T) {
	s := newSite(t, "", slog.LevelError)
	byName := make(map[string][]web.Route)
	for _, rt := range apiRoutes(s.mux) {
		byName[rt.Name] = append(byName[rt.Name], rt)
	}
	for name, routes := range byName {
		for i := range 14 {
			rt := routes[i%len(routes)]
			target := strings.ReplaceAll(rt.Path, "{value}", fmt.Sprint("x", i))
			w := s.ask(t, rt.Method, target, "", "Authorization", "Bearer "+s.reader.token)
			if limited := w.Code == http.StatusTooManyRequests; limited != (i >= 10 && rt.Scope == web.Read) {
				t.Errorf("%s: call %d is answered %d", name, i+1, w.Code)
			}
		}
	}
	// What a path is called says what is asked for: none of a call's paths has a name of its own.
	call := func(rt web.Route) string {
		_, rest, _ := strings.Cut(strings.TrimPrefix(rt.Path, "/o/api/"), "/")
		return rt.Method + strings.TrimSuffix(rest, ".json")
	}
	names := make(map[string]string)
	for _, rt := range apiRoutes(s.mux) {
		if known := names[call(rt)]; known != "" && known != rt.Name {
			t.Errorf("%s is %s and %s", rt.Path, known, rt.Name)
		}
		names[call(rt)] = rt.Name
	}
}

// Bodies of every size, in every way in which HTTP sends them.
func TestBodiesOverTheWire(t *testing.T) {
	s := newSite(t, "", slog.LevelError)
	srv := httptest.NewServer(s)
	defer srv.Close()
	large := strings.Repeat(" ", 10<<20) + "{}"
	for name, c := range map[string]struct {
		body    io.Reader
		headers []string
		status  int
	}{
		"10 MiB":                  {strings.NewReader(large), nil, 413},
		"10 MiB, chunked":         {io.MultiReader(strings.NewReader(large)), nil, 413},
		"1 MiB":                   {strings.NewReader(large[len(large)-1<<20:]), nil, 200},
		"1 MiB, chunked":          {io.MultiReader(strings.NewReader(large[len(large)-1<<20:])), nil, 200},
		"compressed":              {strings.NewReader("\x1f\x8b\x08"), []string{"Content-Encoding", "gzip"}, 415},
		"said to be compressed":   {strings.NewReader("{}"), []string{"Content-Encoding", "GZIP"}, 415},
		"compressed, chunked":     {io.MultiReader(strings.NewReader("\x1f\x8b\x08")), []string{"Content-Encoding", "deflate"}, 415},
		"not compressed":          {strings.NewReader("{}"), []string{"Content-Encoding", "identity"}, 200},
		"nothing, and compressed": {nil, []string{"Content-Encoding", "gzip"}, 200},
		"many members":            {strings.NewReader("{" + strings.Repeat(`"a":1,`, 150000) + `"b":2}`), nil, 200},
		"a long text":             {strings.NewReader(`{"score_type":"` + strings.Repeat("x", 1000000) + `"}`), nil, 400},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/o/api/v3.2/account", c.body)
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+s.writer.token)
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || len(text) > 2000 {
			t.Errorf("%s: %d, want %d: %s, %v", name, resp.StatusCode, c.status, clip(text), err)
		}
	}
}

// Whoever deletes, exempts, moves and links one device at the same time finds it as it was or gone; it goes once, and what
// is counted stays true.
func TestOneDeviceByMany(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		for round := range 3 {
			id := s.ids[round]
			var wait sync.WaitGroup
			var mu sync.Mutex
			gone := 0
			for i := range 48 {
				wait.Go(func() {
					switch i % 6 {
					case 0:
						got := read[struct{ Result int }](t, s, "POST", "/o/api/v2/devices/"+id+"/delete?opt="+fmt.Sprint(1+round%2), "")
						mu.Lock()
						gone += got.Result
						mu.Unlock()
					case 1:
						read[any](t, s, "POST", "/o/api/v3.3/devices/action", `{"types":"exempt","ids":["`+id+`","`+id+`"],"params":{"exempt_time":1}}`)
					case 2:
						read[any](t, s, "POST", "/o/api/v2/devices/"+id+"/link_user", `{"username":"u`+fmt.Sprint(i)+`"}`)
					case 3:
						read[any](t, s, "POST", "/o/api/v3.3/devices/action", `{"types":"fetch_agent_log","ids":["`+id+`"]}`)
					case 4:
						read[any](t, s, "POST", "/o/api/v2/devices/action", `{"types":"unexempt","HWID_list":["`+id+`"]}`)
					default:
						s.ask(t, "POST", "/o/api/v3.8/devices/detail", `{"ids":["`+id+`"],"verbose":{"detected_packages":1}}`)
					}
				})
			}
			wait.Wait()
			if gone != 1 {
				t.Errorf("the device was deleted %d times", gone)
			}
			if w := s.ask(t, "GET", "/o/api/v2.5/devices/"+id, ""); w.Code != http.StatusNotFound {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		list := read[cursorPage](t, s, "POST", "/o/api/v3.7/devices", `{"limit":50}`).Devices
		counts, err := s.devices.Counts(t.Context(), s.account.ID)
		must(t, err)
		var total int64
		for _, n := range counts.Status {
			total += n
		}
		if total != int64(len(list)) || counts.Status[posture.StatusExempted] != 0 {
			t.Errorf("%d are listed, and counted %v", len(list), counts.Status)
		}
	})
}

// Many walks of one list by one program at the same time: each finds every device once.
func TestManyWalks(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		want := len(read[cursorPage](t, s, "POST", "/o/api/v3.7/devices", `{"limit":50}`).Devices)
		var wait sync.WaitGroup
		for i := range 64 {
			wait.Go(func() {
				seen := map[string]bool{}
				body := func(page int, token string) string { return fmt.Sprintf(`{"limit":2,"page":%d}`, page) }
				target := "/o/api/v3.3/devices"
				if i%2 == 0 {
					target = "/o/api/v3.7/devices"
					body = func(_ int, token string) string { return `{"limit":2,"token":"` + token + `"}` }
				}
				token := ""
				for page := 1; page < 20; page++ {
					w := s.ask(t, "POST", target, body(page, token))
					if w.Code == http.StatusRequestEntityTooLarge {
						break
					}
					var got cursorPage
					into := any(&got)
					if i%2 != 0 {
						into = &got.Devices
					}
					if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
						t.Errorf("%d %s", w.Code, w.Body)
						return
					}
					for _, d := range got.Devices {
						if seen[d.ID] {
							t.Errorf("%s comes twice", d.ID)
						}
						seen[d.ID] = true
					}
					if token = got.Next; token == "" && i%2 == 0 {
						break
					}
				}
				if len(seen) != want {
					t.Errorf("a walk finds %d of %d", len(seen), want)
				}
			})
		}
		wait.Wait()
	})
}

// nasty are names that spreadsheets, archives, headers and pages could take for something else.
var nasty = []string{"=HYPERLINK(\"x\")", "\r\nSet-Cookie: a=b", "../../etc/passwd", "\";filename=x.exe", "<script>", "=1+1|\u202e", " @SUM(1)", "-2+3"}

// What a machine calls itself stays in its cell, and out of headers and names of files.
func TestNastyNames(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		client := &http.Client{Transport: inProcess{s}}
		for i, name := range nasty {
			m := fleet.Random(9, 100+i, siteTime)
			a := fleet.NewAgent(client, "http://muster.test", s.account.RegistrationCode, m)
			must(t, a.Register(t.Context()))
			quoted, err := json.Marshal(name)
			must(t, err)
			must(t, a.SendReport(t.Context(), fmt.Appendf(nil, `{"agent_type":"persistent","device_name":%s,"hostname":%s,"soh":{"os_info":[{"family":"windows","name":%s}],
				"collected":["patch_management"],"missing_patches":{"patches":[{"kb":"KB77","title":%s,"product":%s,"vendor":%s,"severity":"critical"}]}}}`,
				quoted, quoted, quoted, quoted, quoted, quoted)))
			command, err := s.devices.Act(t.Context(), s.account.ID, device.ActionRequest{Action: device.ActFetchLog, Device: device.SelectorOf(a.DeviceID)})
			must(t, err)
			must(t, s.devices.CommandResult(t.Context(), device.Ref{Account: s.account.ID, ID: a.DeviceID}, command.CommandID, "", true, name, []byte(name)))
			w := s.ask(t, "GET", "/o/api/v3.1/get_reports?type=agent_log&command_id="+url.QueryEscape(command.CommandID), "")
			archive, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
			if err != nil || len(archive.File) != 1 || archive.File[0].Name != "fetch_agent_log.log" {
				t.Errorf("%v: %d %s", err, w.Code, w.Body)
			}
			checkHeaders(t, w)
			checkCells(t, s.ask(t, "GET", "/o/api/v3.1/get_reports?type=missing_os_patch&id="+a.DeviceID, ""))
		}
		checkCells(t, s.ask(t, "GET", "/o/api/v3.1/get_reports?type=os_patch_summary", ""))
		checkCells(t, s.ask(t, "GET", "/o/api/v3.1/get_reports?type=device_missing_os_patch&kb=KB77", ""))
	})
}

func checkHeaders(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, values := range w.Header() {
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n") || strings.Contains(v, "exe") || name == "Set-Cookie" {
				t.Errorf("%s: %q", name, v)
			}
		}
	}
}

// checkCells looks for cells that a spreadsheet would take for a formula, in a table that has something in it.
func checkCells(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	checkHeaders(t, w)
	text := w.Body.String()
	if w.Code != http.StatusOK || strings.Count(text, "\n") < 2 {
		t.Errorf("%d %s", w.Code, text)
	}
	for _, start := range []string{`="`, "\n=", ",=", ",\"=", ",-", ",@", ", @", ",\"\r", ",\"\n"} {
		if strings.Contains(text, start) {
			t.Errorf("a cell begins with %q: %s", start, text)
		}
	}
}

// Details of as many devices as a call may name, each with as much software as an agent may report, are an answer of
// bounded size or a refusal.
func TestLargeDetails(t *testing.T) {
	s := newSite(t, "", slog.LevelError)
	client := &http.Client{Transport: inProcess{s}}
	var software []string
	for i := range 2500 {
		software = append(software, fmt.Sprintf(`{"name":"package-%d-%s","version":"1.%d","vendor":"%s"}`, i, strings.Repeat("x", 180), i, strings.Repeat("v", 180)))
	}
	var ids []string
	for i := range 50 {
		m := fleet.Random(11, 200+i, siteTime)
		a := fleet.NewAgent(client, "http://muster.test", s.account.RegistrationCode, m)
		must(t, a.Register(t.Context()))
		must(t, a.SendReport(t.Context(), fmt.Appendf(nil, `{"agent_type":"persistent","hostname":"h%d","soh":{"os_info":[{"family":"linux","name":"Linux"}],"applications":[%s]}}`,
			i, strings.Join(software, ","))))
		ids = append(ids, a.DeviceID)
	}
	for _, n := range []int{1, 50} {
		text, err := json.Marshal(ids[:n])
		must(t, err)
		w := s.ask(t, "POST", "/o/api/v3.8/devices/detail", `{"ids":`+string(text)+`,"verbose":{"categories":1,"unclassified":1,"detected_packages":1}}`)
		if w.Code != map[int]int{1: 200, 50: 413}[n] || w.Body.Len() > 16<<20 || n == 1 && w.Body.Len() < 1_000_000 {
			t.Errorf("%d devices: %d with %d bytes: %s", n, w.Code, w.Body.Len(), clip(w.Body.Bytes()))
		}
	}
}

// Whatever is sent in whatever way, at the most talkative level nothing is logged that lets someone in.
func TestNothingSecretIsLogged(t *testing.T) {
	s := newSite(t, "", slog.LevelDebug)
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(s.log, nil), slog.LevelDebug)
	srv.Start()
	defer srv.Close()
	secrets := []string{
		s.writer.token, s.writer.secret, s.reader.token, s.reader.secret, s.account.RegistrationCode, s.account.LicenseKey,
		s.fleet[0].Key, s.fleet[0].Token, "access_token=", "client_secret=", "hunter2hunter2",
	}
	for _, rt := range s.mux.Routes() {
		for i, token := range []string{s.writer.token, s.reader.token, "hunter2hunter2", ""} {
			path := strings.NewReplacer("{value}", token, "{license_key}", s.account.LicenseKey, "{device_id}", s.fleet[0].DeviceID, "{n}", "1").Replace(rt.Path)
			for _, query := range []string{
				"access_token=" + token, "access_token=" + token + "%zz;x=%", "grant_type=client_credentials&client_id=" + s.writer.id + "&client_secret=" + s.writer.secret,
				"grant_type=refresh_token&refresh_token=hunter2hunter2&client_secret=" + token,
			} {
				for _, body := range []string{"", `{"access_token":"` + token + `","id":"` + token + `","ids":["` + token + `"],"types":"` + token + `"}`, "client_secret=" + token + "%zz", "{\"" + token} {
					r := httptest.NewRequest(rt.Method, path, strings.NewReader(body))
					r.URL.RawQuery = query
					if i%2 == 0 {
						r.Header.Set("Authorization", "Bearer "+token)
					}
					for _, h := range []string{"Gears-Auth", "Gears-Access-Key", "Gears-Access-Token", "access_token"} {
						r.Header.Set(h, map[string]string{"Gears-Auth": s.account.RegistrationCode, "Gears-Access-Key": s.fleet[0].Key}[h]+token)
					}
					s.ServeHTTP(httptest.NewRecorder(), r)
				}
			}
		}
	}
	for _, raw := range []string{
		"GET /o/api/v2/account?access_token=" + s.writer.token + " HTTP/9.9\r\n\r\n",
		"GET /o/api/v2/account?access_token=" + s.writer.token + "%zz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST /o/oauth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nclient_secret=" + s.writer.secret + "\r\n",
		"GET /%zz" + s.writer.token + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		must(t, err)
		_, err = io.WriteString(conn, raw)
		must(t, err)
		must(t, conn.(*net.TCPConn).CloseWrite())
		_, err = io.ReadAll(conn)
		must(t, err)
		must(t, conn.Close())
	}
	text := s.log.take()
	if strings.Count(text, "\n") < 1000 {
		t.Errorf("only this was logged: %s", clip([]byte(text)))
	}
	for _, secret := range secrets {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("%s is logged: %s", secret, clip([]byte(text[max(0, at-500):min(len(text), at+100)])))
		}
	}
}
