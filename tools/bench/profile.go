package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"

	"muster/internal/app"
	"muster/tools/process"
)

// profiledMode makes this program a Muster server that can be told, on its standard input, to profile itself: Muster
// has no such switch of its own.
const profiledMode = "serve-profiled"

// serveProfiled runs the server. A line on standard input names the file that a profile goes to; an empty line ends the
// profile. Each is acknowledged with a line on standard output.
func serveProfiled(ctx context.Context, args []string) error {
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			err := profileInto(lines.Text())
			fmt.Println("done", err)
		}
	}()
	if code := app.Main(ctx, args, os.Stderr, os.Stderr); code != 0 {
		return fmt.Errorf("the server ended with code %d", code)
	}
	return nil
}

func profileInto(name string) error {
	if name == "" {
		pprof.StopCPUProfile()
		return nil
	}
	f, err := os.Create(name) // stays open until the process ends: the profile is written when it stops
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

// beginProfile has the server profile itself, if profiles are wanted, until the returned function is called.
func (b *bench) beginProfile(c *process.Server, name string) (end func() error, err error) {
	if b.profile == "" {
		return func() error { return nil }, nil
	}
	name = strings.NewReplacer(" ", "-", ",", "", "/", "-", "(", "", ")", "").Replace(name)
	return func() error { return tell(c, "") }, tell(c, filepath.Join(b.profile, name+".pprof"))
}

// tell sends a line to a profiled server, and waits until it has acted on it.
func tell(c *process.Server, line string) error {
	_, err := fmt.Fprintln(c.Stdin, line)
	if err != nil {
		return err
	}
	if !c.Lines.Scan() || c.Lines.Text() != "done <nil>" {
		return errors.New("the server could not be profiled: " + c.Lines.Text())
	}
	return nil
}
