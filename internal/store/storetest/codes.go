package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/store"
)

func identities(s *store.Store, now func() time.Time) *identity.Service {
	return identity.New(identity.Options{Accounts: s, Applications: s, Tokens: s, Settings: s, Codes: s, Now: now})
}

// code makes a registration code.
func (b *bench) code(t *testing.T, n identity.NewRegistrationCode) identity.RegistrationCode {
	t.Helper()
	n.Account = b.account
	if n.Name == "" {
		n.Name = "x"
	}
	c, err := identities(b.Store, b.clock.now).CreateRegistrationCode(t.Context(), n)
	check(t, err)
	return c
}

func testCodes(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := event.By(t.Context(), "kari")
	other := Account(t, b.Store, "other", 10)
	lab := b.group(t, "Lab", false)
	ids := identities(b.Store, b.clock.now)
	var want []identity.RegistrationCode
	for _, n := range []identity.NewRegistrationCode{
		{Name: "plain"}, {Name: "all of it", Group: lab, ExpiresAt: b.clock.at.Add(time.Hour), MaxUses: 7},
	} {
		n.Account = b.account
		c, err := ids.CreateRegistrationCode(ctx, n)
		check(t, err)
		want = append(want, c)
		b.clock.advance(time.Second)
	}
	list, err := ids.RegistrationCodes(ctx, b.account)
	if diff := cmp.Diff(want, list); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	for i := range want {
		got, err := b.CodeByText(ctx, want[i].Code)
		if diff := cmp.Diff(want[i], got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	for name, err := range map[string]error{
		"no such code":             second(b.CodeByText(ctx, "NOSUCH00")),
		"read by another account":  second(ids.RegistrationCode(ctx, other, want[0].ID)),
		"ended by another account": second(ids.RevokeRegistrationCode(ctx, other, want[0].ID)),
		"ended as nobody":          b.RevokeCode(ctx, b.account, "nobody", b.clock.at),
	} {
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := ids.RegistrationCodes(ctx, other); err != nil || len(list) != 0 {
		t.Errorf("another account's: %v, %v", list, err)
	}
	wantCode(t, b.CreateCode(ctx, identity.RegistrationCode{Account: other, ID: "x", Code: want[0].Code, Name: "x"}), errs.Conflict)
	_, err = ids.CreateRegistrationCode(ctx, identity.NewRegistrationCode{Account: other, Name: "x", Group: lab})
	wantCode(t, err, errs.Invalid)
	ended, err := ids.RevokeRegistrationCode(ctx, b.account, want[0].ID)
	if err != nil || !ended.RevokedAt.Equal(b.clock.at) {
		t.Errorf("revoked: %+v, %v", ended, err)
	}
	b.clock.advance(time.Second)
	if again, err := ids.RevokeRegistrationCode(ctx, b.account, want[0].ID); err != nil || !again.RevokedAt.Equal(ended.RevokedAt) {
		t.Errorf("revoked once more: %+v, %v", again, err)
	}
	got := slices.DeleteFunc(b.recorded(t, ""), func(s string) bool { return !strings.Contains(s, "code") })
	if diff := cmp.Diff([]string{
		`configured kari Registration code created: "plain"`, `configured kari Registration code created: "all of it"`,
		`configured kari Registration code revoked: "plain"`,
	}, got); diff != "" {
		t.Error(diff)
	}
}

// byCode enrols another machine with a code.
func (b *bench) byCode(t *testing.T, code string, r device.Registration) (device.Device, error) {
	t.Helper()
	r.Code = code
	if r.HardwareID == "" {
		r.HardwareID = "HW-" + posture.NewID(b.clock.at, rand.Reader)
	}
	en, err := b.svc.Enrol(t.Context(), b.account, r)
	if err != nil {
		return device.Device{}, err
	}
	return b.device(t, en.DeviceID), nil
}

func (b *bench) uses(t *testing.T, c identity.RegistrationCode, want int64) {
	t.Helper()
	got, err := b.CodeByID(t.Context(), b.account, c.ID)
	if err != nil || got.Uses != want {
		t.Errorf("%d uses, want %d; %v", got.Uses, want, err)
	}
}

// testDevicesAndCodes lets devices in by codes of every kind, and refuses them.
func testDevicesAndCodes(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	lab, open := b.group(t, "Lab", false), b.group(t, "Open", true)
	plain, inLab := b.code(t, identity.NewRegistrationCode{}), b.code(t, identity.NewRegistrationCode{Group: lab})
	twice := b.code(t, identity.NewRegistrationCode{Group: lab, MaxUses: 2})
	short := b.code(t, identity.NewRegistrationCode{ExpiresAt: b.clock.at.Add(time.Minute)})
	for _, c := range []struct {
		name   string
		code   string
		reg    device.Registration
		group  posture.GroupID
		pinned bool
	}{
		{"the account's own", "", device.Registration{}, posture.DefaultGroup, false},
		{"one that leads nowhere", plain.ID, device.Registration{}, posture.DefaultGroup, false},
		{"one that leads to a group", inLab.ID, device.Registration{}, lab, true},
		{"and the agent names one that it may join", inLab.ID, device.Registration{GroupID: fmt.Sprint(open)}, open, true},
		{"and the agent names one that it may not", plain.ID, device.Registration{GroupID: fmt.Sprint(lab)}, posture.DefaultGroup, false},
		{"for two, the first", twice.ID, device.Registration{HardwareID: "HW-first"}, lab, true},
		{"for two, the first again", twice.ID, device.Registration{HardwareID: "HW-first"}, lab, true},
		{"for two, the second", twice.ID, device.Registration{HardwareID: "HW-second"}, lab, true},
		{"for two, the first once more: it is in service", twice.ID, device.Registration{HardwareID: "HW-first"}, lab, true},
	} {
		d, err := b.byCode(t, c.code, c.reg)
		if err != nil || d.Cell.Group != c.group || d.Pinned != c.pinned {
			t.Errorf("%s: in group %d, pinned %v; %v", c.name, d.Cell.Group, d.Pinned, err)
		}
	}
	before := CheckCounts(ctx, t, b.Store, b.account)
	wantCode(t, second(b.byCode(t, twice.ID, device.Registration{})), errs.NotFound)
	wantCode(t, second(b.byCode(t, "nobody", device.Registration{})), errs.NotFound)
	b.clock.advance(time.Minute)
	wantCode(t, second(b.byCode(t, short.ID, device.Registration{})), errs.NotFound)
	check(t, second(identities(b.Store, b.clock.now).RevokeRegistrationCode(ctx, b.account, plain.ID)))
	wantCode(t, second(b.byCode(t, plain.ID, device.Registration{})), errs.NotFound)
	other := Account(t, b.Store, "other", 10)
	wantCode(t, second(b.svc.Enrol(ctx, other, device.Registration{Code: inLab.ID})), errs.NotFound)
	if after := CheckCounts(ctx, t, b.Store, b.account); after != before {
		t.Errorf("refused registrations left something: %+v", after)
	}
	for c, want := range map[identity.RegistrationCode]int64{plain: 2, inLab: 2, twice: 2, short: 0} {
		b.uses(t, c, want)
	}
}

// testCodesAndLives follows a code through the lives of devices and groups.
func testCodesAndLives(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	lab, office := b.group(t, "Lab", false), b.group(t, "Office", false)
	once, inLab := b.code(t, identity.NewRegistrationCode{MaxUses: 1}), b.code(t, identity.NewRegistrationCode{Group: lab})
	d, err := b.byCode(t, once.ID, device.Registration{HardwareID: "HW-first"})
	check(t, err)
	check(t, b.svc.Delete(ctx, b.account, d.ID))
	wantCode(t, second(b.byCode(t, once.ID, device.Registration{HardwareID: "HW-first"})), errs.NotFound)
	if d, err = b.byCode(t, inLab.ID, device.Registration{HardwareID: "HW-first"}); err != nil || d.Cell.Group != lab {
		t.Errorf("back by a code that has a use left: %+v, %v", d, err)
	}
	b.uses(t, inLab, 1)
	// A group that goes up in another takes its codes with it; one that is only deleted leaves them leading nowhere.
	check(t, second(b.svc.DissolveGroup(ctx, b.account, lab, office, nil, "")))
	if d, err = b.byCode(t, inLab.ID, device.Registration{}); err != nil || d.Cell.Group != office {
		t.Errorf("its group went up in another: %+v, %v", d, err)
	}
	empty := b.group(t, "Empty", false)
	inEmpty := b.code(t, identity.NewRegistrationCode{Group: empty})
	check(t, b.svc.DeleteGroup(ctx, b.account, empty, nil, ""))
	if d, err = b.byCode(t, inEmpty.ID, device.Registration{}); err != nil || d.Cell.Group != posture.DefaultGroup || d.Pinned {
		t.Errorf("its group is gone: %+v, %v", d, err)
	}
	// Who finds no room uses no code.
	check(t, second(b.UpdateAccount(ctx, b.account, func(a *identity.Account) ([]event.Event, error) { a.DevicesAllowed = 1; return nil, nil })))
	wantCode(t, second(b.byCode(t, inLab.ID, device.Registration{})), errs.OverLicence)
	b.uses(t, inLab, 2)
	CheckCounts(ctx, t, b.Store, b.account)
}

// testCodesAtOnce has many machines register at once with a code for a few, at several servers.
func testCodesAtOnce(t *testing.T, e Engine) {
	o := e.New(t)
	b := &bench{Store: Open(t, o), clock: &clock{time.Now()}}
	b.svc, b.account = service(b.Store, time.Now), Account(t, b.Store, "acme", 1000)
	services := []*device.Service{b.svc}
	if b.SharedLimits() {
		services = append(services, service(Open(t, o), time.Now))
	}
	c := b.code(t, identity.NewRegistrationCode{MaxUses: 5})
	var mu sync.Mutex
	in := 0
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			_, err := services[i%len(services)].Enrol(t.Context(), b.account, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", i), Code: c.ID})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				in++
			case !errs.Is(err, errs.NotFound):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := b.CodeByID(t.Context(), b.account, c.ID)
	if counts := CheckCounts(t.Context(), t, b.Store, b.account); err != nil || in != 5 || got.Uses != 5 || counts.Used() != 5 {
		t.Errorf("%d came in, %d uses, %d devices; %v", in, got.Uses, counts.Used(), err)
	}
}

// exerciseCodes uses every statement about registration codes.
func exerciseCodes(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	ids := identities(s, time.Now)
	c, err := ids.CreateRegistrationCode(ctx, identity.NewRegistrationCode{Account: account, Name: "x", Group: posture.DefaultGroup})
	check(t, err)
	check(t, second(service(s, time.Now).Enrol(ctx, account, device.Registration{Code: c.ID})))
	_, _, err = ids.EnrolmentCode(ctx, c.Code)
	check(t, err)
	check(t, second(ids.RegistrationCodes(ctx, account)))
	check(t, second(ids.RevokeRegistrationCode(ctx, account, c.ID)))
}
