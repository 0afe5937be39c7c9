// Command bench measures what Muster's budgets are about: the processor time that one request costs the server and its
// database together, with many clients at once, on SQLite and on PostgreSQL, for fleets of different sizes. It writes
// the result as a table into docs/performance.md.
//
//	go run ./tools/bench                         1 000 and 100 000 devices, both engines
//	go run ./tools/bench -devices 1000,1000000   a million, beside the smallest fleet for comparison
//	go run ./tools/bench -devices 1000000 -engines sqlite -soak 10m
//	                                             a million devices that live for ten minutes, in place of the table
//	go run ./tools/bench -devices 1000 -rows ping,report -profile /tmp/profiles -out ''
//
// The server is the real program in a process of its own, on a loopback port; PostgreSQL is a throw-away cluster that
// writes durably. What a request costs is read from the process accounting of the operating system, so the figures
// hold on a machine with busy neighbours, and the load generator, being another process, is not in them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// options are what the flags say.
type options struct {
	root        string // of the module
	sizes       []int
	engines     []string
	rows        *regexp.Regexp
	connections int
	window      time.Duration // processor time to measure for
	longest     time.Duration // wall-clock that a row may take
	profile     string
	out         string
	json        string
	soaking     soakOptions
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := mainMode(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// mainMode is the benchmark itself or, in the processes that it starts, one of the servers it measures.
func mainMode(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case floorMode:
			return serveFloor(ctx)
		case profiledMode:
			return serveProfiled(ctx, args[1:])
		}
	}
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return benchmark(ctx, o)
}

func parse(args []string) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := fs.String("devices", "1000,100000", "sizes of the fleet")
	engines := fs.String("engines", "sqlite,postgres", "databases")
	rows := fs.String("rows", "", "measure only rows whose name matches this regular expression")
	fs.IntVar(&o.connections, "connections", 32, "connections that call at once")
	fs.DurationVar(&o.window, "window", 5*time.Second, "processor time to measure each row for")
	fs.DurationVar(&o.longest, "longest", 2*time.Minute, "wall-clock that the measuring of a row may take")
	fs.StringVar(&o.profile, "profile", "", "write a processor profile of the server for each row into this `directory`; the figures are then not written to -out")
	fs.StringVar(&o.out, "out", "docs/performance.md", "file with the table; empty for none")
	fs.StringVar(&o.json, "json", "", "also write the figures as JSON to this file, - for standard output")
	o.soaking.flags(fs)
	err := fs.Parse(args)
	if err != nil {
		return nil, err
	}
	o.rows, err = regexp.Compile(*rows)
	if err != nil {
		return nil, err
	}
	o.engines = strings.Split(*engines, ",")
	o.sizes, err = parseSizes(*sizes)
	if err != nil {
		return nil, err
	}
	if o.profile != "" {
		err = os.MkdirAll(o.profile, 0o755)
		if err != nil {
			return nil, err
		}
	}
	if o.profile != "" || *rows != "" {
		o.out = "" // part of a table, or figures that the profiler slowed down, are not for the file
	}
	o.root, err = moduleRoot()
	return o, err
}

func parseSizes(list string) ([]int, error) {
	var sizes []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < baseSize || n%baseSize != 0 {
			return nil, fmt.Errorf("-devices: %q is not a multiple of %d", text, baseSize)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// moduleRoot is the nearest directory upwards that holds go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("run it inside the module")
		}
		dir = filepath.Dir(dir)
	}
}

// benchmark measures everything that was asked for, then writes it down.
func benchmark(ctx context.Context, o *options) (err error) {
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir, machine: describeMachine(ctx, o.root)}
	b.program, err = b.build(ctx)
	if err != nil {
		return err
	}
	if o.soaking.length > 0 {
		return b.soakAll(ctx)
	}
	err = b.measureFloors(ctx)
	for _, engine := range o.engines {
		for _, size := range o.sizes {
			if err == nil {
				err = b.measureFleet(ctx, engine, size)
			}
		}
	}
	if err != nil {
		return err
	}
	return b.write()
}

// bench is one run.
type bench struct {
	*options
	dir     string // everything temporary
	program string // the server
	machine machine
	results []result
}

// result is one measured row.
type result struct {
	Row      string  `json:"row"`
	Engine   string  `json:"engine,omitempty"`
	Devices  int     `json:"devices,omitempty"`
	Millis   float64 `json:"cpu_ms"`        // processor time of server and database for one request
	Server   float64 `json:"cpu_ms_server"` // the server's part of it
	Budget   float64 `json:"budget_ms,omitempty"`
	Requests int64   `json:"requests"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
}

func (b *bench) add(r result) {
	b.results = append(b.results, r)
	fmt.Fprintf(os.Stderr, "%-8s %9d  %-34s %8.4f ms (server %.4f)  budget %-6v  %8d requests  p50 %.2f p99 %.2f ms\n",
		r.Engine, r.Devices, r.Row, r.Millis, r.Server, r.Budget, r.Requests, r.P50, r.P99)
}
