// Package protocol is the agent's side of the agent protocol: one method for each call, over HTTP. It shares no code with
// the server, so that a mistake there cannot hide behind the same mistake here.
package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Client calls one server for one device. Its calls may run at the same time as each other.
type Client struct {
	http *http.Client
	base string // without a slash at its end
	// of what every call of a registered device needs
	credentials Credentials
	header      http.Header
	deviceURL   string
}

// Credentials are what registering gives: they are all that an agent needs to speak for its device. Key and Token are
// secret.
type Credentials struct {
	LicenseKey string `json:"license_key"`
	DeviceID   string `json:"device_id"`
	Key        string `json:"access_key"`
	Token      string `json:"access_token"`
}

// Complete reports whether nothing is missing.
func (c Credentials) Complete() bool {
	return c.LicenseKey != "" && c.DeviceID != "" && c.Key != "" && c.Token != ""
}

// New makes a client of a device that has no credentials yet. The client should follow no redirects; a server that sends
// one has failed.
func New(client *http.Client, base string) *Client { return &Client{http: client, base: base} }

// As gives a client that acts for a registered device.
func (c *Client) As(who Credentials) *Client {
	return &Client{
		http: c.http, base: c.base, credentials: who,
		header:    http.Header{"Gears-Access-Key": {who.Key}, "Gears-Access-Token": {who.Token}, "Content-Type": jsonType},
		deviceURL: c.base + "/api/v2/accounts/" + url.PathEscape(who.LicenseKey) + "/devices/" + url.PathEscape(who.DeviceID),
	}
}

var jsonType = []string{"application/json"}

// Error is an answer that is no success.
type Error struct {
	Call   string
	Status int
	// Type is the protocol's own word for what is wrong ("404006"); "" where the answer is not of the protocol.
	Type    string
	Details string // for people; at most maxDetails bytes
	// RetryAfter is how long the server asks to be left alone; 0 where it does not ask.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: the server answered %d %s: %s", e.Call, e.Status, http.StatusText(e.Status), e.Details)
}

// Rejected reports whether the server does not know the device's credentials.
func Rejected(err error) bool { return hasStatus(err, http.StatusUnauthorized) }

// Refused reports whether the server understood the request and will answer the same again: repeating it is no use.
func Refused(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status >= 400 && e.Status < 500 &&
		e.Status != http.StatusRequestTimeout && e.Status != http.StatusTooManyRequests && e.Status != http.StatusUnauthorized
}

// RetryAfter gives how long the server asked to be left alone, 0 if it did not.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

func hasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

const (
	maxAnswer  = 1 << 20 // custom checks come with a configuration
	maxDetails = 300
)

// call sends a request and reads the answer into a value, which may be nil. The header is shared by many requests.
func (c *Client) call(ctx context.Context, call, method, address string, header http.Header, body []byte, into any) error {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return fmt.Errorf("%s: %w", call, withoutAddress(err))
	}
	req.Header = header
	answer, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", call, withoutAddress(err))
	}
	// Read to its end, the connection can be used again.
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	err = errors.Join(err, answer.Body.Close())
	switch {
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return errorOf(call, answer, text)
	case err == nil && len(text) > maxAnswer:
		err = fmt.Errorf("it is longer than %d bytes", maxAnswer)
	case err == nil && into != nil:
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("%s: the answer (status %d) cannot be read: %w", call, answer.StatusCode, err)
	}
	return nil
}

// withoutAddress takes the address out of an error of an HTTP client: the licence key is in it, and what fails is told to
// everybody on the machine.
func withoutAddress(err error) error {
	var where *url.Error
	if errors.As(err, &where) {
		return where.Err
	}
	return err
}

// errorOf reads an error in the three forms of the protocol, or what a proxy in between says.
func errorOf(call string, answer *http.Response, text []byte) error {
	e := &Error{Call: call, Status: answer.StatusCode}
	var body struct {
		Errors []struct {
			Type    string `json:"error_type"`
			Details any    `json:"details"`
		} `json:"errors"`
		Error string `json:"error"`
		Desc  string `json:"desc"`
	}
	if json.Unmarshal(text, &body) == nil {
		e.Type, e.Details = body.Error, body.Desc
		if len(body.Errors) > 0 {
			e.Type, e.Details = body.Errors[0].Type, fmt.Sprint(body.Errors[0].Details)
		}
	}
	if e.Details == "" {
		e.Details = string(text)
	}
	if to := answer.Header.Get("Location"); to != "" && e.Status < 400 {
		e.Details = "it is at " + to + " now, where this agent does not go by itself"
	}
	e.Details = plain(e.Details[:min(len(e.Details), maxDetails)])
	if s, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = min(time.Duration(s)*time.Second, time.Hour)
	}
	return e
}

// plain makes one line of what something answered that may be no Muster server: it is shown on terminals.
func plain(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// device makes a call about this device.
func (c *Client) device(ctx context.Context, call, method, path string, body []byte, into any) error {
	if c.header == nil {
		return errors.New(call + ": the device is not registered")
	}
	return c.call(ctx, call, method, c.deviceURL+path, c.header, body, into)
}
