package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"path/filepath"
	"time"

	"muster/internal/catalogue"
	"muster/internal/store"
	"muster/internal/vuln"
)

// lookup measures what a report of 600 packages costs that are looked up: 400 with vulnerabilities, 200 with none.
func lookup(args []string) error {
	flags := flag.NewFlagSet("lookup", flag.ContinueOnError)
	data := flags.String("data", "", "directory of an SQLite database")
	space := flags.String("space", "AlmaLinux:9", "ecosystem to take packages of")
	err := flags.Parse(args)
	if err != nil {
		return err
	}
	ctx := context.Background()
	names, err := packagesOf(ctx, *data, *space)
	if err != nil {
		return err
	}
	st, err := store.Open(ctx, store.Options{Dir: *data})
	if err != nil {
		return err
	}
	defer st.Close() //nolint:errcheck // it was only read
	fmt.Println("| report | packages | with vulnerabilities | time |\n|---|---|---|---|")
	service := catalogue.New(catalogue.Options{Store: store.NewCatalogue(st)})
	for report := range min(5, len(names)/400) {
		var keys []vuln.Key
		for _, name := range names[report*400 : report*400+400] {
			keys = append(keys, vuln.Key{Space: *space, Name: name})
		}
		for i := range 200 {
			keys = append(keys, vuln.Key{Space: *space, Name: fmt.Sprintf("none-%d-%d", report, i)})
		}
		took, found, err := timed(ctx, service, keys, 1)
		if err != nil {
			return err
		}
		fmt.Printf("| %d, cold | %d | %d | %.1f ms |\n", report+1, len(keys), found, float64(took.Microseconds())/1000)
		took, found, err = timed(ctx, service, keys, 1000)
		if err != nil {
			return err
		}
		fmt.Printf("| %d, warm | %d | %d | %.3f ms |\n", report+1, len(keys), found, float64(took.Nanoseconds())/1e6)
	}
	return nil
}

func timed(ctx context.Context, service *catalogue.Service, keys []vuln.Key, times int) (took time.Duration, found int, err error) {
	began := time.Now()
	for range times {
		v, err := service.View(ctx)
		if err != nil {
			return 0, 0, err
		}
		groups, err := v.Groups(ctx, keys)
		if err != nil {
			return 0, 0, err
		}
		found = len(groups)
	}
	return time.Since(began) / time.Duration(times), found, nil
}

// packagesOf lists names of a space, spread over all that there are.
func packagesOf(ctx context.Context, data, space string) ([]string, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "muster.db")+"?mode=ro")
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	rows, err := db.QueryContext(ctx, "SELECT name FROM catalogue_keys WHERE space = ? ORDER BY id * 7919 % 10007 LIMIT 4000", space)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err below tells of it
	var out []string
	for rows.Next() {
		var name string
		err = rows.Scan(&name)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, rows.Err()
}
