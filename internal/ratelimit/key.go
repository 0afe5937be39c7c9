package ratelimit

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"muster/internal/posture"
)

// Key names what is counted together. The constructors below are the only ways to make one, so that two kinds never
// collide.
type Key struct {
	Account posture.AccountID // 0 where no account is known
	Bucket  string
}

// Operation counts the calls of one operation by all applications of an account.
func Operation(account posture.AccountID, operation string) Key {
	return Key{Account: account, Bucket: "op:" + operation}
}

// ApplicationOperation counts the calls of one operation by one application, for applications with a limit of their own.
func ApplicationOperation(account posture.AccountID, clientID, operation string) Key {
	return Key{Account: account, Bucket: "app:" + clientID + ":" + operation}
}

// maxWho is how long a name in a Guess key may be before its digest stands for it.
const maxWho = 128

// Guess counts failed guesses: kind says at what, who says by whom or about whom. who may come from the caller and be
// of any length.
func Guess(kind, who string) Key {
	if len(who) > maxWho {
		digest := sha256.Sum256([]byte(who))
		who = hex.EncodeToString(digest[:])
	}
	return Key{Bucket: "guess:" + kind + ":" + who}
}

// Origin names whom to hold to account for a call from an address: an IPv4 address itself, and the /64 of an IPv6
// address, which is what one subscriber has to himself. It is "" for the zero Addr.
func Origin(from netip.Addr) string {
	from = from.Unmap().WithZone("")
	if !from.IsValid() {
		return ""
	}
	if from.Is4() {
		return from.String()
	}
	return netip.PrefixFrom(from, 64).Masked().String()
}
