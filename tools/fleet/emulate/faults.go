package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"muster/internal/agent/protocol"
)

// fault is a way to misbehave. A device has at most one.
type fault struct {
	name, what string
	// do misbehaves once, and gives an error if the server did otherwise than documented. It is nil where the fault shows
	// in what the device reports.
	do func(*device) error
}

// faults are those there are. None of them may change anything at the server but what the last column says, or be felt
// by another device.
var faults []fault

func init() {
	faults = []fault{
		{"skew", "its clock is hours, a month or decades off: accepted", nil},
		{"twin", "it claims the hardware id of another device: accepted, and a conflict", nil},
		{"roamer", "it has another random adapter address in each report: accepted", nil},
		{"huge", "it sends a report of 5 MiB: 413", (*device).huge},
		{"broken", "it sends what is no report: 400", (*device).broken},
		{"drop", "it hangs up in the middle of a report: no answer", (*device).drop},
		{"slow", "it takes seconds to send a report: accepted", (*device).slow},
		{"repeat", "it sends once more what was answered: accepted", (*device).repeat},
		{"disorder", "it sends an older report after a newer one: accepted", (*device).disorder},
		{"stale", "it registers again and uses the old credentials: 401", (*device).stale},
		{"impostor", "it reports for another device: 401", (*device).impostor},
		{"guess", "it registers with a code that there is not: 404", (*device).guess},
	}
}

func findFault(name string) *fault {
	i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &faults[i]
}

func faultNames() string {
	var names []string
	for i := range faults {
		names = append(names, faults[i].name)
	}
	return strings.Join(names, ", ")
}

// skews are what clocks may say.
var skews = []func(now time.Time) time.Duration{
	func(time.Time) time.Duration { return -3 * time.Hour },
	func(time.Time) time.Duration { return 3 * time.Hour },
	func(time.Time) time.Duration { return 40 * 24 * time.Hour },
	func(now time.Time) time.Duration { return time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC).Sub(now) }, // an empty battery
	func(now time.Time) time.Duration { return time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC).Sub(now) },
}

// misbehave misbehaves once.
func (d *device) misbehave() {
	began := time.Now()
	err := d.fault.do(d)
	d.record.misdeed(d, err, d.own.awaySince(began))
}

func (d *device) huge() error {
	body := d.body(d.fresh())
	body = append([]byte(`{"padding":"`+strings.Repeat("x", 5<<20)+`",`), body[1:]...)
	return d.expect(http.StatusRequestEntityTooLarge, d.id, bytes.NewReader(body), len(body))
}

func (d *device) broken() error {
	body := d.body(d.fresh())
	switch d.rng.IntN(4) {
	case 0:
		body = body[:1+d.rng.IntN(len(body)-1)]
	case 1:
		body = bytes.Replace(body, []byte(`"applications":[`), []byte(`"applications":[7,`), 1)
	case 2:
		body = append([]byte(`{"deep":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+","), body[1:]...)
	case 3:
		body = append(body, "{}"...)
	}
	return d.expect(http.StatusBadRequest, d.id, bytes.NewReader(body), len(body))
}

// impostor reports for the device before it with its own credentials.
func (d *device) impostor() error {
	other := d.devices[(d.n+len(d.devices)-1)%len(d.devices)]
	if other == d {
		return nil
	}
	body := d.body(d.fresh())
	return d.expect(http.StatusUnauthorized, other.id, bytes.NewReader(body), len(body))
}

// expect sends a report for a device, and gives an error if it is not answered with the status.
func (d *device) expect(status int, id string, body io.Reader, length int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, d.reportURL(id), body)
	if err != nil {
		return err
	}
	req.ContentLength = int64(length)
	req.Header.Set("Gears-Access-Key", d.agent.Key)
	req.Header.Set("Gears-Access-Token", d.agent.Token)
	answer, err := d.http.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	err = errors.Join(err, answer.Body.Close())
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("answered %d, want %d: %.300s", answer.StatusCode, status, text)
	}
	return err
}

func (d *device) reportURL(id string) string {
	return d.url + "/api/v2/accounts/" + d.agent.LicenseKey + "/devices/" + id + "/report/health"
}

// drop sends the head of a report and half of its body, and hangs up: with a word, or as if a cable was pulled.
func (d *device) drop() error {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), "tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		return err
	}
	body := d.body(d.fresh())
	_, err = fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: muster\r\nGears-Access-Key: %s\r\nGears-Access-Token: %s\r\nContent-Length: %d\r\n\r\n%s",
		strings.TrimPrefix(d.reportURL(d.id), d.url), d.agent.Key, d.agent.Token, len(body), body[:len(body)/2])
	if tcp, ok := conn.(*net.TCPConn); ok && d.rng.IntN(2) == 0 {
		err = errors.Join(err, tcp.SetLinger(0))
	}
	return errors.Join(err, conn.Close())
}

// slow takes two seconds for a report.
func (d *device) slow() error {
	d.now = d.fresh()
	body := d.body(d.now)
	sent := time.Now()
	err := d.expect(http.StatusOK, d.id, &trickle{rest: body, part: 1 + len(body)/20, pause: 100 * time.Millisecond}, len(body))
	if err == nil {
		d.met(sent)
	}
	d.note(d.now, err)
	return err
}

// trickle is a body of which little comes at a time.
type trickle struct {
	rest  []byte
	part  int
	pause time.Duration
}

// Read implements io.Reader.
func (t *trickle) Read(into []byte) (int, error) {
	if len(t.rest) == 0 {
		return 0, io.EOF
	}
	time.Sleep(t.pause)
	n := copy(into, t.rest[:min(t.part, len(t.rest))])
	t.rest = t.rest[n:]
	return n, nil
}

func (d *device) repeat() error { return d.send(d.answered) }

func (d *device) disorder() error {
	old := d.now
	err := d.send(d.fresh())
	if err != nil {
		// It stays the next to be sent: nobody knows whether it was stored.
		d.now = said{d.made, d.made}
		return err
	}
	return d.send(old)
}

// stale registers again, and goes on with what ended by that.
func (d *device) stale() error {
	old := protocol.New(d.http, d.url).As(d.agent.Credentials)
	err := d.register()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = old.Ping(ctx)
	if !protocol.Rejected(err) {
		return fmt.Errorf("a ping with old credentials: %w", orNone(err))
	}
	err = old.Report(ctx, d.body(d.fresh()))
	if !protocol.Rejected(err) {
		return fmt.Errorf("a report with old credentials: %w", orNone(err))
	}
	return nil
}

var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

func (d *device) guess() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := protocol.New(d.http, d.url).RegisterWithCode(ctx, "NOSUCHCODE", d.base.Registration(d.id))
	var refused *protocol.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && refused.Type == "404006" {
		return nil
	}
	return fmt.Errorf("a registration with a wrong code: %w", orNone(err))
}
