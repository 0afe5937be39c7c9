package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/store"
	"muster/tools/fleet/latency"
	"muster/tools/process"
)

// soakOptions are what the flags say about a soak.
type soakOptions struct {
	length, outage time.Duration
	after          time.Duration
	ping, report   time.Duration
	changed        int // of a hundred reports
	keep           string
	fresh, tls     bool
}

func (o *soakOptions) flags(fs *flag.FlagSet) {
	fs.DurationVar(&o.length, "soak", 0, "in place of the table, have each device ping and report by the clock for so long, at least a minute")
	fs.DurationVar(&o.outage, "outage", 3*time.Second, "of a soak: kill the server after it, start it again after this time, and go on; 0 for not")
	fs.DurationVar(&o.after, "after", time.Minute, "of a soak: how long to go on then")
	fs.DurationVar(&o.ping, "ping", time.Minute, "of a soak: how often a device pings")
	fs.DurationVar(&o.report, "report", time.Hour, "of a soak: how often a device reports")
	fs.BoolVar(&o.fresh, "fresh", false, "of a soak: a connection of its own for each call")
	fs.BoolVar(&o.tls, "tls", false, "of a soak: over TLS")
	fs.StringVar(&o.keep, "keep", "", "of a soak on SQLite: leave the fleet in this `directory`, and take up the one that is there")
	fs.IntVar(&o.changed, "changed", 10, "of a soak: how many of a hundred reports say something new")
}

// soakAll soaks every fleet that was asked for.
func (b *bench) soakAll(ctx context.Context) error {
	for _, engine := range b.engines {
		for _, size := range b.sizes {
			err := b.soak(ctx, engine, size)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// soak is a fleet that lives: each device pings and reports by the clock, on few connections, whether the server keeps
// up or not.
type soak struct {
	*fleet
	bench   *bench
	options soakOptions
	program *process.Server
	devices []soaked
	began   time.Time
	kills   []time.Time
	roots   *x509.CertPool // of a server that speaks TLS
	phase   atomic.Int32
	figures [phases]figures
	callers []*soakCaller
	workers sync.WaitGroup
}

// The phases of a soak.
const (
	firstMinute = iota // after the start: the server has seen no device yet
	steady
	outage
	back // after it was started again
	phases
)

var phaseNames = [phases]string{"the first minute", "then", "the server is killed and away", "it is back"}

// figures are those of one phase.
type figures struct {
	pings, reports latency.Histogram // since a call was due
	served         latency.Histogram // since it was sent, pings and reports
	mu             sync.Mutex
	errors         map[string]int64
	// begin and end are readings at its ends.
	begin, end sample
}

func (f *figures) failed(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.errors == nil {
		f.errors = make(map[string]int64)
	}
	f.errors[kind]++
}

// sample is what the processes have used, and the database, at one moment.
type sample struct {
	at             time.Time
	server, client time.Duration
	memory, peak   int64
	database, wal  int64
	pings, reports int64
	late           time.Duration // of the call that was begun last on the connection that is most behind
}

// soak makes a fleet and has it live.
func (b *bench) soak(ctx context.Context, engine string, size int) (err error) {
	f, err := b.newFleet(ctx, engine, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	began := time.Now()
	s := &soak{fleet: f, bench: b, options: b.soaking}
	err = s.makeOrTake(ctx, b, size)
	if err != nil {
		return err
	}
	if s.options.keep == "" {
		defer os.RemoveAll(f.data) //nolint:errcheck // what is left lies among the temporary files
	}
	fmt.Fprintf(os.Stderr, "%s with %d devices is there, after %s\n", engine, size, time.Since(began).Round(time.Second))
	s.devices = make([]soaked, size)
	if s.options.tls {
		err = s.secure()
		if err != nil {
			return err
		}
	}
	err = s.remember(ctx)
	if err != nil {
		return err
	}
	err = s.run(ctx, b.connections)
	if err != nil {
		return err
	}
	s.print()
	return s.verify(ctx)
}

// run has the devices call through all phases. The server is killed after the soak, and once more at the end, while they
// call: what was answered has to be there all the same.
func (s *soak) run(ctx context.Context, connections int) error {
	err := s.start()
	if err != nil {
		return err
	}
	s.listen = s.program.Addr // it comes back at the same address
	calling, stop := context.WithCancel(ctx)
	s.began = time.Now()
	for k := range connections {
		c := newSoakCaller(s, s.listen, k, connections)
		s.callers = append(s.callers, c)
		s.workers.Go(func() { c.run(calling) })
	}
	err = s.live(ctx)
	err = errors.Join(err, s.kill())
	stop()
	s.workers.Wait()
	return err
}

func (s *soak) live(ctx context.Context) error {
	endProfile, err := s.bench.beginProfile(s.program, "soak")
	if err == nil {
		err = s.pass(ctx, firstMinute, time.Minute)
	}
	if err == nil {
		err = s.pass(ctx, steady, s.options.length-time.Minute)
	}
	err = errors.Join(err, endProfile())
	if err != nil || s.options.outage == 0 {
		return err
	}
	err = s.kill()
	if err == nil {
		err = s.pass(ctx, outage, s.options.outage)
	}
	if err == nil {
		err = s.start()
	}
	if err != nil {
		return err
	}
	return s.pass(ctx, back, s.options.after)
}

func (s *soak) start() (err error) {
	s.program, err = s.serve()
	return err
}

// kill kills the server, if it runs.
func (s *soak) kill() error {
	p := s.program
	s.program = nil
	if p == nil {
		return nil
	}
	s.kills = append(s.kills, time.Now())
	return p.Kill()
}

// pass lets a phase pass, and takes a sample every ten seconds.
func (s *soak) pass(ctx context.Context, phase int32, length time.Duration) error {
	if length <= 0 {
		return nil
	}
	f := &s.figures[phase]
	f.begin = s.sample()
	s.phase.Store(phase)
	end := time.After(length)
	every := time.NewTicker(10 * time.Second)
	defer every.Stop()
	before := f.begin
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
			now := s.sample()
			fmt.Fprintf(os.Stderr, "%4.0f s, %s: %s\n", time.Since(s.began).Seconds(), phaseNames[phase], now.since(&before))
			before = now
		case <-end:
			f.end = s.sample()
			return nil
		}
	}
}

func (s *soak) sample() sample {
	out := sample{at: time.Now()}
	out.client, _, _ = process.Usage(os.Getpid()) // a figure that cannot be read shows as 0
	if s.program != nil {
		m := s.meter(s.program)
		r, _ := m.read()
		out.server = r.total()
		out.memory, out.peak, _ = process.Memory(s.program.Cmd.Process.Pid)
	}
	if s.engine == "sqlite" {
		out.database, out.wal = fileSize(filepath.Join(s.data, store.FileName)), fileSize(filepath.Join(s.data, store.FileName+"-wal"))
	}
	for i := range s.figures {
		out.pings += s.figures[i].pings.Count()
		out.reports += s.figures[i].reports.Count()
	}
	for _, c := range s.callers {
		out.late = max(out.late, time.Duration(c.late.Load()))
	}
	return out
}

func fileSize(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// since says what happened between two samples.
func (s *sample) since(o *sample) string {
	seconds := s.at.Sub(o.at).Seconds()
	pings, reports := s.pings-o.pings, s.reports-o.reports
	calls := max(1, pings+reports)
	return fmt.Sprintf("%.0f pings/s, %.1f reports/s; processor %.2f of the server, %.2f of the client (%.4f and %.4f ms for each call); "+
		"%d MiB in memory (at most %d); database %.2f GB, log %.0f MB; %s late",
		float64(pings)/seconds, float64(reports)/seconds, (s.server-o.server).Seconds()/seconds, (s.client-o.client).Seconds()/seconds,
		perRequest(s.server-o.server, calls), perRequest(s.client-o.client, calls), s.memory>>20, s.peak>>20,
		float64(s.database)/1e9, float64(s.wal)/1e6, s.late.Round(time.Millisecond))
}

// print shows the phases.
func (s *soak) print() {
	fmt.Printf("%s, %d devices, a ping every %s and a report every %s of each, %d %% of the reports say something new\n",
		s.engine, len(s.devices), s.options.ping, s.options.report, s.options.changed)
	for i := range s.figures {
		f := &s.figures[i]
		if f.begin.at.IsZero() {
			continue
		}
		fmt.Printf("%s (%s): %s\n  ping since it was due:   %s\n  report since it was due: %s\n  any since it was sent:   %s\n  errors: %v\n",
			phaseNames[i], f.end.at.Sub(f.begin.at).Round(time.Second), f.end.since(&f.begin),
			f.pings.Summary(), f.reports.Summary(), f.served.Summary(), f.errors)
	}
}
