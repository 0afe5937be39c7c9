// Package devinfo is the cross-domain API of an agent: web pages that an administrator allowed may ask it, in the browser
// of the machine that it runs on, which device that is. It listens on the loopback addresses only.
package devinfo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// DefaultPort is the port of agents that are told none.
const DefaultPort = 11369

// Settings are what the machine's administrator decides.
type Settings struct {
	// Origins of the pages that may ask: "https://portal.example.net". Without one nobody is told anything.
	Origins []string
	// CertFile and KeyFile are a certificate and its key in PEM form; without them the agent makes its own, in StateDir.
	CertFile, KeyFile string
	StateDir          string
	Now               func() time.Time
	Log               *slog.Logger
}

// Wanted is what the server wants, and what there is to tell.
type Wanted struct {
	Enabled  bool
	Port     int    // 0 for the usual one
	DeviceID string // "" while the machine is not enrolled
}

// Door opens and closes as the server wants. Its methods are for one goroutine.
type Door struct {
	settings Settings
	asked    *asked
	certs    *certificates
	at       int // the port that is open; 0 for none
	close    func()
}

// New makes a door that is closed. It fails when the settings make no sense.
func New(s Settings) (*Door, error) {
	a, err := newAsked(s.Origins)
	if err != nil {
		return nil, err
	}
	return &Door{settings: s, asked: a, certs: &certificates{settings: &s}, close: func() {}}, nil
}

// Become opens the door, closes it, or moves it to another port, where it is not as wanted already. What goes wrong is
// logged, and tried again at the next call.
func (d *Door) Become(w Wanted) {
	d.asked.tell(w.DeviceID)
	port := 0
	if w.Enabled {
		port = w.Port
		if port == 0 {
			port = DefaultPort
		}
	}
	if port == d.at {
		return
	}
	d.Close()
	if port == 0 {
		return
	}
	stop, err := d.open(port)
	if err != nil {
		d.settings.Log.Warn("pages cannot ask which device this is", "port", port, "error", err)
		return
	}
	d.at, d.close = port, stop
	d.settings.Log.Info("pages of the allowed origins may ask which device this is", "port", port, "origins", d.settings.Origins)
}

// Close closes the door, and gives the port back before it returns.
func (d *Door) Close() {
	d.close()
	d.at, d.close = 0, func() {}
}

// Bounds of what anybody on the machine may do to the agent.
const (
	maxConnections = 32 // at each of the two addresses
	maxHeader      = 16 << 10
	patience       = 5 * time.Second
	idle           = 30 * time.Second
)

// open listens, and gives what ends that.
func (d *Door) open(port int) (func(), error) {
	certs, err := d.certs.config()
	if err != nil {
		return nil, err
	}
	listeners, err := listen(port)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{
		Handler: d.asked.handler(d.certs.names), TLSConfig: certs, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: idle,
		ErrorLog:     slog.NewLogLogger(d.settings.Log.Handler(), slog.LevelDebug), // browsers that do not trust the certificate
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},     // HTTP/1.1 does for one question
	}
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			err := srv.ServeTLS(bounded(l), "", "")
			if !errors.Is(err, http.ErrServerClosed) {
				d.settings.Log.Warn("pages cannot ask any more which device this is", "error", err)
			}
		})
	}
	return func() {
		_ = srv.Close() // of the connections that it breaks off none matters
		serving.Wait()
	}, nil
}

// listen takes the port at both loopback addresses. A machine may lack IPv6.
func listen(port int) ([]net.Listener, error) {
	var config net.ListenConfig
	on := func(host string) (net.Listener, error) {
		return config.Listen(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	}
	four, err := on("127.0.0.1")
	if err != nil {
		return nil, fmt.Errorf("the port cannot be taken: %w", err)
	}
	out := []net.Listener{four}
	if six, err := on("::1"); err == nil {
		out = append(out, six)
	}
	return out, nil
}

// bounded lets only so many connections be open at once; the next waits until one ends.
func bounded(l net.Listener) net.Listener {
	return &limited{Listener: l, room: make(chan struct{}, maxConnections), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	room   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &counted{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
