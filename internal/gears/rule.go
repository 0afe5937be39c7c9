package gears

import (
	"errors"
	"strconv"
	"strings"
)

// rule is what a value must keep to that is not read when a report is decoded. It speaks of numbers alone, written as
// such or in a string: the form of these members is not known for certain, so whatever else they hold is passed over.
type rule uint8

const (
	ruleNone   rule = iota
	ruleAmount      // a number is not negative
	ruleTime        // a time is not before 1970
	ruleMoment      // a time is one that is read: neither before 1970 nor after 2199
)

// rule gives that of a member's value. A battery may have a current below zero, but no charge.
func (z zone) rule(name []byte) rule {
	switch z {
	case zoneRoot, zoneSOH:
		if string(name) == `"last_time_ip_scanning"` {
			return ruleTime
		}
	case zoneSystem:
		switch string(name) {
		case `"battery"`, `"device_up_time"`:
			return ruleAmount
		}
	case zonePower:
		if string(name) == `"percentage"` {
			return ruleAmount
		}
	case zoneMemory, zoneDisk:
		return ruleAmount
	case zoneAdapter:
		switch string(name) {
		case `"dhcp_obtained"`, `"dhcp_expires"`:
			return ruleMoment
		}
	}
	return ruleNone
}

const errNegative = problem("must not be negative")

// broken says what is wrong with a value that is no object and no list, if anything is.
func (r rule) broken(raw []byte) error {
	switch r {
	case ruleAmount:
		if isNegative(raw) {
			return errNegative
		}
	case ruleTime:
		if _, err := parseMoment(raw); errors.Is(err, errMomentEarly) {
			return err
		}
	case ruleMoment:
		return new(looseMoment).UnmarshalJSON(raw)
	}
	return nil
}

// isNegative reports whether a number, or a string that spells one, is below zero.
func isNegative(raw []byte) bool {
	text := raw
	if raw[0] == '"' {
		text = []byte(strings.TrimSpace(unquote(raw)))
	}
	if len(text) == 0 || text[0] != '-' {
		return false
	}
	// One that is out of range comes with the infinity of its sign; what is no number at all is 0.
	n, _ := strconv.ParseFloat(string(text), 64)
	return n < 0
}
