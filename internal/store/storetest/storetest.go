// Package storetest is the suite that the store must pass on every database engine.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/store"
)

// Engine is one kind of database to test on.
type Engine struct {
	Name string
	// New gives the options of a fresh, empty database that lasts as long as the test.
	New func(t *testing.T) store.Options
	// Exec runs a statement on the database of a store, to put there what nothing that is tested would.
	Exec func(ctx context.Context, s *store.Store, query string, args ...any) error
}

// Open opens a database and migrates it, and closes it when the test ends.
func Open(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := s.Close()
		if err != nil {
			t.Error(err)
		}
	})
	_, err = s.Migrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Account makes an account with room for so many devices.
func Account(t *testing.T, s *store.Store, name string, allowed int64) posture.AccountID {
	t.Helper()
	a, err := s.CreateAccount(t.Context(), identity.Account{
		Name: name, Email: name + "@example.test", CreatedAt: Epoch, DevicesAllowed: allowed,
		LicenseKey: "key-" + name, RegistrationCode: "code-" + name,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// Epoch is the time at which the clocks of the suite start.
var Epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// Judge is a judge for tests: the report's OS name says the verdict, as "status/severity/level", until the time that its
// OS version says, if any; from then on the device is not compliant, with a critical issue. A device whose OS version is
// "strict" is not compliant either where its policy has a version that is stored.
type Judge struct{}

// Version implements device.Judge.
func (Judge) Version(p posture.PolicyRef, g posture.GroupID) string {
	return fmt.Sprintf("test-%s/%d", p, g)
}

// Judge implements device.Judge.
func (Judge) Judge(_ context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	r := s.Report
	var status, severity, level uint8
	_, err := fmt.Sscanf(r.OS.Name, "%d/%d/%d", &status, &severity, &level)
	if err != nil {
		panic("storetest: the report names no verdict: " + r.OS.Name)
	}
	v := posture.Verdict{Status: posture.Status(status), Severity: posture.IssueSeverity(severity), Judged: now, Issues: []posture.Issue{}}
	for i := range v.Levels {
		v.Levels[i] = posture.Level(level)
	}
	until, err := time.Parse(time.RFC3339, r.OS.Version)
	if err == nil && now.Before(until) {
		v.NextChange = until
	} else if err == nil || r.OS.Version == "strict" && s.Policy.Version > 0 {
		v.Status, v.Severity = posture.StatusNonCompliant, posture.Critical
		v.Issues = []posture.Issue{{Check: "strict", Severity: posture.Critical}}
	}
	return v, nil
}

// Decode reads the bodies of tests: the name and the version of the operating system and a host name that may be missing,
// with bars between them.
func Decode(body []byte) (*posture.Report, error) {
	name, version, ok := strings.Cut(string(body), "|")
	if !ok {
		return nil, errors.New("not a report")
	}
	version, host, _ := strings.Cut(version, "|")
	return &posture.Report{OS: posture.OS{Name: name, Version: version}, HostName: host}, nil
}

// Submission makes a report that the Judge reads.
func Submission(r posture.Report, body string) device.Submission {
	sub := device.Submission{Body: []byte(body), Decode: func() (*posture.Report, error) { return &r, nil }}
	sub.Digest = sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%v", r.OS.Name, body, r.HardwareID, r.MACs()))
	return sub
}

// Adapters makes adapters with these addresses.
func Adapters(macs ...string) []posture.Adapter {
	out := make([]posture.Adapter, len(macs))
	for i, s := range macs {
		mac, ok := posture.ParseMAC(s)
		if !ok {
			panic("storetest: not an address: " + s)
		}
		out[i] = posture.Adapter{MAC: mac, HasMAC: true}
	}
	return out
}

// CheckCounts fails the test unless the kept counts are those of the rows, and the rows those that listing gives.
func CheckCounts(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) device.Counts {
	t.Helper()
	kept, actual, err := s.Recount(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	if kept != actual {
		t.Fatalf("kept counts %+v, rows %+v", kept, actual)
	}
	return kept
}

// Run puts an engine through the whole suite.
//
// long: it is one table.
func Run(t *testing.T, e Engine) {
	for _, part := range []struct {
		name string
		test func(*testing.T, Engine)
	}{
		{"migrations", testMigrations},
		{"accounts", testAccounts},
		{"applications and tokens", testTokens},
		{"isolation", testIsolation},
		{"enrolment", testEnrolment},
		{"enrolment of devices that are gone", testEnrolmentOfGone},
		{"licence", testLicence},
		{"places", testPlaces},
		{"last places", testLastPlaces},
		{"reports", testReports},
		{"software", testSoftware},
		{"vulnerabilities", testVulnerabilities},
		{"devices with", testDevicesWith},
		{"appraised elsewhere", testAppraisedElsewhere},
		{"patches", testPatches},
		{"what devices have, under load", testSpreadUnderLoad},
		{"adapters", testAdapters},
		{"profiles", testProfiles},
		{"profile bounds", testProfileBounds},
		{"links", testLinks},
		{"lifecycle", testLifecycle},
		{"time", testSweep},
		{"silence", testSilence},
		{"a verdict with everything", testWholeVerdict},
		{"silence that ends meanwhile", testSilenceEndsMeanwhile},
		{"silence of several servers", testSilenceOfSeveralServers},
		{"agents removed meanwhile", testAgentRemovedMeanwhile},
		{"where reports came from", testWhereReportsCameFrom},
		{"verdicts of an earlier schema", testEarlierVerdicts},
		{"users linked meanwhile", testLinkedMeanwhile},
		{"users linked while nothing can be judged", testLinkedUnjudged},
		{"grace and reinstalling", testGraceOutlivesAgent},
		{"conflicts", testConflicts},
		{"doubles", testDoubles},
		{"walk of doubles", testWalkOfDoubles},
		{"merging", testMerging},
		{"merging of what told no hardware id", testMergingOfUntold},
		{"merging what holds", testMergingHolds},
		{"splitting", testSplitting},
		{"listing", testListing},
		{"filters", testFilters},
		{"walks", testWalks},
		{"search", testSearch},
		{"finding many", testFindMany},
		{"writer", testWriter},
		{"counts under load", testCountsUnderLoad},
		{"locks in one order", testLocksInOneOrder},
		{"actions", testActions},
		{"exemptions by action", testExemptionsByAction},
		{"quarantine", testQuarantine},
		{"quarantines and exemptions refused", testHoldsRefused},
		{"exemptions that end", testExemptionLapses},
		{"removal", testRemoval},
		{"commands", testCommands},
		{"commands of several servers", testCommandsOfSeveralServers},
		{"commands and time", testCommandsAndTime},
		{"registration codes", testCodes},
		{"devices and codes", testDevicesAndCodes},
		{"codes and lives", testCodesAndLives},
		{"codes at once", testCodesAtOnce},
		{"groups", testGroups},
		{"groups and devices", testGroupsAndDevices},
		{"groups at once", testGroupsAtOnce},
		{"devices beside accounts", testDevicesBesideAccounts},
		{"moves are judged", testMovesAreJudged},
		{"dissolving groups", testDissolving},
		{"policies", testPolicies},
		{"policies at once", testPoliciesAtOnce},
		{"accepted risks", testRisks},
		{"VEX statements", testStatements},
		{"accepted risks at once", testRisksAtOnce},
		{"levels of vulnerabilities", testVulnerabilityLevels},
		{"what is accepted lapses", testAcceptedLapses},
		{"what is accepted is counted", testAcceptedCounts},
		{"what is accepted meanwhile", testAcceptedMeanwhile},
		{"runs", testRuns},
		{"judging anew", testRejudging},
		{"judging anew under load", testRejudgingUnderLoad},
		{"trials", testTrials},
		{"joining when registering", testJoiningAtEnrolment},
		{"joining by report", testJoiningByReport},
		{"applying rules", testApplyingRules},
		{"joining at once", testJoiningAtOnce},
		{"changes of status", testStatusChanges},
		{"changes in one moment", testChangesInOneMoment},
		{"walk of changes", testWalkOfChanges},
		{"changes by system", testChangesBySystem},
		{"logs", testLogs},
		{"activities", testActivities},
		{"forgetting", testForgetting},
		{"administration", testAdministration},
		{"settings", testSettings},
		{"operators", testOperators},
		{"webhooks", testWebhooks},
		{"outbox", testOutbox},
		{"outbox in order", testOutboxOrder},
		{"outbox while a receiver is down", testOutboxDown},
		{"outbox and what is mended", testOutboxMended},
		{"outbox and leases", testOutboxLease},
		{"outbox of several servers", testOutboxOfSeveralServers},
		{"outbox and writers", testOutboxAndWriters},
		{"redelivery", testRedelivery},
		{"forgetting of webhooks", testForgettingWebhooks},
		{"privacy", testPrivacy},
		{"removal by time", testRemovalByTime},
		{"removal by verdict", testRemovalByVerdict},
		{"removal by group", testRemovalByGroup},
		{"removal of many", testRemovalOfMany},
		{"coming back", testComingBack},
		{"purge", testPurge},
		{"purge and quarantine", testPurgeKeepsQuarantine},
		{"neighbours", testNeighbours},
		{"neighbours that are known", testNeighboursKnown},
		{"neighbours that come and go", testNeighboursComeAndGo},
		{"neighbours that are invented", testNeighboursInvented},
		{"neighbours at once", testNeighboursAtOnce},
		{"refused at the limit", testRefusedAtLimit},
		{"pages", testPages},
		{"leases", testLeases},
		{"rate limits", testRateLimits},
		{"catalogue", testCatalogue},
		{"what the catalogue touched", testCatalogueTouched},
		{"guards of the catalogue", testCatalogueGuards},
		{"imports at once", testCatalogueAtOnce},
		{"catalogue by chance", testCatalogueProperty},
		{"catalogue while it changes", testCatalogueSwitch},
		{"backup of the catalogue", testCatalogueBackup},
		{"backup", testBackup},
		{"backup of everything", testBackupOfEverything},
		{"backup of another schema", testBackupOfAnotherSchema},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, e) })
	}
}
