package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/testpg"
)

// BenchmarkReport measures what storing a report costs in processor time, database included: cpu-ms/op. Many devices
// report at once.
func BenchmarkReport(b *testing.B) {
	sqlite := func(b *testing.B) (store.Options, func() []int) {
		return store.Options{Dir: b.TempDir()}, func() []int { return []int{os.Getpid()} }
	}
	postgres := func(b *testing.B) (store.Options, func() []int) {
		server := testpg.Cluster(b)
		return store.Options{Database: server.Database(b)}, func() []int { return append(server.PIDs(), os.Getpid()) }
	}
	for _, e := range []struct {
		name string
		open func(*testing.B) (store.Options, func() []int)
	}{{"sqlite", sqlite}, {"postgres", postgres}} {
		b.Run(e.name+"/changed", func(b *testing.B) { benchmarkReports(b, e.open, 60, false) })
		b.Run(e.name+"/first", func(b *testing.B) { benchmarkReports(b, e.open, 600, true) })
	}
}

func benchmarkReports(b *testing.B, open func(*testing.B) (store.Options, func() []int), products int, first bool) {
	o, pids := open(b)
	s, err := store.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	_, err = s.Migrate(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	account := benchAccount(b, s)
	svc := device.New(device.Options{Store: s, Judge: storetest.Judge{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	var refs []device.Ref
	for i := range 64 {
		refs = append(refs, enrolReporting(b, svc, account, i, products))
	}
	if first {
		refs = refs[:0]
		for i := range b.N {
			refs = append(refs, enrolReporting(b, svc, account, 1000+i, 0))
		}
	}
	var next atomic.Int64
	before := cpu(b, pids())
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(next.Add(1)) - 1
			err := svc.Report(context.Background(), refs[n%len(refs)], submission(n%len(refs), 1+n/len(refs)%3, products))
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric((cpu(b, pids())-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
}

func benchAccount(b *testing.B, s *store.Store) posture.AccountID {
	b.Helper()
	a, err := s.CreateAccount(b.Context(), identity.Account{
		Name: "bench", Email: "bench@example.test", DevicesAllowed: 1_000_000, LicenseKey: "k", RegistrationCode: "c",
	})
	if err != nil {
		b.Fatal(err)
	}
	return a.ID
}

func enrolReporting(b *testing.B, svc *device.Service, account posture.AccountID, n, products int) device.Ref {
	b.Helper()
	en, err := svc.Enrol(b.Context(), account, device.Registration{HardwareID: fmt.Sprintf("HW-%06d", n)})
	if err != nil {
		b.Fatal(err)
	}
	ref := device.Ref{Account: account, ID: en.DeviceID}
	if products > 0 {
		err = svc.Report(b.Context(), ref, submission(n, 0, products))
		if err != nil {
			b.Fatal(err)
		}
	}
	return ref
}

// submission is a report of about 12 kB, of which the version of one product changes from round to round.
func submission(n, round, products int) device.Submission {
	r := &posture.Report{OS: posture.OS{Name: "3/0/0"}, HardwareID: fmt.Sprintf("HW-%06d", n)}
	for i := range products {
		r.Applications = append(r.Applications, posture.Application{
			Name: fmt.Sprintf("Product number %d", i), Vendor: fmt.Sprintf("Vendor %d", i%20), Version: fmt.Sprintf("%d.1.%d", i, i%7),
		})
	}
	r.Applications[n%products].Version = fmt.Sprintf("9.%d", round)
	sub := device.Submission{Body: []byte(strings.Repeat(fmt.Sprintf("%d ", n), 12_000/8)), Decode: func() (*posture.Report, error) { return r, nil }}
	sub.Digest = sha256.Sum256(fmt.Appendf(nil, "%d %d", n, round))
	return sub
}

// cpu is the processor time that processes have used so far.
func cpu(b testing.TB, pids []int) time.Duration {
	b.Helper()
	var total time.Duration
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		var user, system int64
		fields := strings.Fields(rest)
		_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(user+system) * 10 * time.Millisecond
	}
	return total
}
