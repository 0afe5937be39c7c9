// Command vulndb runs govulncheck without a network.
//
//	vulndb build ARCHIVE DIR       make a vulnerability database in DIR from a tar archive of OSV records
//	vulndb check GOVULNCHECK       see that the check can fail, on a program with a made-up vulnerability
//
// The database has the form that govulncheck reads from a file:// address: an index of modules, and a file for each
// record. The archive may be compressed in any way that tar on this machine can undo.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vulndb:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "build":
		return build(args[1], args[2])
	case len(args) == 2 && args[0] == "check":
		return check(args[1])
	}
	return errors.New("usage: vulndb build ARCHIVE DIR | vulndb check GOVULNCHECK")
}

func build(archive, dir string) error {
	db := newDatabase(dir)
	if err := readArchive(archive, db.add); err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	if err := db.finish(); err != nil {
		return err
	}
	fmt.Printf("vulndb: %d records about %d modules, as of %s\n", len(db.vulns), len(db.modules),
		db.newest.Format("2006-01-02"))
	return nil
}
