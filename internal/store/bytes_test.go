package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/testpg"
)

// A fleet to measure storage by: machines with 600 packages and some 300 vulnerabilities each.
const (
	bytesPackages = 600
	bytesPool     = 2500 // packages of a distribution
	bytesImages   = 30
)

// TestBytesPerDevice prints how much each table and index takes for a device: see make bytes. MUSTER_BYTES says how many
// devices report, and MUSTER_BYTES_DRIFT that each is installed by itself.
func TestBytesPerDevice(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("MUSTER_BYTES"))
	if err != nil {
		t.Skip("MUSTER_BYTES does not say how many devices")
	}
	drift := os.Getenv("MUSTER_BYTES_DRIFT") != ""
	for name, o := range map[string]func() (store.Options, func() []int){
		"sqlite": func() (store.Options, func() []int) {
			return store.Options{Dir: t.TempDir()}, func() []int { return []int{os.Getpid()} }
		},
		"postgres": func() (store.Options, func() []int) {
			c := testpg.Cluster(t)
			return store.Options{Database: c.Database(t)}, func() []int { return append(c.PIDs(), os.Getpid()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			options, pids := o()
			measureBytes(t, options, pids, n, drift)
		})
	}
}

func measureBytes(t *testing.T, o store.Options, pids func() []int, n int, drift bool) {
	t.Helper()
	store.SetChunkSize(1024)
	s := storetest.Open(t, o)
	account := storetest.Account(t, s, "bytes", 10_000_000)
	svc := device.New(device.Options{Store: s, Judge: bytesJudge{}, Decode: decodeBytes, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	refs := make([]device.Ref, n)
	for i := range refs {
		en, err := svc.Enrol(t.Context(), account, device.Registration{HardwareID: fmt.Sprintf("HW-%08d", i)})
		must(t, err)
		refs[i] = device.Ref{Account: account, ID: en.DeviceID}
	}
	all := func(round int) time.Duration {
		before := cpu(t, pids())
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := w; i < n; i += 8 {
					err := svc.Report(context.Background(), refs[i], bytesReport(i, round, drift))
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		return (cpu(t, pids()) - before) / time.Duration(n)
	}
	var own time.Duration
	{
		before := cpu(t, []int{os.Getpid()})
		for i := range min(n, 200) {
			sub := bytesReport(i, 0, drift)
			_, err := sub.Decode()
			must(t, err)
		}
		own = (cpu(t, []int{os.Getpid()}) - before) / time.Duration(min(n, 200))
	}
	t.Logf("processor time of a first report %v, of a changed one %v; making and reading it is %v of that", all(0), all(1), own)
	sizes, err := s.TableSizes(t.Context())
	must(t, err)
	var total int64
	for _, x := range sizes {
		total += x.Bytes
	}
	t.Logf("%d devices, drift %v: %d bytes for each", n, drift, total/int64(n))
	for _, column := range []string{"body", "packed_verdict", "facets"} {
		n, err := s.Number(t.Context(), "SELECT SUM(length("+column+")) / COUNT(*) FROM device_reports")
		must(t, err)
		t.Logf("%8d  of device_reports are its %s", n, column)
	}
	for _, x := range sizes {
		if x.Bytes*200 > total {
			t.Logf("%8d  %s", x.Bytes/int64(n), x.Name)
		}
	}
}

type bytesPackage struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Ecosystem string `json:"ecosystem"`
	Source    string `json:"source"`
	Arch      string `json:"architecture"`
}

type bytesBody struct {
	AgentType string         `json:"agent_type"`
	HostName  string         `json:"hostname"`
	Hardware  string         `json:"hardware_id"`
	Serial    string         `json:"serial_number"`
	Scan      string         `json:"scan_time"`
	MAC       string         `json:"mac"`
	Packages  []bytesPackage `json:"applications"`
}

// bytesVersion is one of the few versions of a package.
func bytesVersion(rnd *rand.Rand, distribution, pkg, which int) bytesPackage {
	name := bytesName(uint64(distribution*bytesPool + pkg))
	return bytesPackage{
		Name: name, Version: fmt.Sprintf("%d.%d.%d-%d.el%d_%d", pkg%5, pkg%23, pkg%7, pkg%11+which, 8+distribution, which), Ecosystem: fmt.Sprintf("AlmaLinux:%d", 8+distribution),
		Source: name, Arch: []string{"x86_64", "noarch"}[pkg%2],
	}
}

var syllables = []string{"lib", "perl", "xml", "gtk", "net", "sys", "core", "tls", "font", "py", "dev", "kde", "sql", "boost", "audio", "zip"}

func bytesName(n uint64) string {
	out := ""
	for range 4 {
		out += syllables[n%16] + "-"
		n /= 16
	}
	return out + strconv.FormatUint(n, 10)
}

func bytesReport(n, round int, drift bool) device.Submission {
	image := n % bytesImages
	own := rand.New(rand.NewPCG(uint64(n), uint64(round)))
	made := rand.New(rand.NewPCG(uint64(image), 99))
	if drift {
		made = rand.New(rand.NewPCG(uint64(n), 99))
	}
	steady := rand.New(rand.NewPCG(uint64(n), 100))
	b := bytesBody{
		AgentType: "persistent", HostName: fmt.Sprintf("host-%06d", n), Hardware: fmt.Sprintf("HW-%08d", n), Serial: fmt.Sprintf("%016x", steady.Uint64()),
		Scan: fmt.Sprintf("2026-03-01T09:%02d:%02dZ", own.IntN(60), own.IntN(60)), MAC: fmt.Sprintf("%012x", steady.Uint64()>>16),
	}
	chosen := made.Perm(bytesPool)[:bytesPackages]
	slices.Sort(chosen)
	for _, pkg := range chosen {
		which := made.IntN(4)
		if steady.IntN(33) == 0 {
			which = steady.IntN(4)
		}
		b.Packages = append(b.Packages, bytesVersion(own, image%3, pkg, which))
	}
	for range 5 {
		b.Packages = append(b.Packages, bytesVersion(own, 3, steady.IntN(bytesPool), steady.IntN(4)))
	}
	b.Packages[own.IntN(bytesPackages)].Version = fmt.Sprintf("9.%d", round)
	body, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return device.Submission{Digest: sha256.Sum256(body), Body: body, Decode: func() (*posture.Report, error) { return decodeBytes(body) }}
}

func decodeBytes(body []byte) (*posture.Report, error) {
	var b bytesBody
	err := json.Unmarshal(body, &b)
	r := &posture.Report{AgentType: b.AgentType, HostName: b.HostName, HardwareID: b.Hardware, Serial: b.Serial, OS: posture.OS{Family: posture.Linux, Name: "AlmaLinux"}}
	for _, p := range b.Packages {
		r.Applications = append(r.Applications, posture.Application{Name: p.Name, Version: p.Version, Ecosystem: p.Ecosystem})
	}
	return r, err
}

// bytesJudge finds a vulnerability in about half of all packages.
type bytesJudge struct{}

func (bytesJudge) Version(posture.PolicyRef, posture.GroupID) string { return "1" }

func (bytesJudge) Judge(_ context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	v := posture.Verdict{Status: posture.StatusCompliant, Issues: []posture.Issue{}, Findings: []posture.Finding{}, Catalogue: "c", Judged: now, Policy: "1.1"}
	for i := range s.Report.Applications {
		a := &s.Report.Applications[i]
		h := fnv.New32a()
		h.Write([]byte(a.Name + a.Version))
		n := h.Sum32()
		if n%2 == 0 {
			continue
		}
		score := float64(n % 100)
		f := posture.Finding{
			ID: fmt.Sprintf("ALSA-2025:%05d", n%40000), CVEs: []string{fmt.Sprintf("CVE-2025-%05d", n%50000)}, Product: a.Name, Version: a.Version,
			Fixed: a.Version + ".1", Feed: "almalinux", Package: a.Name, Ecosystem: a.Ecosystem,
			Scores: [3]float64{score, -1, score / 10}, Levels: posture.Levels{posture.Level(n % 5), 0, posture.Level(n % 4)},
		}
		v.Findings = append(v.Findings, f)
	}
	return v, nil
}
