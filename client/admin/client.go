// Package admin calls the administration API of a Muster server, /api/v1: one method for each call.
//
// A [Client] gets its token by itself when it first needs one and renews it before it expires, waits where the server says
// that there are too many calls, and repeats reads that the network lost. What changes something is sent once.
//
//	c, err := admin.New("https://muster.example", client.Options{ClientID: id, ClientSecret: secret})
//	if err != nil {
//		return err
//	}
//	group, err := c.Group(ctx, "2")
//	if err != nil {
//		return err
//	}
//	_, err = c.ChangeGroup(ctx, group.ID, group.Tag, admin.GroupChange{Description: new("Racks 1 to 4")})
//	if admin.IsStale(err) {
//		// somebody else was faster: read again, and decide anew
//	}
//
// What can be changed has a Tag, which names the state that was read; a change takes it, and the Tag [Whatever] changes the
// thing however it is. Lists are iterators that fetch part after part. Failures of the server are an [*Error]. The package
// needs nothing but the standard library.
package admin

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"muster/client"
)

// Whatever is the tag of a change that is made whichever state the thing is in.
const Whatever = "*"

// Client calls one server as one application. Its methods may be called by many goroutines at once.
type Client struct {
	base      string
	http      *http.Client
	userAgent string
	timeout   time.Duration
	maxWait   time.Duration
	retries   int
	maxAnswer int64
	tokens    tokens
	clock     clock
}

// New makes a client of the server at a URL such as https://muster.example. It takes the options of package client, and makes
// no call.
func New(baseURL string, o client.Options) (*Client, error) {
	issuer, err := client.New(baseURL, o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		base: strings.TrimRight(baseURL, "/"), http: o.HTTPClient, userAgent: o.UserAgent, clock: systemClock{},
		timeout: orDefault(o.Timeout, client.DefaultTimeout), maxWait: max(0, orDefault(o.MaxWait, client.DefaultMaxWait)),
		retries: max(0, orDefault(o.Retries, client.DefaultRetries)), maxAnswer: orDefault(o.MaxAnswer, client.DefaultMaxAnswer),
	}
	if c.http == nil {
		// Redirects are not followed: they would carry the token elsewhere, and a Muster server has none.
		c.http = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if c.userAgent == "" {
		c.userAgent = "muster-client/1"
	}
	c.tokens = tokens{issuer: issuer, current: o.Token, renewable: o.ClientID != "", onToken: o.OnToken}
	return c, nil
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

// tokens holds the token that all calls use. Who needs another one waits for whoever is getting it.
type tokens struct {
	issuer    *client.Client
	renewable bool
	onToken   func(client.Token)

	mu      sync.Mutex
	current client.Token
}

// early is how long before its end a token is renewed, so that no call arrives just after it.
const early = time.Minute

// get gives an access token: another one than refused, which may be "". Where there is no other, it gives the same.
func (s *tokens) get(ctx context.Context, refused string, now time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.current
	usable := t.AccessToken != "" && t.AccessToken != refused
	if usable && (t.Expires.IsZero() || now.Before(t.Expires.Add(-early))) || !s.renewable {
		return t.AccessToken, nil
	}
	fresh, err := s.issuer.RequestToken(ctx, t.RefreshToken)
	if err != nil {
		return "", err
	}
	s.current = fresh
	if s.onToken != nil {
		s.onToken(fresh)
	}
	return fresh.AccessToken, nil
}

// clock is time as the client sees it; tests have another.
type clock interface {
	Now() time.Time
	// Sleep waits, or gives the context's error if that ends first.
	Sleep(ctx context.Context, d time.Duration) error
}

type systemClock struct{}

// Now implements clock.
func (systemClock) Now() time.Time { return time.Now() } //nolint:forbidigo // a program that calls has the real clock

// Sleep implements clock.
func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
