package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// foundSome is the exit code of a govulncheck that found something.
const foundSome = 3

// The program under test calls one function of the standard library, so it needs no module from anywhere. Of the two
// records, one is about that function, and the other about one of the same package that the program does not call.
const (
	program = `// Command victim calls what the made-up vulnerability is in.
package main

import "text/tabwriter"

func main() { new(tabwriter.Writer).Flush() }
`
	programMod = "module victim\n\ngo 1.21\n"

	madeUp = `{"schema_version":"1.3.1","id":"%s","modified":"2026-01-01T00:00:00Z","published":"2026-01-01T00:00:00Z",
"summary":"made up","details":"made up, to see that it is found","affected":[{"package":{"name":"stdlib","ecosystem":"Go"},
"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"ecosystem_specific":{"imports":[{"path":"text/tabwriter",
"symbols":["%s"]}]}}],"database_specific":{"url":"made up","review_status":"REVIEWED"}}`
)

// check runs govulncheck on a program that is vulnerable, which it must find, and on the same program with a database
// that knows of nothing it calls, which it must not. Otherwise a check that always passes would pass for a good one.
func check(govulncheck string) error {
	govulncheck, err := filepath.Abs(govulncheck)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "vulndb-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing depends on it
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "go.mod"), []byte(programMod), 0o644),
		os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o644),
	); err != nil {
		return err
	}
	for _, c := range []struct {
		symbol string
		want   int
	}{
		{"Writer.Flush", foundSome},
		{"NewWriter", 0},
	} {
		db := newDatabase(filepath.Join(dir, "db", c.symbol))
		if err := db.add(fmt.Appendf(nil, madeUp, "GO-0000-0001", c.symbol), time.Time{}); err != nil {
			return err
		}
		if err := db.finish(); err != nil {
			return err
		}
		if err := expect(c.want, govulncheck, dir, db.dir); err != nil {
			return fmt.Errorf("a vulnerability in %s: %w", c.symbol, err)
		}
	}
	fmt.Println("vulndb: the check finds what it should, and only that")
	return nil
}

// expect runs govulncheck in dir with the database db and compares its exit code.
func expect(want int, govulncheck, dir, db string) error {
	cmd := exec.Command(govulncheck, "-db", "file://"+filepath.ToSlash(db), "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return err
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("govulncheck ended with %d, want %d\n%s", got, want, &out)
	}
	return nil
}
