package app

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what Prometheus reads.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	drift    prometheus.Counter
	webhooks *prometheus.CounterVec
	log      *slog.Logger
}

func newMetrics(s *services, log *slog.Logger) *metrics {
	m := &metrics{
		log:      log,
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
	m.webhooks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_webhook_requests_total", Help: "Requests to webhooks, by what came of them: delivered or failed.",
	}, []string{"result"})
	for _, result := range []string{webhookDelivered, webhookFailed} {
		m.webhooks.WithLabelValues(result) // a rate needs the 0 before the first
	}
	m.registry.MustRegister(m.requests, m.seconds, m.drift, m.webhooks, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newInventory(s, log))
	return m
}

// handler leaves out what cannot be read: a database that is down must not hide the rest, nor its errors be published.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelWarn),
	})
}

// observe implements web.Observer. What no route matched has one label, or a scanner would make millions.
func (m *metrics) observe(operation string, status int, took time.Duration) {
	if operation == "" {
		operation = "none"
	}
	m.requests.WithLabelValues(operation, statusText(status)).Inc()
	m.seconds.WithLabelValues(operation).Observe(took.Seconds())
}

// What became of a request to a webhook.
const (
	webhookDelivered = "delivered"
	webhookFailed    = "failed"
)

func (m *metrics) observeWebhook(delivered bool) {
	result := webhookFailed
	if delivered {
		result = webhookDelivered
	}
	m.webhooks.WithLabelValues(result).Inc()
}

// statusText spares the hot path a conversion.
func statusText(status int) string {
	if status == http.StatusOK {
		return "200"
	}
	return strconv.Itoa(status)
}
