package storetest

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/store"
)

// Exercise uses every statement of a store at least once.
func Exercise(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	svc := service(s, time.Now)
	account := Account(t, s, "exercise", 100)
	for i := range 4 {
		r := device.Registration{HardwareID: fmt.Sprintf("HW-%04d", i), Serial: fmt.Sprintf("SN-%04d", i), Adapters: Adapters("00:0c:29:00:00:01")}
		en, err := svc.Enrol(ctx, account, r)
		check(t, err)
		ref := device.Ref{Account: account, ID: en.DeviceID}
		sub := Submission(posture.Report{OS: posture.OS{Name: "4/1/1"}, HardwareID: "HW-0000", LinkedID: "link", Adapters: Adapters("00:0c:29:00:00:02")}, "{}")
		check(t, svc.Report(ctx, ref, sub))
		_, err = svc.Authenticate(ctx, account, en.DeviceID, en.Key, en.Token)
		check(t, err)
		_, err = svc.AuthenticateAny(ctx, account, en.Key, en.Token)
		check(t, err)
		_, _, err = svc.Standing(ctx, en.DeviceID, en.Key, en.Token)
		check(t, err)
		_, err = svc.Verdict(ctx, account, en.DeviceID)
		check(t, err)
		_, err = s.Report(ctx, account, en.DeviceID)
		check(t, err)
		_, err = svc.Adapters(ctx, account, en.DeviceID)
		check(t, err)
		for _, value := range []string{en.DeviceID, "HW-0001", "00:0c:29:00:00:01"} {
			_, err = svc.Find(ctx, account, device.SelectorOf(value))
			checkOr(t, err, errs.NotFound)
			checkOr(t, svc.LinkUser(ctx, account, device.SelectorOf(value), device.LinkedUser{Username: "u"}), errs.NotFound)
		}
		if i == 3 {
			check(t, svc.Retire(ctx, ref))
			_, err = svc.Enrol(ctx, account, device.Registration{Adapters: Adapters("00:0c:29:00:00:02")})
			check(t, err)
		}
	}
	exerciseActions(ctx, t, s, account)
	exerciseCodes(ctx, t, s, account)
	exerciseMerges(ctx, t, s, account)
	exerciseRest(ctx, t, s, account)
	exerciseSoftware(ctx, t, s)
	exerciseWebhooks(ctx, t, s)
	exercisePolicies(ctx, t, s, account)
	exerciseSettings(ctx, t, s, account)
	exerciseRisks(ctx, t, s, account, everything(ctx, t, s, account)[0].ID)
	exerciseRemovals(ctx, t, s, account)
	exerciseCatalogue(ctx, t, s)
}

func exerciseRest(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	list := everything(ctx, t, s, account)
	seen := make([]device.Seen, 0, 120)
	for i := range 120 {
		seen = append(seen, device.Seen{Ref: device.Ref{Account: account, ID: list[i%len(list)].ID}, At: Epoch.Add(time.Duration(i) * time.Hour)})
	}
	check(t, s.Touch(ctx, seen))
	exerciseLists(ctx, t, s, account, list[0].ID)
	_, err := s.Due(ctx, account, time.Now(), 10)
	check(t, err)
	_, err = s.RevokedSince(ctx, Epoch)
	check(t, err)
	check(t, s.ForgetRevocations(ctx, Epoch))
	check(t, s.ForgetWindows(ctx, Epoch))
	check(t, s.ForgetPages(ctx, Epoch))
	_, err = s.Lease(ctx, "x", "y", Epoch, Epoch)
	check(t, err)
	_, err = store.NewLimits(s).Take(ctx, ratelimit.Operation(account, "x"), time.Now(), time.Minute)
	check(t, err)
	_, err = s.Counts(ctx, account)
	check(t, err)
	_, err = s.Backup(ctx, io.Discard)
	check(t, err)
	exerciseRecord(ctx, t, s, account)
	app := identity.Application{Account: account, ClientID: "c", Permission: scope.Read, SecretHash: identity.HashOf("s")}
	check(t, s.CreateApplication(ctx, app))
	token := identity.Token{Hash: identity.HashOf("t"), Kind: identity.AccessToken, Account: account, ClientID: "c"}
	check(t, s.CreateTokens(ctx, []identity.Token{token}, identity.HashOf("o"), Epoch))
	_, err = s.FindToken(ctx, token.Hash)
	check(t, err)
	check(t, s.DeleteToken(ctx, token.Hash))
	_, err = s.DeleteExpiredTokens(ctx, Epoch)
	check(t, err)
	_, err = s.ApplicationByClientID(ctx, "c")
	check(t, err)
	_, err = s.ListApplications(ctx, account)
	check(t, err)
	check(t, s.RevokeApplication(ctx, account, "c", Epoch))
	_, err = s.AccountByID(ctx, account)
	check(t, err)
	_, err = s.AccountByName(ctx, "exercise")
	check(t, err)
	_, err = s.AccountByLicenseKey(ctx, "key-exercise")
	check(t, err)
	_, err = s.AccountByRegistrationCode(ctx, "code-exercise")
	check(t, err)
	_, err = s.UpdateAccount(ctx, account, func(*identity.Account) ([]event.Event, error) { return nil, nil })
	check(t, err)
}

// exerciseLists asks for devices by each member of a filter and by several, and counts them.
func exerciseLists(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID, id string) {
	t.Helper()
	for _, f := range []device.Filter{
		{Statuses: []posture.Status{4, 3}}, {Severities: []posture.IssueSeverity{1}}, {OS: []posture.OSFamily{"x"}}, {Types: []posture.DeviceType{"x"}},
		{Groups: []posture.GroupID{1}}, {Levels: []posture.Level{1}}, {Categories: []posture.Category{posture.Firewall}}, {Products: []int64{1, 2}},
		{CVEs: []string{"CVE-2099-0001"}}, {Search: "hw"}, {Severities: []posture.IssueSeverity{1}, OS: []posture.OSFamily{"x"}, Search: "hw sn"},
	} {
		for _, order := range []device.Order{device.ByEnrolment, device.ByHostName, device.ByIssues} {
			_, _, err := s.Select(ctx, account, device.Query{Filter: f, Order: order, Window: page.Window{Limit: 2}})
			check(t, err)
		}
		_, err := s.CountMatching(ctx, account, f)
		check(t, err)
	}
	_, err := s.DevicesByID(ctx, account, []string{id})
	check(t, err)
	_, err = s.ByLinkedID(ctx, account, "x")
	check(t, err)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkOr bears one kind of error.
func checkOr(t *testing.T, err error, code errs.Code) {
	t.Helper()
	if err != nil && !errs.Is(err, code) {
		t.Fatal(err)
	}
}
