package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// caller makes the requests of one connection.
type caller struct {
	rng *rand.Rand
	seq *atomic.Int64 // one after the other over all connections
}

// operation is one kind of request.
type operation struct {
	// render appends a whole request to the buffer.
	render func(buf []byte, c *caller) []byte
	// want is a part of every right answer. Where times is not 0, it is there so often.
	want  []byte
	times int
	// limit is how many requests there are to send; 0 for no end.
	limit int64
}

// right reports whether an answer is one.
func (o *operation) right(body []byte) bool {
	if o.times > 0 {
		return bytes.Count(body, o.want) == o.times
	}
	return bytes.Contains(body, o.want)
}

// load is a number of connections that send requests as fast as they are answered.
type load struct {
	op       operation
	answered atomic.Int64
	sampling atomic.Bool
	seq      atomic.Int64
	cancel   context.CancelCauseFunc
	working  sync.WaitGroup

	mu      sync.Mutex
	samples []time.Duration
}

// begin opens the connections.
func begin(ctx context.Context, addr string, connections int, op operation) (*load, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	l := &load{op: op, cancel: cancel}
	for i := range connections {
		l.working.Go(func() {
			err := l.connection(ctx, addr, uint64(i))
			if err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	return l, ctx
}

var errEnough = errors.New("enough was measured")

// end closes the connections, and gives the first thing that went wrong on any.
func (l *load) end(ctx context.Context) error {
	l.cancel(errEnough)
	l.working.Wait()
	cause := context.Cause(ctx)
	if errors.Is(cause, errEnough) {
		return nil
	}
	return cause
}

func (l *load) connection(ctx context.Context, addr string, number uint64) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // everything was answered
	// What is in flight may still be answered.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now().Add(5 * time.Second)) }) //nolint:errcheck // it cannot fail on an open connection
	defer stop()
	c := &caller{rng: rand.New(rand.NewPCG(number, 1)), seq: &l.seq}
	answers := bufio.NewReaderSize(conn, 8<<10)
	var request, body []byte
	var samples []time.Duration
	for ctx.Err() == nil {
		if l.op.limit > 0 && l.seq.Load() >= l.op.limit {
			break
		}
		request = l.op.render(request[:0], c)
		sent := time.Now()
		body, err = exchange(conn, answers, request, body[:0])
		if err != nil {
			return err
		}
		if !l.op.right(body) {
			return fmt.Errorf("an answer lacks %s: %.2000s", l.op.want, body)
		}
		l.answered.Add(1)
		if l.sampling.Load() {
			samples = append(samples, time.Since(sent))
		}
	}
	l.mu.Lock()
	l.samples = append(l.samples, samples...)
	l.mu.Unlock()
	return nil
}

// exchange sends a request and appends the body of the answer, which must be a 200.
func exchange(conn net.Conn, answers *bufio.Reader, request, body []byte) ([]byte, error) {
	_, err := conn.Write(request)
	if err != nil {
		return nil, err
	}
	status, length, err := readHead(answers)
	if err != nil {
		return nil, err
	}
	body = slices.Grow(body, length)[:length]
	_, err = io.ReadFull(answers, body)
	if err == nil && status != "200" {
		err = &statusError{status, string(body)}
	}
	return body, err
}

// statusError is an answer that is no success.
type statusError struct{ status, body string }

// Error says what was answered.
func (e *statusError) Error() string { return "an answer has status " + e.status + ": " + e.body }

// readHead reads the head of an answer. It knows just as much of HTTP as Muster's answers need.
func readHead(answers *bufio.Reader) (status string, length int, err error) {
	length = -1
	for first := true; ; first = false {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return "", 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first && len(line) >= 12:
			status = string(line[9:12])
		case len(line) == 0 && length < 0:
			return "", 0, errors.New("an answer does not say how long it is")
		case len(line) == 0:
			return status, length, nil
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, err = strconv.Atoi(string(value))
			if err != nil {
				return "", 0, err
			}
		}
	}
}

// percentiles gives the median and the 99th percentile of the samples in milliseconds.
func (l *load) percentiles() (p50, p99 float64) {
	n := len(l.samples)
	if n == 0 {
		return 0, 0
	}
	slices.Sort(l.samples)
	in := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return in(l.samples[n/2]), in(l.samples[n*99/100])
}
