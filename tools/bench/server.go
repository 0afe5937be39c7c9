package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// floorMode makes this program the server that answers next to nothing.
const floorMode = "serve-floor"

// build makes the real program. Profiles need its symbols, so the server is this program itself in their case.
func (b *bench) build(ctx context.Context) (string, error) {
	if b.profile != "" {
		return os.Executable()
	}
	program := filepath.Join(b.dir, "muster")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/muster")
	cmd.Dir, cmd.Env = b.root, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return program, nil
}

// child is a server in a process of its own.
type child struct {
	cmd   *exec.Cmd
	addr  string
	stdin io.WriteCloser
	lines *bufio.Scanner // of its standard output
	ended chan error
}

// start starts a server and waits until it listens. It says where in a line of its log.
func start(program string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(program, args...), ended: make(chan error, 1)}
	log, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.lines = bufio.NewScanner(stdout)
	c.stdin, err = c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	err = c.cmd.Start()
	if err != nil {
		return nil, err
	}
	listening := make(chan string, 1)
	go c.watch(log, listening)
	select {
	case c.addr = <-listening:
		return c, nil
	case err = <-c.ended:
		return nil, fmt.Errorf("the server ended at once: %w", err)
	case <-time.After(time.Minute):
		return nil, errors.Join(errors.New("the server does not listen"), c.cmd.Process.Kill())
	}
}

// watch reads the server's log to its end, and passes on what is not as usual.
func (c *child) watch(log io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Level, Msg, Address string }
		err := json.Unmarshal(lines.Bytes(), &line)
		if err == nil && line.Msg == "listening" {
			listening <- line.Address
		}
		if err != nil || line.Level == "ERROR" || line.Level == "WARN" {
			fmt.Fprintln(os.Stderr, "server:", lines.Text())
		}
	}
	c.ended <- c.cmd.Wait()
}

// stop asks the server to leave in order, and waits until it has.
func (c *child) stop() error {
	err := c.cmd.Process.Signal(os.Interrupt)
	if err != nil {
		return err
	}
	select {
	case err = <-c.ended:
		return err
	case <-time.After(time.Minute):
		return errors.Join(errors.New("the server does not stop"), c.cmd.Process.Kill())
	}
}

// serveFloor serves the two handlers that show what net/http alone costs.
func serveFloor(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		//nolint:errcheck // the caller sees that nothing comes
		json.NewEncoder(w).Encode(struct {
			Result int    `json:"result"`
			Msg    string `json:"msg"`
		}{1, "OK"})
	})
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "{\"msg\":\"listening\",\"address\":%q}\n", ln.Addr())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { srv.Close() }) //nolint:errcheck // nothing is lost with it
	defer stop()
	err = srv.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
