package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/internal/posture"
)

// inventoryWithin is how long the metrics wait for the database.
const inventoryWithin = 5 * time.Second

// inventory reads the metrics that come from the database when it is asked for them.
type inventory struct {
	read    func(context.Context) ([]prometheus.Metric, error)
	log     *slog.Logger
	within  time.Duration
	devices *prometheus.Desc
	bytes   *prometheus.Desc
	pending *prometheus.Desc
	age     *prometheus.Desc
	entries *prometheus.Desc

	mu      sync.Mutex
	current *reading // under way, or nil
}

// reading is one run of read.
type reading struct {
	done  chan struct{}
	found []prometheus.Metric
	err   error
}

func newInventory(s *services, log *slog.Logger) *inventory {
	c := &inventory{
		log: log, within: inventoryWithin,
		devices: prometheus.NewDesc("muster_devices", "Devices, by account and status.", []string{"account", "status"}, nil),
		bytes:   prometheus.NewDesc("muster_database_bytes", "Bytes that the database takes.", nil, nil),
		pending: prometheus.NewDesc("muster_webhook_pending", "Changes that wait for webhooks, by account.", []string{"account"}, nil),
		age:     prometheus.NewDesc("muster_feed_age_seconds", "Age of a feed of vulnerabilities: since when it is, as it says itself, or else since it was imported.", []string{"feed", "format"}, nil),
		entries: prometheus.NewDesc("muster_feed_entries", "Entries of a feed of vulnerabilities.", []string{"feed", "format"}, nil),
	}
	c.read = func(ctx context.Context) ([]prometheus.Metric, error) { return c.readFrom(ctx, s) }
	return c
}

// Describe implements prometheus.Collector.
func (c *inventory) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.devices
	ch <- c.bytes
	ch <- c.pending
	ch <- c.age
	ch <- c.entries
}

// Collect implements prometheus.Collector. What cannot be read is left out.
func (c *inventory) Collect(ch chan<- prometheus.Metric) {
	found, err := c.await(c.begin())
	if err != nil {
		c.log.Warn("the metrics lack devices and database: they cannot be read", "error", err)
		return
	}
	for _, m := range found {
		ch <- m
	}
}

// begin starts a reading unless one is under way: queries are not cancelled, and each request for the metrics must not
// leave another one waiting for a database that hangs.
func (c *inventory) begin() *reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		return c.current
	}
	r := &reading{done: make(chan struct{})}
	c.current = r
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.within)
		defer cancel()
		r.found, r.err = c.read(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.current = nil
		close(r.done)
	}()
	return r
}

func (c *inventory) await(r *reading) ([]prometheus.Metric, error) {
	limit := time.NewTimer(c.within)
	defer limit.Stop()
	select {
	case <-r.done:
		return r.found, r.err
	case <-limit.C:
		return nil, fmt.Errorf("the database did not answer within %v", c.within)
	}
}

func (c *inventory) readFrom(ctx context.Context, s *services) ([]prometheus.Metric, error) {
	size, err := s.store.Size(ctx)
	if err != nil {
		return nil, err
	}
	out := []prometheus.Metric{prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(size))}
	feeds, err := s.catalogue.Feeds(ctx)
	if err != nil {
		return nil, err
	}
	for i := range feeds {
		f := &feeds[i]
		out = append(out, prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, time.Since(f.Time()).Seconds(), f.Name, f.Format),
			prometheus.MustNewConstMetric(c.entries, prometheus.GaugeValue, float64(f.Entries), f.Name, f.Format))
	}
	accounts, err := s.identity.ListAccounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		counts, err := s.store.Counts(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		for i, n := range counts.Status {
			out = append(out, prometheus.MustNewConstMetric(c.devices, prometheus.GaugeValue, float64(n), a.Name, posture.Status(i).String()))
		}
		webhooks, err := s.store.Webhooks(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		var pending int64
		for i := range webhooks {
			pending += webhooks[i].Pending
		}
		out = append(out, prometheus.MustNewConstMetric(c.pending, prometheus.GaugeValue, float64(pending), a.Name))
	}
	return out, nil
}
