package ratelimit

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// shards is how many locks share the keys, so that calls under different keys seldom wait for each other.
const shards = 16

// Memory is a Source within one process. It holds a bounded number of windows: when there is no room for another,
// those that have ended go first, and then some that have not; their keys start afresh.
type Memory struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu      sync.Mutex
	room    int
	windows map[Key]held
}

type held struct {
	Window
	length time.Duration
}

// NewMemory makes a Source for about that many windows.
func NewMemory(size int) *Memory {
	m := &Memory{seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i] = shard{room: max(1, size/shards), windows: make(map[Key]held)}
	}
	return m
}

// Take counts one call. It never fails.
func (m *Memory) Take(_ context.Context, key Key, now time.Time, window time.Duration) (Window, error) {
	return m.take(key, now, window), nil
}

func (m *Memory) take(key Key, now time.Time, window time.Duration) Window {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.windows[key]
	if !ok {
		s.makeRoom(now)
	}
	if !ok || !w.Open(now, window) {
		w = held{Window: Window{Started: now}}
	}
	w.Used++
	w.length = window
	s.windows[key] = w
	return w.Window
}

// Peek gives the window under the key as it stands; the zero Window where none is open.
func (m *Memory) Peek(key Key, now time.Time, window time.Duration) Window {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.windows[key]
	if !w.Open(now, window) {
		return Window{}
	}
	return w.Window
}

func (m *Memory) shard(key Key) *shard {
	return &m.shards[maphash.Comparable(m.seed, key)%shards]
}

// makeRoom sees to it that one more window fits. It clears an eighth of the room at least, so that its cost is spread
// over the calls that follow even when every window is open.
func (s *shard) makeRoom(now time.Time) {
	if len(s.windows) < s.room {
		return
	}
	for key, w := range s.windows {
		if !w.Open(now, w.length) {
			delete(s.windows, key)
		}
	}
	keep := s.room - 1 - s.room/8
	for key := range s.windows {
		if len(s.windows) <= keep {
			return
		}
		delete(s.windows, key)
	}
}
