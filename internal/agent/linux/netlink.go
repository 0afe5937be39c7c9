package linux

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"muster/internal/posture"
)

// Requests of rtnetlink(7); answers come as the number that makes such a thing, which is two less.
const (
	getLink      = 18
	getAddress   = 22
	getRoute     = 26
	getNeighbour = 30
)

// Numbers of the kernel's headers.
const (
	familyIPv4, familyIPv6 = 2, 10

	linkAddress, linkName, linkMaster, linkState, linkInfo, linkNetns, linkPermanent = 1, 3, 10, 16, 18, 37, 54
	infoKind                                                                         = 1
	hardwareEther, hardwareLoopback                                                  = 1, 772
	flagUp                                                                           = 1
	flagRunning                                                                      = 0x40
	stateDown, stateDormant, stateUp                                                 = 2, 5, 6

	addressAny, addressLocal, addressFlags = 1, 2, 8
	tentative, deprecated, failed          = 0x40, 0x20, 0x08
	permanent                              = 0x80
	linkLocal                              = 253 // the scope

	routeTo, routeOut, routeGateway, routePriority, routeHops, routeTable, routeVia = 1, 4, 5, 6, 9, 15, 18
	mainTable                                                                       = 254
	unicast                                                                         = 1

	neighbourAddress, neighbourMAC = 1, 2
	reachable, stale               = 0x02, 0x04
	delay, probe                   = 0x08, 0x10
	isRouter                       = 0x80
)

// link is one adapter as the kernel knows it.
type link struct {
	index, master int
	name, kind    string
	hardware      uint16
	up, running   bool
	state         uint8
	mac           []byte
	permanent     []byte
	elsewhere     bool // its other end is in another namespace
	loopback      bool
}

type address struct {
	index     int
	prefix    netip.Prefix
	settled   bool // neither on trial nor on its way out
	permanent bool // for ever: not from a lease
	local     bool // of the link only
}

type route struct {
	index   int
	gateway netip.Addr
	metric  uint32
}

type neighbour struct {
	index   int
	address netip.Addr
	mac     posture.MAC
}

var errNetlink = errors.New("the kernel tells of the network in an unknown way")

// messages calls take for each message of a kind with what follows its header.
func messages(raw []byte, kind uint16, take func(body []byte) error) error {
	for len(raw) >= 16 {
		length := int(binary.NativeEndian.Uint32(raw))
		if length < 16 || length > len(raw) {
			return errNetlink
		}
		if binary.NativeEndian.Uint16(raw[4:]) == kind {
			if err := take(raw[16:length]); err != nil {
				return err
			}
		}
		raw = raw[min((length+3)&^3, len(raw)):]
	}
	return nil
}

// attributes calls take for each attribute.
func attributes(raw []byte, take func(kind uint16, value []byte)) error {
	for len(raw) >= 4 {
		length := int(binary.NativeEndian.Uint16(raw))
		if length < 4 || length > len(raw) {
			return errNetlink
		}
		take(binary.NativeEndian.Uint16(raw[2:])&0x3fff, raw[4:length]) // two bits say how it is built
		raw = raw[min((length+3)&^3, len(raw)):]
	}
	return nil
}

func number32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.ToValidUTF8(s, "\uFFFD")
}

func parseLinks(raw []byte) ([]link, error) {
	var out []link
	err := messages(raw, getLink-2, func(body []byte) error {
		if len(body) < 16 {
			return errNetlink
		}
		flags := binary.NativeEndian.Uint32(body[8:])
		l := link{
			index: int(int32(binary.NativeEndian.Uint32(body[4:]))), hardware: binary.NativeEndian.Uint16(body[2:]),
			up: flags&flagUp != 0, running: flags&flagRunning != 0,
		}
		l.loopback = l.hardware == hardwareLoopback
		err := attributes(body[16:], func(kind uint16, value []byte) {
			switch kind {
			case linkName:
				l.name = text(value)
			case linkAddress:
				l.mac = slices.Clone(value)
			case linkPermanent:
				l.permanent = slices.Clone(value)
			case linkMaster:
				l.master = int(number32(value))
			case linkState:
				if len(value) > 0 {
					l.state = value[0]
				}
			case linkNetns:
				l.elsewhere = true
			case linkInfo:
				// What is built in an unknown way has no kind, and is taken for an adapter like any other.
				_ = attributes(value, func(kind uint16, value []byte) { // see above
					if kind == infoKind {
						l.kind = text(value)
					}
				})
			}
		})
		if l.name != "" {
			out = append(out, l)
		}
		return err
	})
	return out, err
}

func parseAddresses(raw []byte) ([]address, error) {
	var out []address
	err := messages(raw, getAddress-2, func(body []byte) error {
		if len(body) < 8 {
			return errNetlink
		}
		a := address{index: int(number32(body[4:])), local: body[3] == linkLocal}
		flags := uint32(body[2])
		var shared, local netip.Addr
		err := attributes(body[8:], func(kind uint16, value []byte) {
			switch kind {
			case addressAny:
				shared, _ = netip.AddrFromSlice(value)
			case addressLocal: // on both ends of a line it differs from the other
				local, _ = netip.AddrFromSlice(value)
			case addressFlags:
				flags = number32(value)
			}
		})
		if !local.IsValid() {
			local = shared
		}
		a.settled, a.permanent = flags&(tentative|deprecated|failed) == 0, flags&permanent != 0
		if a.prefix = netip.PrefixFrom(local, int(body[1])); a.prefix.IsValid() {
			out = append(out, a)
		}
		return err
	})
	return out, err
}

// parseRoutes gives the default routes of the main table.
func parseRoutes(raw []byte) ([]route, error) {
	var out []route
	err := messages(raw, getRoute-2, func(body []byte) error {
		if len(body) < 12 {
			return errNetlink
		}
		r, table := route{}, uint32(body[4])
		hops := []byte(nil)
		isDefault := body[1] == 0 && body[7] == unicast && (body[0] == familyIPv4 || body[0] == familyIPv6)
		err := attributes(body[12:], func(kind uint16, value []byte) {
			switch kind {
			case routeOut:
				r.index = int(number32(value))
			case routeGateway:
				r.gateway, _ = netip.AddrFromSlice(value)
			case routeVia: // a gateway of the other family; two bytes say which
				if len(value) > 2 {
					r.gateway, _ = netip.AddrFromSlice(value[2:])
				}
			case routePriority:
				r.metric = number32(value)
			case routeTable:
				table = number32(value)
			case routeHops:
				hops = value
			}
		})
		if err != nil || !isDefault || table != mainTable {
			return err
		}
		if r.index != 0 {
			out = append(out, r)
		}
		more, err := parseHops(hops, r.metric)
		out = append(out, more...)
		return err
	})
	return out, err
}

// parseHops reads the several ways that one route may have.
func parseHops(raw []byte, metric uint32) ([]route, error) {
	var out []route
	for len(raw) >= 8 {
		length := int(binary.NativeEndian.Uint16(raw))
		if length < 8 || length > len(raw) {
			return out, errNetlink
		}
		r := route{index: int(number32(raw[4:])), metric: metric}
		err := attributes(raw[8:length], func(kind uint16, value []byte) {
			if kind == routeGateway {
				r.gateway, _ = netip.AddrFromSlice(value)
			}
		})
		if err != nil {
			return out, err
		}
		out = append(out, r)
		raw = raw[min((length+3)&^3, len(raw)):]
	}
	return out, nil
}

// parseNeighbours gives the neighbours that are known to be there, or were not long ago.
func parseNeighbours(raw []byte) ([]neighbour, error) {
	var out []neighbour
	err := messages(raw, getNeighbour-2, func(body []byte) error {
		if len(body) < 12 {
			return errNetlink
		}
		n := neighbour{index: int(number32(body[4:]))}
		state := binary.NativeEndian.Uint16(body[8:])
		var mac []byte
		err := attributes(body[12:], func(kind uint16, value []byte) {
			switch kind {
			case neighbourAddress:
				n.address, _ = netip.AddrFromSlice(value)
			case neighbourMAC:
				mac = value
			}
		})
		if err == nil && state&(reachable|stale|delay|probe) != 0 && n.address.IsValid() && copy(n.mac[:], mac) == len(n.mac) && len(mac) == len(n.mac) {
			out = append(out, n)
		}
		return err
	})
	return out, err
}
