package store

import (
	"errors"
	"sync"
)

// together lets callers that ask the same thing at the same time share one read. None gets an answer from before it
// asked: who comes while a read is under way shares the next one.
type together[K comparable, V any] struct {
	mu     sync.Mutex
	rounds map[K]*round[V]
}

var errNoAnswer = errors.New("a shared read broke off")

// round is one read, under way or waiting for the one before it.
type round[V any] struct {
	done  chan struct{}
	value V
	err   error
	next  *round[V]
}

// do gives what read gives.
func (t *together[K, V]) do(key K, read func() (V, error)) (V, error) {
	t.mu.Lock()
	current := t.rounds[key]
	if current == nil {
		mine := &round[V]{done: make(chan struct{})}
		if t.rounds == nil {
			t.rounds = make(map[K]*round[V])
		}
		t.rounds[key] = mine
		t.mu.Unlock()
		return t.lead(key, mine, read)
	}
	if mine := current.next; mine != nil {
		t.mu.Unlock()
		<-mine.done
		return mine.value, mine.err
	}
	mine := &round[V]{done: make(chan struct{})}
	current.next = mine
	t.mu.Unlock()
	<-current.done
	return t.lead(key, mine, read)
}

// lead does the read of a round and hands over to the next, even if the read panics.
func (t *together[K, V]) lead(key K, mine *round[V], read func() (V, error)) (V, error) {
	defer func() {
		t.mu.Lock()
		if mine.next != nil {
			t.rounds[key] = mine.next
		} else {
			delete(t.rounds, key)
		}
		t.mu.Unlock()
		close(mine.done)
	}()
	mine.err = errNoAnswer // what the others get if read panics
	mine.value, mine.err = read()
	return mine.value, mine.err
}
