package gears

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/web"
)

// What the fakes know: two accounts with a device each, and a deleted device in the first.
const (
	theCode, theKey       = "AB12CD34", "0123456789abcdef0123456789abcdef"
	extraCode             = "EX77EX77"
	otherCode, otherKey   = "ZZ99YY88", "fedcba9876543210fedcba9876543210"
	theDevice, theOther   = "0193593aa1b27c3d8e4f5a6b7c8d9e0f", "0193593aa1b27c3d8e4f5a6b7c8d9e10"
	goneDevice            = "0193593aa1b27c3d8e4f5a6b7c8d9e11"
	theSecret, theSecret2 = "key-of-the-device", "token-of-the-device"
)

// fakeAccounts finds accounts by code and licence key, or fails as it is told.
type fakeAccounts struct {
	fail        error
	crossDomain identity.CrossDomain // of every account
}

var testAccounts = []identity.Account{
	{ID: 1, Name: "Example Ltd", Email: "owner@example.net", LicenseKey: theKey, RegistrationCode: theCode},
	{ID: 2, Name: "Other Ltd", Email: "owner@other.example", LicenseKey: otherKey, RegistrationCode: otherCode},
}

func (f fakeAccounts) find(match func(identity.Account) bool) (identity.Account, error) {
	for _, a := range testAccounts {
		if f.fail == nil && match(a) {
			a.CrossDomain = f.crossDomain
			return a, nil
		}
	}
	if f.fail != nil {
		return identity.Account{}, f.fail
	}
	return identity.Account{}, errs.New(errs.NotFound, "No such account")
}

func (f fakeAccounts) AccountByRegistrationCode(_ context.Context, code string) (identity.Account, error) {
	if code == "" || len(code) > maxCode {
		panic("a code that cannot be right was looked up")
	}
	return f.find(func(a identity.Account) bool { return a.RegistrationCode == code })
}

// EnrolmentCode knows the codes of the accounts, and one more.
func (f fakeAccounts) EnrolmentCode(ctx context.Context, code string) (identity.Account, identity.RegistrationCode, error) {
	if f.fail == nil && code == extraCode {
		return testAccounts[0], identity.RegistrationCode{ID: "code-1", Account: 1}, nil
	}
	a, err := f.AccountByRegistrationCode(ctx, code)
	return a, identity.RegistrationCode{}, err
}

func (f fakeAccounts) AccountByLicenseKey(_ context.Context, key string) (identity.Account, error) {
	return f.find(func(a identity.Account) bool { return a.LicenseKey == key })
}

// EnrolmentByLicenseKey knows only the first account: the other enrols by codes alone.
func (f fakeAccounts) EnrolmentByLicenseKey(_ context.Context, key string) (identity.Account, error) {
	return f.find(func(a identity.Account) bool { return a.LicenseKey == key && key == theKey })
}

// fakeDevices is the device service as far as the door can tell. Like the real one it changes nothing when a
// submission cannot be decoded.
type fakeDevices struct {
	mu       sync.Mutex
	fail     error // of whatever is called next, after authentication
	summary  device.Summary
	calls    []string
	enrolled []device.Registration
	reports  []*posture.Report
	bodies   [][]byte
	known    map[[32]byte]bool
	touched  bool // Report was called at all
	around   [][]device.Neighbour
	sets     []uint64
	commands []device.Command
}

func (f *fakeDevices) called(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.calls = append(f.calls, name)
	return nil
}

func (f *fakeDevices) Enrol(_ context.Context, account posture.AccountID, r device.Registration) (device.Enrolment, error) {
	if err := f.called("enrol"); err != nil {
		return device.Enrolment{}, err
	}
	f.enrolled = append(f.enrolled, r)
	id := map[posture.AccountID]string{1: theDevice, 2: theOther}[account]
	return device.Enrolment{DeviceID: id, Key: theSecret, Token: theSecret2}, nil
}

var errNotAuthentic = errs.New(errs.Unauthenticated, "wrong secret, and this text must not be seen")

// genuine takes the two secrets in either order, as the device service does. It need not be asked without them.
func genuine(key, token string) bool {
	if key == "" || token == "" {
		panic("the service was asked about missing credentials")
	}
	return (key == theSecret && token == theSecret2) || (key == theSecret2 && token == theSecret)
}

func (f *fakeDevices) Authenticate(_ context.Context, account posture.AccountID, id, key, token string) (device.Ref, error) {
	owner := map[string]posture.AccountID{theDevice: 1, theOther: 2}[id]
	if !genuine(key, token) || owner == 0 || owner != account {
		return device.Ref{}, errNotAuthentic
	}
	return device.Ref{Account: account, ID: id}, nil
}

func (f *fakeDevices) AuthenticateAny(_ context.Context, account posture.AccountID, key, token string) (device.Ref, error) {
	if !genuine(key, token) {
		return device.Ref{}, errNotAuthentic
	}
	return device.Ref{Account: account, ID: theDevice}, nil
}

func (f *fakeDevices) Ping(_ context.Context, ref device.Ref) { f.called("ping " + ref.ID) }

func (f *fakeDevices) Report(_ context.Context, _ device.Ref, sub device.Submission) error {
	f.touched = true
	if sub.Around != nil {
		list, err := sub.Around.Decode()
		if err != nil {
			return err
		}
		f.around = append(f.around, list)
		f.sets = append(f.sets, sub.Around.Set)
	}
	if f.known[sub.Digest] {
		return f.called("report unchanged")
	}
	r, err := sub.Decode()
	if err != nil {
		return err
	}
	if err := f.called("report"); err != nil {
		return err
	}
	if f.known == nil {
		f.known = map[[32]byte]bool{}
	}
	f.known[sub.Digest] = true
	f.reports, f.bodies = append(f.reports, r), append(f.bodies, sub.Body)
	return nil
}

func (f *fakeDevices) Summary(context.Context, device.Ref) (device.Summary, error) {
	return f.summary, f.called("summary")
}

func (f *fakeDevices) Standing(_ context.Context, id, key, token string) (device.Ref, device.Standing, error) {
	ref := device.Ref{Account: 1, ID: id}
	switch {
	case !genuine(key, token):
		return device.Ref{}, 0, errNotAuthentic
	case id == goneDevice:
		return ref, device.StandingRemoved, f.called("standing")
	case id == theDevice:
		return ref, device.StandingGood, f.called("standing")
	default:
		return device.Ref{}, 0, errNotAuthentic
	}
}

func (f *fakeDevices) Commands(context.Context, device.Ref) ([]device.Command, error) {
	return f.commands, f.fail
}

func (f *fakeDevices) CommandResult(_ context.Context, ref device.Ref, id string, kind device.CommandKind, ok bool, message string, output []byte) error {
	return f.called(fmt.Sprintf("result %s %q %q %v %q %q", ref.ID, id, kind, ok, message, output))
}

func (f *fakeDevices) Retire(_ context.Context, ref device.Ref) error {
	return f.called("retire " + ref.ID)
}

// fakeGuard lets through until it has seen so many failures from one source.
type fakeGuard struct {
	mu       sync.Mutex
	limit    int
	failures map[string]int
}

func (g *fakeGuard) Allowed(_ context.Context, kind, who string) (time.Duration, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return 1500 * time.Millisecond, g.limit == 0 || g.failures[kind+" "+who] < g.limit
}

func (g *fakeGuard) Failed(_ context.Context, kind, who string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures == nil {
		g.failures = map[string]int{}
	}
	g.failures[kind+" "+who]++
}

// world is a door with its fakes.
type world struct {
	handler  http.Handler
	devices  *fakeDevices
	accounts *fakeAccounts
	guard    *fakeGuard
	settings Settings
	setFail  error
	checks   []CustomCheck
}

func newWorld() *world {
	v := &world{devices: &fakeDevices{}, accounts: &fakeAccounts{}, guard: &fakeGuard{}}
	door := New(Deps{
		Devices: v.devices, Accounts: v.accounts, Guard: v.guard,
		Settings: func(context.Context, posture.AccountID) (Settings, error) { return v.settings, v.setFail },
		Checks:   func(context.Context, device.Ref) ([]CustomCheck, error) { return v.checks, nil },
		BaseURL:  func(*http.Request) string { return "https://muster.example.net" },
	})
	v.handler = &web.Server{Next: web.NewMux(door), Log: slog.New(slog.DiscardHandler)}
	return v
}

// call describes one request. Unless it says otherwise it carries the credentials of the first account's device.
type call struct {
	method, path string
	body         string
	header       map[string]string
	bare         bool // without credentials
	from         string
}

func (v *world) do(tb testing.TB, c call) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	if c.body == "" {
		r = httptest.NewRequest(c.method, c.path, http.NoBody)
	}
	if !c.bare {
		r.Header.Set("Gears-Access-Key", theSecret)
		r.Header.Set("Gears-Access-Token", theSecret2)
	}
	for k, value := range c.header {
		r.Header.Set(k, value)
	}
	if c.from != "" {
		r.RemoteAddr = c.from
	}
	w := httptest.NewRecorder()
	v.handler.ServeHTTP(w, r)
	return w
}

// deviceURL is the path of a call about the first account's device.
func deviceURL(rest string) string {
	return "/api/v2/accounts/" + theKey + "/devices/" + theDevice + rest
}

// expect checks the status, the content type and the whole body of an answer.
func expect(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d; body %s", w.Code, status, w.Body)
	}
	if got := w.Body.String(); got != body {
		t.Errorf("body\n  %s\nwant\n  %s", got, body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
}

var errBoom = errors.New("the disk is full of secrets")

const unauthenticated = `{"errors":[{"error_type":"401000","details":"The device's credentials are missing or not valid"}]}`
