package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"muster/internal/admin"
	"muster/internal/api"
	"muster/internal/catalogue"
	"muster/internal/config"
	"muster/internal/errs"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/jobs"
	"muster/internal/oauth"
	"muster/internal/ratelimit"
	"muster/internal/reference"
	"muster/internal/signature"
	"muster/internal/store"
	"muster/internal/web"
	"muster/internal/webhook"
)

// listenFlags are the flags of the commands that listen.
type listenFlags struct {
	Listen        string `help:"Address to listen on." default:"127.0.0.1:8080" placeholder:"ADDR"`
	RateLimit     int    `help:"OAuth calls a minute, by account and operation; 0 is off." default:"10" placeholder:"N"`
	MetricsListen string `help:"Serve /metrics, /healthz and /readyz on a listener of their own." placeholder:"ADDR"`
	TLSCert       string `name:"tls-cert" help:"Certificate chain in PEM form; read again when the file changes." placeholder:"FILE"`
	TLSKey        string `name:"tls-key" help:"Key of the certificate in PEM form." placeholder:"FILE"`
	BehindProxy   string `help:"Something in front ends TLS; believe the forwarding headers of these networks." placeholder:"NETWORKS"`
	KeepEvents    int    `help:"Days for which the record of events is kept; 0 is for good." default:"90" placeholder:"DAYS"`

	WebhookAllowPrivate string `help:"Let webhooks be sent to these networks, which are not public." placeholder:"NETWORKS"`

	FeedsFolder string        `help:"Import feeds of vulnerabilities from this folder when its files change." placeholder:"DIR"`
	FeedsEvery  time.Duration `help:"How often to look into that folder." default:"1h" placeholder:"DURATION"`
	feedAges    `embed:""`
	feedKeys    `embed:""`

	BaseURL string `name:"base-url" help:"Address under which people reach the server, for links." placeholder:"URL"`
}

func (f *listenFlags) config(g *globals) config.Server {
	return config.Server{
		Database: g.database(), Listen: f.Listen, MetricsListen: f.MetricsListen,
		RateLimit: f.RateLimit, TLSCert: f.TLSCert, TLSKey: f.TLSKey, BehindProxy: f.BehindProxy,
		KeepEvents: f.KeepEvents, BaseURL: strings.TrimSuffix(f.BaseURL, "/"),
		WebhookAllowPrivate: f.WebhookAllowPrivate,
		FeedsFolder:         f.FeedsFolder, FeedsEvery: f.FeedsEvery, FeedMaxAge: f.FeedMaxAge, FeedKeys: f.FeedKeys,
	}
}

type serveCommand struct {
	listenFlags `embed:""`
}

// Run serves until the context ends.
func (c *serveCommand) Run(env *environment) error {
	cfg := c.config(env.globals)
	srv, err := newServer(env.ctx, cfg, env.log)
	if err != nil {
		return err
	}
	err = srv.welcome(env)
	if err != nil {
		return errors.Join(err, srv.close())
	}
	return srv.run(env.ctx)
}

// server is the whole program, listening.
type server struct {
	*services
	cfg     config.Server
	log     *slog.Logger
	lock    *flock.Flock // nil with PostgreSQL
	metrics *metrics
	ages    catalogue.Ages // of feeds
	// feedKeys are those of whose bundles in the folder of feeds are used.
	feedKeys []ed25519.PublicKey
	mirrored map[string]string // input that was last imported from there, by path
	http     []*http.Server
	listen   []net.Listener

	stopWithin, closeWithin time.Duration
}

const (
	// stopWithin is how long requests that were accepted may take to finish after the signal to stop.
	stopWithin = 20 * time.Second
	// closeWithin is how long storing the rest and closing the database may take after that. A database that hangs must
	// not keep the process.
	closeWithin = 5 * time.Second
)

// newServer checks the configuration, opens the database and listens; it answers nobody before run.
func newServer(ctx context.Context, cfg config.Server, log *slog.Logger) (*server, error) {
	err := cfg.Validate()
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, log: log, stopWithin: stopWithin, closeWithin: closeWithin}
	s.ages, err = catalogue.ParseAges(cfg.FeedMaxAge)
	if err != nil {
		return nil, err
	}
	s.feedKeys, err = readKeys(cfg.FeedKeys, signature.Feeds)
	if err != nil {
		return nil, err
	}
	err = s.acquire()
	if err != nil {
		return nil, err
	}
	s.services, err = openServices(ctx, cfg.Database, log, created)
	if err != nil {
		return nil, errors.Join(err, s.release())
	}
	err = s.ensureBuiltin(ctx)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	networks, err := cfg.WebhookNetworks()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.allowWebhooks(networks)
	s.metrics = newMetrics(s.services, log)
	err = s.bind(ctx)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// acquire keeps a second server off an embedded database: their caches and limits would not know of each other.
func (s *server) acquire() error {
	if s.cfg.URL != "" {
		return nil
	}
	err := makeDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	s.lock = flock.New(filepath.Join(s.cfg.Dir, "muster.lock"))
	got, err := s.lock.TryLock()
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "The data directory %s cannot be locked", s.cfg.Dir)
	}
	if !got {
		return errs.New(errs.Conflict, "Another muster server runs on %s; use PostgreSQL for several servers", s.cfg.Dir)
	}
	return nil
}

func (s *server) release() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Unlock()
}

// bind listens on every address of the configuration.
func (s *server) bind(ctx context.Context) error {
	proxies, err := s.cfg.Proxies()
	if err != nil {
		return err
	}
	// Behind a proxy everybody's calls come from its address: nothing tells who may read the metrics.
	open := config.Loopback(s.cfg.Listen) && s.cfg.BehindProxy == ""
	main := &web.Server{Next: s.watched(s.doors(), open), Log: s.log, Observe: s.metrics.observe, Proxies: proxies}
	err = s.bindOne(ctx, s.cfg.Listen, main, s.cfg.TLS())
	if err != nil || s.cfg.MetricsListen == "" {
		return err
	}
	side := &web.Server{Next: s.watched(http.HandlerFunc(nothing), true), Log: s.log, Proxies: proxies}
	return s.bindOne(ctx, s.cfg.MetricsListen, side, false)
}

func (s *server) bindOne(ctx context.Context, addr string, h http.Handler, tls bool) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "Cannot listen on %s", addr)
	}
	srv := &http.Server{
		Handler: h, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// A client that dawdles must not hold a connection for good; an agent on a poor line may take its minute.
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 3 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		// "OPTIONS *" names nothing here, and is answered like everything else that does not.
		DisableGeneralOptionsHandler: true,
	}
	if tls {
		srv.TLSConfig, err = reloadingTLS(s.cfg.TLSCert, s.cfg.TLSKey, s.log)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	s.http, s.listen = append(s.http, srv), append(s.listen, ln)
	return nil
}

// doors is the site map.
func (s *server) doors() *web.Mux {
	limiter := &ratelimit.Limiter{Source: s.limits(), Now: time.Now}
	return web.NewMux(
		oauth.New(s.identity),
		api.New(api.Deps{
			Authenticator: s.identity, Limiter: limiter, Devices: s.devices, RateLimit: s.cfg.RateLimit, BaseURL: s.baseURL,
			Pages:    s.pages(),
			Policies: s.policies, Private: s.private,
		}),
		gears.New(gears.Deps{
			Devices: s.devices, Accounts: s.identity, Guard: newCodeGuard(time.Now), BaseURL: s.baseURL,
			Settings: s.agentSettings, Checks: s.agentChecks,
		}),
		admin.New(admin.Deps{
			Authenticator: s.identity, Limiter: limiter, Accounts: s.identity, Devices: s.devices, Policies: s.policies, Runs: s.runs,
			Webhooks: s.webhooks, Operators: s.operators, Explain: s.explain, RateLimit: s.cfg.RateLimit,
			Risks: s.risks, Said: s.said, ExplainVulnerability: s.explainVulnerability,
		}),
		reference.New(),
	)
}

func (s *server) limits() ratelimit.Source {
	if s.store.SharedLimits() {
		return store.NewLimits(s.store)
	}
	return ratelimit.NewMemory(1 << 16)
}

// pages remembers where pages of lists begin; nil lets the door do it in memory.
func (s *server) pages() api.Pages {
	if s.store.SharedLimits() {
		return store.NewPages(s.store)
	}
	return nil
}

// baseURL gives the address under which the client reached the server.
func (s *server) baseURL(r *http.Request) string {
	if s.cfg.BaseURL != "" {
		return s.cfg.BaseURL
	}
	scheme := "http"
	if s.cfg.TLS() || s.cfg.BehindProxy != "" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// run serves until ctx ends, then finishes what was accepted, stores what is in memory, and closes the database.
func (s *server) run(ctx context.Context) error {
	failed := make(chan error, len(s.http))
	for i := range s.http {
		go func() { failed <- s.serveOne(i) }()
	}
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	working.Go(func() { s.devices.Run(background) })
	working.Go(func() { s.deliverer().Run(background) })
	working.Go(func() { s.runner().Run(background, s.runs.Added()) })
	working.Go(func() { jobs.New(s.store, s.log, time.Now, s.jobs()...).Run(background) })
	s.log.Info("listening", "address", s.addr(), "tls", s.cfg.TLS(), "database", s.store.Engine(), "version", Version)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.log.Info("stopping")
	err = errors.Join(err, s.shutdown(context.WithoutCancel(ctx)))
	stopBackground()
	err = errors.Join(err, s.closeAfter(working.Wait))
	s.log.Info("stopped")
	return err
}

// deliverer sends what webhooks are to be told.
func (s *server) deliverer() *webhook.Deliverer {
	return webhook.NewDeliverer(webhook.DelivererOptions{
		Outbox: s.store, Sender: s.sender, Wake: s.store.Outbox(), Observe: s.metrics.observeWebhook, Log: s.log,
	})
}

func (s *server) serveOne(i int) error {
	var err error
	if s.http[i].TLSConfig != nil {
		err = s.http[i].ServeTLS(s.listen[i], "", "")
	} else {
		err = s.http[i].Serve(s.listen[i])
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving %s: %w", s.listen[i].Addr(), err)
}

func (s *server) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.stopWithin)
	defer cancel()
	var all []error
	for _, srv := range s.http {
		err := srv.Shutdown(ctx)
		if err != nil {
			err = errs.Wrap(errs.Unavailable, errors.Join(err, srv.Close()), "Requests were broken off that did not finish within %v", s.stopWithin)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// close gives up everything that newServer took.
func (s *server) close() error { return s.closeAfter(func() {}) }

// closeAfter closes once wait returns. If that takes too long it is left behind undone, for the process to end without.
func (s *server) closeAfter(wait func()) error {
	closed := make(chan error, 1)
	go func() {
		wait()
		closed <- s.closeAll()
	}()
	limit := time.NewTimer(s.closeWithin)
	defer limit.Stop()
	select {
	case err := <-closed:
		return err
	case <-limit.C:
		s.log.Error("the database does not close; leaving without it", "waited", s.closeWithin.String())
		return errs.New(errs.Unavailable, "The database did not close within %v; what was answered is stored", s.closeWithin)
	}
}

func (s *server) closeAll() error {
	var all []error
	for _, ln := range s.listen {
		err := ln.Close()
		if !errors.Is(err, net.ErrClosed) {
			all = append(all, err)
		}
	}
	return errors.Join(append(all, s.services.close(), s.release())...)
}

// addr gives the address that is listened on.
func (s *server) addr() string { return s.listen[0].Addr().String() }

// url gives the address of the server for a person on this machine.
func (s *server) url() string {
	if s.cfg.TLS() {
		return "https://" + s.addr()
	}
	return "http://" + s.addr()
}

// welcome makes an account in an empty database, and says what to do next. It turns the demo's data away.
func (s *server) welcome(env *environment) error {
	accounts, err := s.identity.ListAccounts(env.ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(accounts, func(a identity.Account) bool { return a.LicenseKey == demoLicenseKey }) {
		return errs.New(errs.Conflict, "This is the data of 'muster demo', whose tokens everybody knows: run 'muster demo' on it, or serve another database")
	}
	if len(accounts) > 0 {
		return nil
	}
	a, err := s.identity.CreateAccount(env.ctx, identity.NewAccount{Name: "Default", DevicesAllowed: defaultDevicesAllowed})
	if errs.Is(err, errs.Conflict) {
		return nil // another server was quicker
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, `This is a new database. It has one account now.

  account            %s
  licence key        %s
  registration code  %s   (agents enrol with it)

Make an OAuth application for a program that shall use the API:

  muster app create --name "My program" --permission read%s

`, a.Name, a.LicenseKey, a.RegistrationCode, env.globals.again())
	return err
}

// again gives the flags that lead another command to the same database; a password stays out of it.
func (g *globals) again() string {
	if g.Database != "" {
		return " --database …"
	}
	return " --data " + g.Data
}
