package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/posture"
)

// Request is what is to be sent by HTTP POST.
type Request struct {
	URL string
	// Header are names and values beside those that every request has.
	Header map[string]string
	Body   []byte
}

// types of what is sent in the form Standard.
const (
	typeChanged = "device.status_changed"
	typeTest    = "webhook.test"
)

// testDevice is the id of the device in a test. No device has it.
const testDevice = "00000000000000000000000000000000"

// changed is one change in the form Opswat.
type changed struct {
	DeviceID  string `json:"device_id"`
	Status    string `json:"status"`
	Timestamp int64  `json:"timestamp"`
}

// envelope is the body in the form Standard.
type envelope struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      data   `json:"data"`
}

// data is a change in the form Standard.
type data struct {
	EventID        string `json:"event_id"`
	DeviceID       string `json:"device_id"`
	Status         string `json:"status"`
	PreviousStatus string `json:"previous_status,omitempty"`
	Reason         string `json:"reason,omitempty"`
}

// request makes the request that tells a target of changes, at least one: in the form Standard exactly one.
func (t *Target) request(list []Pending, now time.Time) Request {
	if t.Form == Standard {
		return t.standard(typeChanged, &list[0], now)
	}
	body := make([]changed, len(list))
	for i := range list {
		body[i] = changed{list[i].DeviceID, list[i].status(), list[i].At.UnixMilli()}
	}
	return t.opswat(body)
}

// testRequest makes a request that changes nothing for anybody, under the id of the delivery.
func (t *Target) testRequest(id string, now time.Time) Request {
	sample := Pending{EventID: id, DeviceID: testDevice, Kind: event.StatusChanged, From: posture.StatusNonCompliant, To: posture.StatusCompliant, At: now, Detail: "test"}
	if t.Form == Standard {
		return t.standard(typeTest, &sample, now)
	}
	return t.opswat([]changed{{sample.DeviceID, sample.status(), now.UnixMilli()}})
}

func (t *Target) opswat(list []changed) Request {
	r := Request{URL: t.URL, Body: encode(list), Header: map[string]string{}}
	if t.Key != "" {
		r.Header["Authorization"] = t.Key
	}
	return r
}

func (t *Target) standard(kind string, p *Pending, now time.Time) Request {
	body := encode(envelope{kind, p.At.UTC().Format("2006-01-02T15:04:05.000Z"), data{
		EventID: p.EventID, DeviceID: p.DeviceID, Status: p.status(), PreviousStatus: p.previous(), Reason: p.Detail,
	}})
	at := strconv.FormatInt(now.Unix(), 10)
	return Request{URL: t.URL, Body: body, Header: map[string]string{
		"Webhook-Id": p.EventID, "Webhook-Timestamp": at, "Webhook-Signature": sign(t.Key, p.EventID, at, body),
	}}
}

// encode writes what is always possible to write.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic("webhook: a message cannot be encoded: " + err.Error())
	}
	return body
}

func (p *Pending) status() string {
	e := p.event()
	topic, ok := TopicOf(&e)
	if !ok {
		topic = Topic(p.To)
	}
	return topic.String()
}

// previous is the status before; "" for a device that was not there before.
func (p *Pending) previous() string {
	if p.Kind == event.Enrolled || p.Kind == event.Imported {
		return ""
	}
	return Topic(p.From).String()
}

const secretPrefix = "whsec_"

// newSecret makes a signing secret.
func newSecret(random io.Reader) string {
	var b [32]byte
	_, err := io.ReadFull(random, b[:])
	if err != nil {
		panic("webhook: source of randomness failed: " + err.Error())
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// sign gives the signature of Standard Webhooks, version 1: HMAC-SHA256 over the id, the time and the body.
func sign(secret, id, timestamp string, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil {
		panic("webhook: a stored secret is none")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp) //nolint:errcheck // a hash takes everything
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
