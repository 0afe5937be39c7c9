// Package webhook tells other systems of changes of devices' statuses: which webhooks an account has, what each wants to
// hear, in which form, and how it is delivered: in order per device, at least once, for as long as it takes.
//
// It does no input and output of its own. What is to be sent lies in an outbox that is written in the transaction of the
// change itself; package webhook/sender sends.
package webhook

import (
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/posture"
)

// Form says what a request looks like. The words are stored: never rename.
type Form string

const (
	// Opswat is the form of the compatible API: an array of changes, an API key in the header Authorization.
	Opswat Form = "opswat"
	// Standard is that of Standard Webhooks: one change in each request, which is signed and has an id and a time.
	Standard Form = "standard"
)

// Forms lists them.
var Forms = []Form{Opswat, Standard}

// Topic is a kind of change that a webhook may want to hear of: that a device got a status, or is gone. The numbers of the
// first ten are those of posture.Status. They are stored, as bits of Topics: never renumber.
type Topic uint8

// Deleted is that a device is gone: deleted by an administrator or a program, or removed by its own agent.
const Deleted Topic = posture.NumStatuses

// topicNames are the words of the topics, and of statuses in what is sent. The first four of Reference are those of the
// compatible API.
var topicNames = [...]string{
	"unknown", "installed", "pending", "compliant", "non_compliant",
	"in_grace", "exempted", "quarantined", "out_of_license_usage", "ignored", "deleted",
}

// String gives the word for the topic.
func (t Topic) String() string {
	if int(t) < len(topicNames) {
		return topicNames[t]
	}
	return "invalid"
}

// Reference are the topics that the compatible API knows, and what a new webhook hears of unless it says otherwise.
var Reference = TopicsOf(Topic(posture.StatusCompliant), Topic(posture.StatusNonCompliant), Topic(posture.StatusInstalled), Deleted)

// Topics is a set of them.
type Topics int64

// TopicsOf makes a set.
func TopicsOf(list ...Topic) Topics {
	var out Topics
	for _, t := range list {
		out |= 1 << t
	}
	return out
}

// AllTopics is every topic there is.
const AllTopics Topics = 1<<(Deleted+1) - 1

// Has reports whether the set has the topic.
func (s Topics) Has(t Topic) bool { return s>>t&1 == 1 }

// Words gives the words of the set in the order of their numbers.
func (s Topics) Words() []string {
	out := []string{}
	for i, name := range topicNames {
		if s.Has(Topic(i)) {
			out = append(out, name)
		}
	}
	return out
}

// ParseTopics reads words, and gives the first that is none.
func ParseTopics(words []string) (set Topics, unknown string) {
	for _, w := range words {
		i := slices.Index(topicNames[:], w)
		if i < 0 {
			return 0, w
		}
		set |= 1 << i
	}
	return set, ""
}

// TopicNames are the words of all topics.
func TopicNames() []string { return slices.Clone(topicNames[:]) }

// TopicOf gives what an event is to webhooks; false where it is nothing to them.
func TopicOf(e *event.Event) (Topic, bool) {
	if !e.Changes() {
		return 0, false
	}
	if e.Kind.Leaves() {
		return Deleted, true
	}
	return Topic(e.To), true
}

// Ref names a webhook.
type Ref struct {
	Account posture.AccountID
	ID      string
}

// Webhook is one receiver. What it authenticates with is not part of it: see Target.
type Webhook struct {
	Ref
	Name    string
	URL     string
	Form    Form
	Topics  Topics
	Enabled bool
	// HasKey says that there is an API key. In the form Standard there always is a secret.
	HasKey     bool
	CreatedAt  time.Time
	ModifiedAt time.Time
	// Revision counts the changes made to it, from 1.
	Revision int64

	// Failures is how many rounds of requests have failed since the last one that went through, in part at least. Until
	// RetryAt nothing is sent to it; zero is now. DeliveredAt is when a request last went through; zero for never.
	Failures    int
	RetryAt     time.Time
	DeliveredAt time.Time
	LastError   string // what the last failure was; "" once something was delivered
	// Pending is how many changes wait for it, the oldest of them from OldestPending.
	Pending       int64
	OldestPending time.Time
}

// Target is a webhook with what it takes to send to it.
type Target struct {
	Webhook
	// Key is the API key, or the signing secret as receivers are given it. It is never shown again, nor logged.
	Key string
}

// Pending is one change that a webhook has still to be told.
type Pending struct {
	EventID  string
	DeviceID string
	Kind     event.Kind
	From, To posture.Status
	At       time.Time
	Detail   string
	// Attempts is how many requests with it have failed; RetryAt is when the next may be made.
	Attempts int
	RetryAt  time.Time
}

func (p *Pending) event() event.Event {
	return event.Event{ID: p.EventID, At: p.At, Kind: p.Kind, DeviceID: p.DeviceID, From: p.From, To: p.To, Detail: p.Detail}
}

// Delivery is one request that was made, or tried.
type Delivery struct {
	ID      string // sorts by the time
	At      time.Time
	Attempt int // of its first change, from 1; 0 for a test
	// Events is how many changes it had, from FirstEvent to LastEvent; 0 for a test.
	Events     int
	FirstEvent string
	LastEvent  string
	DeviceID   string // where it was about one device
	StatusCode int    // of HTTP; 0 where no answer came
	Took       time.Duration
	Error      string // why it failed; "" for delivered
}

// Delivered reports whether it went through.
func (d *Delivery) Delivered() bool { return d.Error == "" }
