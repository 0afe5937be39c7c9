package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// call is one call of the API, however often it has to be sent.
type call struct {
	method string
	path   string // below /api/v1/
	query  url.Values
	tag    string // for If-Match; "" sends none
	body   []byte
	media  string // of the body
	accept string // "" is JSON
}

func get(path string, query url.Values) call {
	return call{method: http.MethodGet, path: path, query: query}
}

// with is a call with a body as JSON.
func with(method, path, tag string, body any) (call, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return call{}, fmt.Errorf("admin: encoding a request: %w", err)
	}
	return call{method: method, path: path, tag: tag, body: text, media: "application/json"}, nil
}

func (k *call) name() string { return k.method + " /api/v1/" + k.path }

// answer is one that was read to its end.
type answer struct {
	header http.Header
	body   []byte
}

// tagged is what has a revision.
type tagged interface{ setTag(tag string) }

// fetch makes a call whose answer has the type T.
func fetch[T any](ctx context.Context, c *Client, k call) (T, error) {
	var out T
	a, err := c.do(ctx, k)
	if err != nil {
		return out, err
	}
	err = decode(&k, a.body, &out)
	if err != nil {
		var none T
		return none, err
	}
	if t, ok := any(&out).(tagged); ok {
		t.setTag(a.header.Get("ETag"))
	}
	return out, nil
}

// send is fetch for a call with a body.
func send[T any](ctx context.Context, c *Client, method, path, tag string, body any) (T, error) {
	k, err := with(method, path, tag, body)
	if err != nil {
		var none T
		return none, err
	}
	return fetch[T](ctx, c, k)
}

// remove makes a DELETE.
func (c *Client) remove(ctx context.Context, path, tag string, query url.Values) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: path, tag: tag, query: query})
	return err
}

func decode(k *call, body []byte, out any) error {
	err := json.Unmarshal(body, out)
	if err != nil {
		return fmt.Errorf("admin: %s: the answer is not what this call answers: %w", k.name(), err)
	}
	return nil
}

// all walks a list.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		k := get(path, url.Values{})
		for name, values := range query {
			k.query[name] = values
		}
		for {
			part, err := fetch[struct {
				Items []T    `json:"items"`
				Next  string `json:"next"`
			}](ctx, c, k)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for i := range part.Items {
				if t, ok := any(&part.Items[i]).(tagged); ok {
					t.setTag("")
				}
				if !yield(part.Items[i], nil) {
					return
				}
			}
			if part.Next == "" {
				return
			}
			k.query.Set("after", part.Next)
		}
	}
}

// Waits where the server does not say how long.
const (
	limitedPause  = 10 * time.Second
	firstPause    = 250 * time.Millisecond
	shortestPause = time.Second
)

// do sends a call, again where that may help and does no harm.
func (c *Client) do(ctx context.Context, k call) (answer, error) {
	var waited time.Duration
	for repeats := 0; ; repeats++ {
		a, err := c.authorized(ctx, &k)
		if err == nil || ctx.Err() != nil {
			return a, err
		}
		pause, ok := c.pause(&k, err, repeats)
		if !ok || waited+pause > c.maxWait {
			return a, err
		}
		waited += pause
		sleepErr := c.clock.Sleep(ctx, pause)
		if sleepErr != nil {
			return a, fmt.Errorf("admin: waiting to repeat a call: %w; it had failed: %w", sleepErr, err)
		}
	}
}

// pause says whether a call that ended with err is to be sent again, and when.
func (c *Client) pause(k *call, err error, repeats int) (time.Duration, bool) {
	told, ok := errors.AsType[*Error](err)
	if ok && told.Status == http.StatusTooManyRequests {
		return max(shortestPause, orDefault(told.RetryAfter, limitedPause)), true // nothing has been done
	}
	if k.method != http.MethodGet || repeats >= c.retries {
		return 0, false
	}
	grown := firstPause << min(repeats, 6)
	if !ok {
		_, lost := errors.AsType[*networkError](err)
		return grown, lost
	}
	switch told.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return max(told.RetryAfter, grown), true
	}
	return 0, false
}

// authorized sends a call once with a token, which is renewed once if it is refused.
func (c *Client) authorized(ctx context.Context, k *call) (answer, error) {
	token, err := c.tokens.get(ctx, "", c.clock.Now())
	if err != nil {
		return answer{}, err
	}
	a, err := c.attempt(ctx, k, token)
	if !IsUnauthorized(err) {
		return a, err
	}
	fresh, renewErr := c.tokens.get(ctx, token, c.clock.Now())
	if renewErr != nil {
		return a, renewErr
	}
	if fresh == token {
		return a, err
	}
	return c.attempt(ctx, k, fresh)
}

// attempt sends a call once.
func (c *Client) attempt(ctx context.Context, k *call, token string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	target := c.base + "/api/v1/" + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, target, bytes.NewReader(k.body))
	if err != nil {
		return answer{}, fmt.Errorf("admin: %s: %w", k.name(), err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Accept", orDefault(k.accept, "application/json"))
	if k.media != "" {
		req.Header.Set("Content-Type", k.media)
	}
	if k.tag != "" {
		req.Header.Set("If-Match", k.tag)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, &networkError{k.name(), err}
	}
	defer resp.Body.Close() //nolint:errcheck // it is only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, &networkError{k.name(), err}
	case int64(len(body)) > c.maxAnswer:
		return answer{}, fmt.Errorf("admin: %s: the answer has more than %d bytes", k.name(), c.maxAnswer)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return answer{}, errorOf(resp, body, k.name())
	}
	return answer{resp.Header, body}, nil
}

// networkError says that it is not known what became of a call.
type networkError struct {
	call string
	err  error
}

func (e *networkError) Error() string { return "admin: " + e.call + ": " + e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// revisionTag writes a revision as a tag.
func revisionTag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// below joins the segments of a path, whatever they hold.
func below(segments ...string) string {
	path := ""
	for i, s := range segments {
		if i > 0 {
			path += "/"
		}
		path += url.PathEscape(s)
	}
	return path
}
