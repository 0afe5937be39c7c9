package gears

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/web"
)

// accountByCode finds the account of a registration code, or of whatever else an agent names before it has
// credentials. The guard is told of wrong ones.
func (d *door) accountByCode(r *http.Request, code string, find func(context.Context, string) (identity.Account, error)) (identity.Account, error) {
	if err := d.mayGuess(r); err != nil {
		return identity.Account{}, err
	}
	ctx, who := r.Context(), source(web.ClientAddr(r))
	account, err := identity.Account{}, error(errUnknownCode)
	if code != "" && len(code) <= maxCode {
		account, err = find(ctx, code)
	}
	if errs.Is(err, errs.NotFound) {
		if d.wrong.add(code) {
			d.Guard.Failed(ctx, GuardKind, who)
		}
		return identity.Account{}, errUnknownCode
	}
	return account, err
}

// mayGuess gives the answer to who has guessed too much.
func (d *door) mayGuess(r *http.Request) error {
	after, ok := d.Guard.Allowed(r.Context(), GuardKind, source(web.ClientAddr(r)))
	if !ok {
		return &waitError{errs.New(errs.RateLimited, "Too many wrong registration codes; try again later"), after}
	}
	return nil
}

// source names where a guess comes from: an IPv4 address, or the /64 network that one IPv6 machine has to itself.
func source(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// splitCode takes apart the registration code and the device group that an installer may have added to it: CODE_17.
func splitCode(s string) (code, group string) {
	s = strings.TrimSpace(s)
	cut := strings.LastIndexByte(s, '_')
	if cut < 0 || !isIndex(s[cut+1:]) || len(s)-cut-1 > maxGroupID {
		return s, ""
	}
	return s[:cut], s[cut+1:]
}

// wrongCodes remembers codes that were wrong lately, so that each is counted as a guess once. Agents whose code has
// been revoked try it again every minute: a roomful of them must not keep the others behind their address from
// registering with the right one. Who guesses gains nothing by trying the same code twice.
type wrongCodes struct {
	mu    sync.Mutex
	known map[string]struct{}
	order [1024]string // what goes first when there is no more room
	next  int
}

// add reports whether the code was not known to be wrong.
func (w *wrongCodes) add(code string) bool {
	if len(code) > maxCode {
		code = code[:maxCode]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.known[code]; ok {
		return false
	}
	if w.known == nil {
		w.known = make(map[string]struct{}, len(w.order))
	}
	delete(w.known, w.order[w.next])
	w.order[w.next] = strings.Clone(code)
	w.known[w.order[w.next]] = struct{}{}
	w.next = (w.next + 1) % len(w.order)
	return true
}
