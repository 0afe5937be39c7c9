// Package sender makes the requests of webhooks: to addresses that the operator's guard permits and no others, in bounded
// time, without following redirects, and without a proxy.
package sender

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
	"unicode"

	"muster/internal/webhook"
)

const (
	// excerpt is how much of an answer is kept, maxAnswer how much is read, so that the connection can be used again.
	excerpt   = 160
	maxAnswer = 64 << 10
)

// Sender makes requests. It implements webhook.Sender.
type Sender struct {
	secure, plain *http.Client
	agent         string
}

// errNotPermitted is the refusal of an address.
var errNotPermitted = errors.New("the address is not public; the operator of the server may allow its network with --webhook-allow-private")

// New makes a Sender that calls itself by a name. Plain HTTP goes only to networks that the guard names.
//
// What a name stands for may change between two looks at it, so the address is looked at when it is dialled.
func New(guard webhook.Guard, agent string) *Sender {
	return &Sender{secure: client(guard.Permits), plain: client(guard.Names), agent: agent}
}

func client(permitted func(netip.Addr) bool) *http.Client {
	dialer := &net.Dialer{
		Timeout: webhook.RequestTimeout / 2, KeepAlive: 15 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !permitted(at.Addr()) {
				return errNotPermitted
			}
			return nil
		},
	}
	return &http.Client{
		Timeout: webhook.RequestTimeout,
		// Where a redirect leads, the account's administrator did not say.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: webhook.RequestTimeout / 2,
			MaxIdleConns: 128, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// Send implements webhook.Sender.
func (s *Sender) Send(ctx context.Context, r webhook.Request) webhook.Answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return webhook.Answer{Err: errors.New("the address cannot be used")}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.agent)
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	c := s.plain
	if req.URL.Scheme == "https" {
		c = s.secure
	}
	resp, err := c.Do(req)
	if err != nil {
		return webhook.Answer{Err: explain(err)}
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is lost with it
	// An answer that breaks off behind its status is an answer.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, excerpt))
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) //nolint:errcheck // see above
	return webhook.Answer{StatusCode: resp.StatusCode, Excerpt: printable(text)}
}

// explain says why there was no answer, without the address, which may hold a secret of the receiver.
func explain(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errNotPermitted):
		return errNotPermitted
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// printable makes a line of what somebody sent.
func printable(text []byte) string {
	line := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text), "\uFFFD"))
	return strings.Join(strings.Fields(line), " ")
}
