package device

import (
	"hash/maphash"
	"sync"
	"time"

	"muster/internal/posture"
)

// surroundings remembers what was seen on networks lately, so that five hundred agents that see the same three hundred
// machines have each looked up once in a while, and not each time. It is bounded; what it forgets is only looked up again. Each
// server has its own.
type surroundings struct {
	seed maphash.Seed

	mu    sync.Mutex
	taken recent[placed] // machines
	sets  recent[uint64] // lists, by who reported them
	// warned is on which day it was last told that an account was given all that one day may add.
	warned map[posture.AccountID]int64
}

// placed is an address in an account.
type placed struct {
	account posture.AccountID
	mac     posture.MAC
}

const (
	takenSize = 1 << 17
	setsSize  = 1 << 17
)

func newSurroundings() *surroundings {
	return &surroundings{
		seed: maphash.MakeSeed(), taken: recent[placed]{size: takenSize}, sets: recent[uint64]{size: setsSize},
		warned: make(map[posture.AccountID]int64),
	}
}

// take reports whether a machine was not noted lately, and from now on it was.
func (s *surroundings) take(account posture.AccountID, mac posture.MAC, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := placed{account, mac}
	last, ok := s.taken.get(key)
	if ok && at.Sub(last.at) < neighbourLife {
		return false
	}
	s.taken.put(key, mark{at: at})
	return true
}

// giveBack forgets that a machine was noted.
func (s *surroundings) giveBack(account posture.AccountID, mac posture.MAC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken.drop(placed{account, mac})
}

// sameSet reports whether a device reported the same list lately, with the same done about it.
func (s *surroundings) sameSet(ref Ref, set uint64, noted bool, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.sets.get(s.who(ref))
	return ok && last == mark{last.at, set, noted} && at.Sub(last.at) < neighbourSetLife
}

// keepSet remembers the list that a device reported, and whether its machines were noted.
func (s *surroundings) keepSet(ref Ref, set uint64, noted bool, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets.put(s.who(ref), mark{at, set, noted})
}

func (s *surroundings) who(ref Ref) uint64 { return maphash.Comparable(s.seed, ref) }

// warn reports whether nobody was told today that an account was given all.
func (s *surroundings) warn(account posture.AccountID, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	today := dayOf(at)
	if s.warned[account] == today {
		return false
	}
	s.warned[account] = today
	return true
}

// dayOf numbers the days since 1970.
func dayOf(at time.Time) int64 { return at.Unix() / (24 * 60 * 60) }

// mark is when something was remembered, and what of it.
type mark struct {
	at    time.Time
	set   uint64
	noted bool
}

// recent remembers a bounded number of marks in two generations: when the young one is half of all, the old one is
// forgotten.
type recent[K comparable] struct {
	size       int
	young, old map[K]mark
}

func (r *recent[K]) get(key K) (mark, bool) {
	m, ok := r.young[key]
	if !ok {
		m, ok = r.old[key]
	}
	return m, ok
}

func (r *recent[K]) put(key K, m mark) {
	if _, ok := r.young[key]; !ok && len(r.young) >= r.size/2 || r.young == nil {
		r.young, r.old = make(map[K]mark), r.young
	}
	r.young[key] = m
}

func (r *recent[K]) drop(key K) {
	delete(r.young, key)
	delete(r.old, key)
}
