// Command mutation sees whether the tests of a package notice when its code is changed.
//
// It makes every small change (a condition turned round, a bound moved by one, a statement left out) at once, each behind
// a switch, compiles the tests a single time, and runs them once for each change. A change that no test notices survives
// and is printed: either a test is missing, or the change makes no difference. docs/mutation-testing.md tells of them.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	dir := flag.String("package", "", "folder of the package")
	workers := flag.Int("workers", 1, "how many changes to try at a time")
	timeout := flag.Duration("timeout", 30*time.Second, "how long the tests may take; longer counts as noticed")
	budget := flag.Duration("budget", 30*time.Minute, "how long all of it may take; what is left is not tried")
	only := flag.String("only", "", "a regular expression of the changes to try; without it, all")
	known := flag.String("known", "", "a text that names surviving changes which are explained: only others are printed")
	flag.Parse()
	r := runner{args: flag.Args(), only: regexp.MustCompile(*only), timeout: *timeout, end: time.Now().Add(*budget), print: func(c change) { fmt.Println(c) }}
	if err := r.run(*dir, *known, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
	fmt.Printf("%d changes, %d tried, %d noticed, %d survived, of which %d are not explained\n",
		r.changes, r.tried, r.tried-r.survived, r.survived, r.news)
}

func (r *runner) run(dir, known string, workers int) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	changes, err := mutate(dir, temp)
	if err != nil {
		return err
	}
	r.dir, r.tests = dir, filepath.Join(temp, "tests")
	build := exec.Command("go", "test", "-c", "-overlay", filepath.Join(temp, "overlay.json"), "-o", r.tests, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling the changed package: %w\n%s", err, out)
	}
	r.explained, err = readKnown(known)
	if err != nil {
		return err
	}
	if noticed, out := r.try(0); noticed {
		return fmt.Errorf("the tests fail without any change:\n%s", out)
	}
	r.tryAll(changes, workers)
	r.changes = len(changes)
	return nil
}

// runner tries changes.
type runner struct {
	tests, dir string
	args       []string
	only       *regexp.Regexp
	timeout    time.Duration
	end        time.Time
	explained  map[string]bool
	print      func(change) // of what survived and is not explained

	mu                             sync.Mutex
	changes, tried, survived, news int
}

// try runs the tests with one change, and reports whether they notice.
func (r *runner) try(number int) (bool, []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.tests, append([]string{"-test.failfast"}, r.args...)...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "MUTATION="+strconv.Itoa(number))
	out, err := cmd.CombinedOutput()
	return err != nil, out
}

func (r *runner) tryAll(changes []change, workers int) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				noticed, _ := r.try(changes[i].number)
				r.note(changes[i], noticed)
			}
		})
	}
	for i := range changes {
		if r.only.MatchString(changes[i].String()) && time.Now().Before(r.end) {
			next <- i
		}
	}
	close(next)
	wg.Wait()
}

// note counts a change that was tried, and prints one that survived and is not explained.
func (r *runner) note(c change, noticed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried++
	if noticed {
		return
	}
	r.survived++
	if !r.explained[c.String()] {
		r.news++
		r.print(c)
	}
}

// readKnown reads the changes that stand in a text as lines of a code block.
func readKnown(file string) (map[string]bool, error) {
	out := make(map[string]bool)
	if file == "" {
		return out, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		out[strings.TrimSpace(lines.Text())] = true
	}
	return out, nil
}

// writeOverlay has the go command read the changed files in the place of the others.
func writeOverlay(temp string, replace map[string]string) error {
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(temp, "overlay.json"), text, 0o600)
}
