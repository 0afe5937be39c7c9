package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"muster/internal/testpg"
)

// run is what one import cost.
type run struct {
	seconds  float64
	cpu      time.Duration
	peak     int64 // bytes of memory
	database int64 // bytes, afterwards; 0 where it is elsewhere
	waits    [3]time.Duration
	result   struct {
		Feeds []struct {
			Name                      string
			Entries, Added, Unchanged int64
		}
	}
}

// measure builds the program and imports files one after the other, each in a process of its own.
func measure(args []string) error {
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	data := flags.String("data", "", "directory of an SQLite database")
	postgres := flags.Bool("postgres", false, "import into a PostgreSQL server that is made for it, in place of SQLite")
	err := flags.Parse(args)
	if err != nil {
		return err
	}
	url := ""
	if *postgres {
		cluster, err := testpg.Start(testpg.Durable(), testpg.Set("shared_buffers", "256MB"), testpg.Set("max_wal_size", "4GB"))
		if err != nil {
			return err
		}
		defer cluster.Close() //nolint:errcheck // it is thrown away
		url = cluster.DSN()
	}
	dir, err := os.MkdirTemp("", "feedgen-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is the system's temporary folder
	muster := filepath.Join(dir, "muster")
	ctx := context.Background()
	build := exec.CommandContext(ctx, "go", "build", "-o", muster, "./cmd/muster")
	build.Stderr = os.Stderr
	err = build.Run()
	if err != nil {
		return err
	}
	database := []string{"--data", *data}
	if url != "" {
		database = append(database, "--database", url)
	}
	err = exec.CommandContext(ctx, muster, append([]string{"migrate"}, database...)...).Run()
	if err != nil {
		return fmt.Errorf("making the database: %w", err)
	}
	fmt.Println("| input | entries | new | unchanged | time | processor time | peak memory | database | wait of another writer: half, 99 %, longest |\n|---|---|---|---|---|---|---|---|---|")
	for _, file := range flags.Args() {
		r, err := importOne(ctx, muster, append([]string{"feed", "import", "--json", file}, database...), *data, url)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		f := r.result.Feeds[0]
		fmt.Printf("| %s | %d | %d | %d | %.0f s | %.0f s | %d MiB | %d MiB | %d, %d, %d ms |\n", filepath.Base(file), f.Entries, f.Added, f.Unchanged, r.seconds,
			r.cpu.Seconds(), r.peak>>20, r.database>>20,
			r.waits[0].Milliseconds(), r.waits[1].Milliseconds(), r.waits[2].Milliseconds())
	}
	return nil
}

func importOne(ctx context.Context, muster string, args []string, data, url string) (run, error) {
	var out run
	var text strings.Builder
	cmd := exec.CommandContext(ctx, muster, args...)
	cmd.Stdout, cmd.Stderr = &text, os.Stderr
	other := &waits{stop: func() {}}
	if url == "" {
		other = beside(ctx, data)
	}
	began := time.Now()
	err := cmd.Start()
	if err != nil {
		return out, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case err = <-ended:
			waiting = false
		case <-tick.C:
			out.peak = max(out.peak, peakOf(cmd.Process.Pid))
		}
	}
	if err != nil {
		return out, err
	}
	other.stop()
	if other.err != nil {
		return out, other.err
	}
	out.waits = [3]time.Duration{other.at(50), other.at(99), other.at(100)}
	out.seconds = time.Since(began).Seconds()
	out.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	err = json.Unmarshal([]byte(text.String()), &out.result)
	if err == nil && len(out.result.Feeds) == 0 {
		err = errors.New("nothing was imported")
	}
	if err == nil {
		out.database, err = sizeOf(ctx, data, url)
	}
	return out, err
}

// sizeOf gives the bytes that a database takes.
func sizeOf(ctx context.Context, data, url string) (int64, error) {
	if url == "" {
		info, err := os.Stat(filepath.Join(data, "muster.db"))
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		return 0, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	var n int64
	err = db.QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&n)
	return n, err
}

// peakOf gives the most memory that a process has had, 0 once it has ended.
func peakOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		kib, ok := strings.CutPrefix(line, "VmHWM:")
		if ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}
