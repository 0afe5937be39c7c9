package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// call is one call of the API, however often it has to be sent.
type call struct {
	method string
	path   string // with everything in front: /o/api/v3.2/account
	query  url.Values
	body   any // encoded as JSON; nil is no body
	form   url.Values
	// changes says that the call changes something: it is repeated only where it surely was not carried out.
	changes bool
	// open says that no token is needed.
	open bool
}

func get(path string, query url.Values) call {
	return call{method: http.MethodGet, path: "/o/api" + path, query: query}
}

func post(path string, body any) call {
	return call{method: http.MethodPost, path: "/o/api" + path, body: body}
}

// write is a post that changes something.
func write(path string, body any) call {
	k := post(path, body)
	k.changes = true
	return k
}

// name is what errors call it. It leaves out the query.
func (k *call) name() string { return k.method + " " + k.path }

func (k *call) payload() (body []byte, mediaType string, err error) {
	switch {
	case k.form != nil:
		return []byte(k.form.Encode()), "application/x-www-form-urlencoded", nil
	case k.body == nil:
		return nil, "", nil
	}
	body, err = json.Marshal(k.body)
	if err != nil {
		return nil, "", fmt.Errorf("client: %s: encoding the request: %w", k.name(), err)
	}
	return body, "application/json", nil
}

// do makes a call and reads its answer into out.
func (c *Client) do(ctx context.Context, k call, out any) error {
	_, body, err := c.exchange(ctx, k)
	if err != nil {
		return err
	}
	return decodeAnswer(&k, body, out)
}

// fetch makes a call whose answer has the type T.
func fetch[T any](ctx context.Context, c *Client, k call) (T, error) {
	var out T
	err := c.do(ctx, k, &out)
	if err != nil {
		var none T // not what a broken answer began with
		return none, err
	}
	return out, nil
}

func decodeAnswer(k *call, body []byte, out any) error {
	err := json.Unmarshal(body, out)
	if err != nil {
		return fmt.Errorf("client: %s: the answer is not what this call answers (%w); it begins with %q", k.name(), err, excerpt(body[:min(len(body), maxErrorText)]))
	}
	return nil
}

// exchange makes a call and reads its answer to the end.
func (c *Client) exchange(ctx context.Context, k call) (http.Header, []byte, error) {
	var header http.Header
	var body []byte
	err := c.persist(ctx, &k, func(a *answer) error {
		var err error
		header = a.resp.Header
		body, err = a.readAll(c.maxAnswer)
		return err
	})
	return header, body, err
}

// persist sends a call, again where that may help, until take has what it wants of a good answer.
func (c *Client) persist(ctx context.Context, k *call, take func(*answer) error) error {
	body, mediaType, err := k.payload()
	if err != nil {
		return err
	}
	s := sender{c: c, call: k, body: body, mediaType: mediaType, take: take}
	p := patience{c: c, mayRepeat: !k.changes}
	for {
		err = s.send(ctx)
		wait, ok := p.next(err)
		if err == nil || !ok || ctx.Err() != nil {
			return err
		}
		sleepErr := c.clock.Sleep(ctx, wait)
		if sleepErr != nil {
			return fmt.Errorf("client: waiting to repeat a call: %w; it had failed: %w", sleepErr, err)
		}
	}
}

// sender sends one call, with a token that is renewed once if it is refused.
type sender struct {
	c         *Client
	call      *call
	body      []byte
	mediaType string
	take      func(*answer) error
	renewed   bool
}

func (s *sender) send(ctx context.Context) error {
	if s.call.open {
		return s.attempt(ctx, "")
	}
	token, err := s.c.tokens.get(ctx, "")
	if err != nil {
		return err
	}
	err = s.attempt(ctx, token)
	if !IsUnauthorized(err) || s.renewed {
		return err
	}
	s.renewed = true
	token, renewErr := s.c.tokens.get(ctx, token)
	if errors.Is(renewErr, errCannotRenew) {
		return err
	}
	if renewErr != nil {
		return renewErr
	}
	return s.attempt(ctx, token)
}

// errTooSlow is why an attempt was ended by us rather than by the caller.
var errTooSlow = errors.New("the server does not answer in time")

// attempt sends the call once and hands over its answer if that is good.
func (s *sender) attempt(ctx context.Context, token string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(s.c.timeout, func() { cancel(errTooSlow) })
	a := &answer{call: s.call, timer: timer, cancel: func() { timer.Stop(); cancel(nil) }, ctx: ctx}
	defer func() {
		if !a.kept {
			a.close()
		}
	}()
	req, err := s.request(ctx, token)
	if err != nil {
		return err
	}
	a.resp, err = s.c.http.Do(req) //nolint:bodyclose // a.close does
	if err != nil {
		return a.lost(err)
	}
	if a.resp.StatusCode < 200 || a.resp.StatusCode > 299 {
		body, err := a.readAll(s.c.maxAnswer)
		if err != nil {
			return err
		}
		return errorOf(a.resp, body, s.call.name(), s.c.clock.Now())
	}
	return s.take(a)
}

func (s *sender) request(ctx context.Context, token string) (*http.Request, error) {
	target := s.c.base + s.call.path
	if len(s.call.query) > 0 {
		target += "?" + s.call.query.Encode()
	}
	var body io.Reader
	if s.body != nil {
		body = bytes.NewReader(s.body)
	}
	req, err := http.NewRequestWithContext(ctx, s.call.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", s.call.name(), err)
	}
	req.Header.Set("Accept", "application/json, */*;q=0.5")
	req.Header.Set("User-Agent", s.c.userAgent)
	if s.mediaType != "" {
		req.Header.Set("Content-Type", s.mediaType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// answer is one that is being read.
type answer struct {
	call   *call
	resp   *http.Response
	timer  *time.Timer
	cancel func()
	ctx    context.Context //nolint:containedctx // of the attempt: its cause tells who ended it, we or the caller
	kept   bool            // somebody else closes it
}

func (a *answer) close() {
	if a.resp != nil {
		a.resp.Body.Close() //nolint:errcheck // it was only read
	}
	a.cancel()
}

func (a *answer) readAll(limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(a.resp.Body, limit+1))
	if err != nil {
		return nil, a.lost(err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("client: %s: the answer has more than %d bytes", a.call.name(), limit)
	}
	return body, nil
}

// lost gives the error of an answer that did not come, or not whole.
func (a *answer) lost(err error) error {
	if cause := context.Cause(a.ctx); cause != nil {
		err = cause
	}
	if told, ok := errors.AsType[*url.Error](err); ok {
		err = told.Err // the rest of it says the call again
	}
	return &networkError{call: a.call.name(), err: err}
}

// networkError says that it is not known what became of a call.
type networkError struct {
	call string
	err  error
}

func (e *networkError) Error() string { return "client: " + e.call + ": " + e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }
