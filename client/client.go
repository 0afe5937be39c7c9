// Package client calls the compatible API of a Muster server: one method for the newest version of each call.
//
// A [Client] gets its token by itself when it first needs one, renews it before it expires, waits where the server says
// that there are too many calls, and repeats reads that the network lost. What changes something is sent once.
//
//	c, err := client.New("https://muster.example", client.Options{ClientID: id, ClientSecret: secret})
//	if err != nil {
//		return err
//	}
//	for d, err := range c.AllDevices(ctx, client.DevicesQuery{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(d.ID, d.Status)
//	}
//
// Requests are structs whose zero value asks for the defaults; answers are structs that leave out what they do not know.
// Failures of the server are an [*Error]. The package needs nothing but the standard library.
package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What Options have where nothing is said.
const (
	DefaultMaxWait   = 2 * time.Minute
	DefaultTimeout   = time.Minute
	DefaultRetries   = 2
	DefaultMaxAnswer = 64 << 20

	defaultUserAgent = "muster-client/1"
)

// Options are what a [Client] has to be told. ClientID and ClientSecret, or Token, must be there.
type Options struct {
	// ClientID and ClientSecret are those of an application, as `muster app create` prints them.
	ClientID     string
	ClientSecret string
	// Token is one to begin with, such as one that an earlier run stored. Without ClientID and ClientSecret it is all
	// there is: when it ends, calls fail.
	Token Token
	// OnToken, if not nil, is told of each new token, one at a time. It must not call the client.
	OnToken func(Token)

	// HTTPClient sends the requests; nil is one with the defaults of net/http. Unless it has a CheckRedirect, redirects
	// are not followed: they would carry the secret elsewhere, and a Muster server has none.
	HTTPClient *http.Client
	// UserAgent names the calling program to the server's operator.
	UserAgent string

	// Timeout is for one attempt of a call, its answer included; 0 is DefaultTimeout. The body of a report is not
	// included.
	Timeout time.Duration
	// MaxWait bounds how long one call waits, in all, because the server says that there are too many calls or that it is
	// unavailable for now: a longer wait is not begun, and the error is given at once. 0 is DefaultMaxWait, negative is
	// not to wait at all.
	MaxWait time.Duration
	// Retries is how often a read is repeated after the network failed, or the server was unavailable; 0 is
	// DefaultRetries, negative is not at all.
	Retries int
	// MaxAnswer is how large an answer may be, in bytes; 0 is DefaultMaxAnswer. It does not bound reports.
	MaxAnswer int64
}

// Client calls one server as one application. Its methods may be called by many goroutines at once.
type Client struct {
	base      string // without a slash at the end
	http      *http.Client
	userAgent string
	timeout   time.Duration
	maxWait   time.Duration
	retries   int
	maxAnswer int64
	clock     clock
	tokens    *tokenSource
}

// New makes a client of the server at a URL such as https://muster.example. It makes no call.
func New(baseURL string, o Options) (*Client, error) {
	base, err := checkBase(baseURL)
	if err != nil {
		return nil, err
	}
	credentials := o.ClientID != "" && o.ClientSecret != ""
	switch {
	case credentials:
	case o.ClientID != "" || o.ClientSecret != "":
		return nil, errors.New("client: ClientID and ClientSecret come together")
	case o.Token.AccessToken == "":
		return nil, errors.New("client: give ClientID and ClientSecret, or a Token")
	}
	c := &Client{
		base: base, http: httpClient(o.HTTPClient), userAgent: o.UserAgent, clock: systemClock{},
		timeout: orDefault(o.Timeout, DefaultTimeout), maxWait: max(0, orDefault(o.MaxWait, DefaultMaxWait)),
		retries: max(0, orDefault(o.Retries, DefaultRetries)), maxAnswer: orDefault(o.MaxAnswer, DefaultMaxAnswer),
	}
	if c.userAgent == "" {
		c.userAgent = defaultUserAgent
	}
	c.tokens = &tokenSource{client: c, id: o.ClientID, secret: o.ClientSecret, current: o.Token, onToken: o.OnToken}
	return c, nil
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

// checkBase refuses what cannot be the address of a server before a secret is sent to it.
func checkBase(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("client: the address of the server: %w", err)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("client: the address of the server, %q, must begin with https:// or http://", u.Redacted())
	case u.Host == "":
		return "", fmt.Errorf("client: the address of the server, %q, names no host", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("client: the address of the server, %q, may have a path, and neither a user nor a query nor a fragment", u.Redacted())
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// idleConnections is how many connections are kept for the next call. The two of net/http are few for a program that
// calls from many goroutines.
const idleConnections = 16

func httpClient(given *http.Client) *http.Client {
	if given == nil {
		given = &http.Client{}
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			own := t.Clone()
			own.MaxIdleConnsPerHost = idleConnections
			given.Transport = own
		}
	}
	if given.CheckRedirect != nil {
		return given
	}
	own := *given
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
