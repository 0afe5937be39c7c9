package store

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestTogether: many callers share few reads, and none is given what was so before it asked.
func TestTogether(t *testing.T) {
	var shared together[int, int64]
	var truth, reads atomic.Int64
	var wg sync.WaitGroup
	const callers, each = 16, 200
	for range callers {
		wg.Go(func() {
			for range each {
				asked := truth.Add(1)
				got, err := shared.do(1, func() (int64, error) {
					reads.Add(1)
					value := truth.Load()
					<-time.After(10 * time.Microsecond)
					return value, nil
				})
				if err != nil || got < asked {
					t.Errorf("asked after %d, got %d, %v", asked, got, err)
				}
			}
		})
	}
	wg.Wait()
	if n := reads.Load(); n > callers*each/2 {
		t.Errorf("%d reads for %d callers", n, callers*each)
	}
	if len(shared.rounds) != 0 {
		t.Errorf("%d rounds are left", len(shared.rounds))
	}
}

// TestTogetherAfterAPanic: the next caller must not wait for ever.
func TestTogetherAfterAPanic(t *testing.T) {
	var shared together[int, int]
	reading, follow := make(chan struct{}), make(chan error)
	go func() {
		defer func() { _ = recover() }()
		shared.do(1, func() (int, error) { close(reading); <-follow; return 0, nil })
	}()
	<-reading
	for range 2 { // one leads the next round and panics, the other waits for it
		go func() {
			defer func() {
				if recover() != nil {
					follow <- errNoAnswer
				}
			}()
			_, err := shared.do(1, func() (int, error) { panic("in a read") })
			follow <- err
		}()
	}
	for waiting := false; !waiting; {
		shared.mu.Lock()
		waiting = shared.rounds[1].next != nil
		shared.mu.Unlock()
	}
	follow <- nil
	for range 2 {
		if err := <-follow; err == nil {
			t.Error("a read that broke off gave an answer")
		}
	}
	got, err := shared.do(1, func() (int, error) { return 7, nil })
	if got != 7 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
}
