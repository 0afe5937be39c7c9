//go:build !unix

package testpg

// Server is a throw-away cluster. This system has none: name a server in MUSTER_TEST_POSTGRES.
type Server struct{}

// Start always answers ErrNotFound here.
func Start(...Option) (*Server, error) { return nil, ErrNotFound }

func findPrograms() (string, error) { return "", ErrNotFound }

// DSN is never called: there is no Server to call it on. So with all that follow.
func (s *Server) DSN() string { return "" }

// Running is never called.
func (s *Server) Running() bool { return false }

// PIDs is never called.
func (s *Server) PIDs() []int { return nil }

// Stop is never called.
func (s *Server) Stop() error { return ErrNotFound }

// Kill is never called.
func (s *Server) Kill() error { return ErrNotFound }

// Restart is never called.
func (s *Server) Restart() error { return ErrNotFound }

// Close is never called.
func (s *Server) Close() error { return ErrNotFound }
