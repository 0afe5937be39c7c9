// Package process runs a Muster server in a process of its own, as those who measure it and those who kill it need it,
// and reads what a process uses.
package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Build makes the real program from the module at a folder.
func Build(ctx context.Context, root, program string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/muster")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return nil
}

// Server is a server in a process of its own.
type Server struct {
	Cmd   *exec.Cmd
	Addr  string // where it listens
	Stdin io.WriteCloser
	Lines *bufio.Scanner // of its standard output
	ended chan error
}

// patience is how long a server may take to start or to leave.
const patience = time.Minute

// Start starts a server and waits until it listens. It says where in a line of its log.
func Start(program string, args ...string) (*Server, error) {
	s := &Server{Cmd: exec.Command(program, args...), ended: make(chan error, 1)}
	log, err := s.Cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := s.Cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.Lines = bufio.NewScanner(stdout)
	s.Stdin, err = s.Cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	err = s.Cmd.Start()
	if err != nil {
		return nil, err
	}
	listening := make(chan string, 1)
	go s.watch(log, listening)
	select {
	case s.Addr = <-listening:
		return s, nil
	case err = <-s.ended:
		return nil, fmt.Errorf("the server ended at once: %w", err)
	case <-time.After(patience):
		return nil, errors.Join(errors.New("the server does not listen"), s.Cmd.Process.Kill())
	}
}

// watch reads the server's log to its end, and passes on what is not as usual.
func (s *Server) watch(log io.Reader, listening chan<- string) {
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
	s.ended <- s.Cmd.Wait()
}

// Stop asks the server to leave in order, and waits until it has.
func (s *Server) Stop() error {
	err := s.Cmd.Process.Signal(os.Interrupt)
	if err != nil {
		return err
	}
	select {
	case err = <-s.ended:
		return err
	case <-time.After(patience):
		return errors.Join(errors.New("the server does not stop"), s.Cmd.Process.Kill())
	}
}

// Kill ends the server without giving it a chance to tidy up, and waits until it is gone.
func (s *Server) Kill() error {
	err := s.Cmd.Process.Kill()
	if err != nil {
		return err
	}
	err = <-s.ended
	if err == nil {
		return errors.New("the server ended by itself")
	}
	return nil
}
