package app

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"muster/internal/posture"
)

// metrics are what Prometheus reads.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	drift    prometheus.Counter
}

func newMetrics(s *services) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_http_requests_total", Help: "Requests answered, by operation and HTTP status.",
		}, []string{"operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "muster_http_request_seconds", Help: "Time from the request's headers to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation"}),
		drift: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_count_drift_total", Help: "Times the self-check found kept counts that differ from the rows. Anything but 0 is a bug.",
		}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.drift, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &inventory{services: s,
			devices: prometheus.NewDesc("muster_devices", "Devices, by account and status.", []string{"account", "status"}, nil),
			bytes:   prometheus.NewDesc("muster_database_bytes", "Bytes that the database takes.", nil, nil),
		})
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// observe implements web.Observer. What no route matched has one label, or a scanner would make millions.
func (m *metrics) observe(operation string, status int, took time.Duration) {
	if operation == "" {
		operation = "none"
	}
	m.requests.WithLabelValues(operation, statusText(status)).Inc()
	m.seconds.WithLabelValues(operation).Observe(took.Seconds())
}

// statusText spares the hot path a conversion.
func statusText(status int) string {
	if status == http.StatusOK {
		return "200"
	}
	return strconv.Itoa(status)
}

// inventory reads its numbers when it is asked.
type inventory struct {
	*services
	devices *prometheus.Desc
	bytes   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *inventory) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.devices
	ch <- c.bytes
}

// Collect implements prometheus.Collector.
func (c *inventory) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	size, err := c.store.Size(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.bytes, err)
		return
	}
	ch <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(size))
	accounts, err := c.identity.ListAccounts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.devices, err)
		return
	}
	for _, a := range accounts {
		counts, err := c.store.Counts(ctx, a.ID)
		if err != nil {
			ch <- prometheus.NewInvalidMetric(c.devices, err)
			return
		}
		for i, n := range counts.Status {
			ch <- prometheus.MustNewConstMetric(c.devices, prometheus.GaugeValue, float64(n), a.Name, posture.Status(i).String())
		}
	}
}
