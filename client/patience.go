package client

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Waits where the server does not say how long.
const (
	// limitedPause is after too many calls: the server counts by the minute.
	limitedPause = 10 * time.Second
	// firstPause is after the network failed for the first time; it doubles with each time.
	firstPause = 250 * time.Millisecond
	// shortestPause keeps a server that says 0 from being called without end.
	shortestPause = time.Second
)

// patience decides how long a call is repeated.
type patience struct {
	c         *Client
	mayRepeat bool // the call changes nothing
	repeats   int
	waited    time.Duration // at the server's request
}

// next says whether to send a call again that ended with err, and how long to wait first.
func (p *patience) next(err error) (time.Duration, bool) {
	if told, ok := errors.AsType[*Error](err); ok {
		switch told.Status {
		case http.StatusTooManyRequests:
			// It was refused before anything was done, so that repeating it is safe whatever it does.
			return p.waitFor(orDefault(told.RetryAfter, limitedPause))
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			pause, ok := p.repeat()
			if !ok {
				return 0, false
			}
			return p.waitFor(max(told.RetryAfter, pause))
		}
		return 0, false
	}
	if network, ok := errors.AsType[*networkError](err); ok && !hopeless(network) {
		return p.repeat()
	}
	return 0, false
}

// repeat counts one more repetition of a read.
func (p *patience) repeat() (time.Duration, bool) {
	if !p.mayRepeat || p.repeats >= p.c.retries {
		return 0, false
	}
	pause := firstPause << min(p.repeats, 6)
	p.repeats++
	return pause, true
}

// waitFor agrees to a wait that the server asks for, as long as there is time for it.
func (p *patience) waitFor(d time.Duration) (time.Duration, bool) {
	d = max(d, shortestPause)
	if p.waited+d > p.c.maxWait {
		return 0, false
	}
	p.waited += d
	return d, true
}

// hopeless reports whether a failure of the network will be the same the next time.
func hopeless(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	return certificate
}

// retryAfter reads how long the server asks to wait: seconds or a date, or what is left of the minute that it counts in.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		text = h.Get("X-RateLimit-Reset-Time")
	}
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(max(0, seconds)) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
