package api

import (
	"sync"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// unlessNotFound makes nothing of what is not there.
func unlessNotFound(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// pageOf cuts a page out of a list that is there as a whole. Behind the end it is empty.
func pageOf[T any](list []T, number, limit int) []T {
	from := min((number-1)*limit, len(list))
	return list[from:min(from+limit, len(list))]
}

// maxSearch is how long the text of a search may be, in characters.
const maxSearch = 256

// search reads the text that is searched for. An empty one finds everything: forms send what was not filled in.
func (p *params) search() string {
	if text, k := p.find("search", inBody); k == asText && text == "" {
		return ""
	}
	text, _ := p.text("search", inBody, maxSearch)
	return text
}

// maxBatch is how many devices one call may name where the reference gives no number.
const maxBatch = 500

// batchWorkers is how many devices of one call are worked on at once, so that they share commits.
const batchWorkers = 16

// batch is a list of devices that a caller named, each by an id or a MAC address.
type batch struct {
	values []string
	byMAC  bool
}

// readBatch reads two lists of which exactly one has to be there. An empty one is as good as none beside the other.
func (p *params) readBatch(macs, ids string) batch {
	byMAC, haveMACs := p.texts(macs, maxBatch, maxName)
	byID, haveIDs := p.texts(ids, maxBatch, maxName)
	switch {
	case len(byMAC) > 0 && len(byID) > 0:
		p.wrong(ids, "and %s must not both be there", macs)
	case !haveMACs && !haveIDs:
		p.wrong(ids, "or %s is required", macs)
	case len(byMAC) > 0:
		return batch{byMAC, true}
	}
	return batch{byID, false}
}

// selector reads the entry of a batch. NotFound: it names no device, such as a MAC address that is none.
func (b batch) selector(value string) (device.Selector, error) {
	sel, err := selectorOf(value)
	if err == nil && b.byMAC && !sel.ByMAC {
		err = errs.New(errs.NotFound, "Device not found")
	}
	return sel, err
}

// forEach does the same with every device of a batch, several at a time, and gives what came of it in the order of the
// batch; what is named twice is done once. An error is the first fault: each of the others is done nevertheless.
// NotFound is none, and leaves the zero value. A panic is passed on to the caller: in a goroutine of its own it would end the
// program.
func forEach[T any](b batch, do func(device.Selector) (T, error)) ([]T, error) {
	places := make(map[string]int, len(b.values))
	var names []string
	for _, v := range b.values {
		if _, ok := places[v]; !ok {
			places[v] = len(names)
			names = append(names, v)
		}
	}
	found, faults, panics := make([]T, len(names)), make([]error, len(names)), make([]any, len(names))
	one := func(i int) {
		defer func() { panics[i] = recover() }()
		sel, err := b.selector(names[i])
		if err == nil {
			found[i], err = do(sel)
		}
		faults[i] = unlessNotFound(err)
	}
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(batchWorkers, len(names)) {
		wait.Go(func() {
			for i := range next {
				one(i)
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	wait.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
	out := make([]T, len(b.values))
	for i, v := range b.values {
		out[i] = found[places[v]]
	}
	return out, firstOf(faults)
}

func firstOf(faults []error) error {
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// statusNumber is the status in the calls of v2 that know of devices without an agent.
func statusNumber(s posture.Status) int {
	if s == posture.StatusUnknown || s == posture.StatusIgnored {
		return statusNotFound
	}
	return numberStatuses[s]
}

// statusNotFound is the number of a device that is not there, or has no agent.
const statusNotFound = 2
