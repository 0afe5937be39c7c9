package arch

import "slices"

// Groups of folders that the rules below are made of.
var (
	// ground is what everything may stand on.
	ground = []string{"internal/posture", "internal/errs", "internal/page", "internal/signature"}
	// domain is what the product knows and decides.
	domain = []string{
		"internal/device", "internal/policy", "internal/vuln", "internal/vuln/version", "internal/vuln/feed",
		"internal/identity", "internal/identity/scope", "internal/event", "internal/ratelimit",
		"internal/run", "internal/policies", "internal/webhook", "internal/risk", "internal/catalogue",
	}
	// suites are tests that every implementation of an interface has to pass. Only tests and other suites use them.
	suites = []string{"internal/identity/identitytest", "internal/ratelimit/ratelimittest", "internal/store/storetest"}
)

// House is the arrows of the design: each points down, and no two doors know of each other.
//
// A new package belongs into this table before it belongs into the tree. An arrow that is missing here is missing for a
// reason: let the caller declare a small interface, and let app join the two.
var House = Rules{
	Allowed: map[string][]string{
		// The ground floor: words, and nothing that acts.
		"internal/posture": nil,
		"internal/errs":    nil,
		"internal/page":    nil,
		// Who signed what, which servers and agents share.
		"internal/signature": {"internal/errs"},
		"internal/config":    {"internal/errs"},
		// Files as a whole, for whoever writes one.
		"internal/atomicfile": nil,

		// The domain. Its packages meet through interfaces that the one that calls declares. Two may be known by others:
		// event, the words of the record that everything is written to, and ratelimit, which is arithmetic.
		"internal/event":                   ground,
		"internal/ratelimit":               ground,
		"internal/ratelimit/ratelimittest": with(ground, "internal/ratelimit"),
		"internal/policy":                  with(ground, "internal/vuln/version"),
		"internal/run":                     ground,
		"internal/policies":                with(ground, "internal/policy", "internal/event", "internal/run"),
		"internal/risk":                    with(ground, "internal/event", "internal/run"),
		"internal/webhook":                 with(ground, "internal/event"),
		"internal/device":                  with(ground, "internal/event", "internal/run"),
		"internal/vuln":                    with(ground, "internal/vuln/version"),
		"internal/vuln/version":            ground,
		"internal/vuln/feed":               with(ground, "internal/vuln", "internal/vuln/version"),
		"internal/catalogue":               with(ground, "internal/vuln"),
		"internal/identity":                with(ground, "internal/identity/scope", "internal/ratelimit", "internal/event", "internal/run"),
		"internal/identity/scope":          ground,
		"internal/identity/identitytest":   with(ground, "internal/event", "internal/identity", "internal/identity/scope"),

		// What works for the domain: storage, and what happens by the clock.
		"internal/store":           with(slices.Concat(ground, domain), "internal/store/dialect"),
		"internal/store/dialect":   ground,
		"internal/store/storetest": slices.Concat(ground, domain, suites, []string{"internal/store", "internal/store/dialect", "internal/testpg"}),
		"internal/jobs":            slices.Concat(ground, domain),
		// It sends by HTTP, which the domain does not.
		"internal/webhook/sender": {"internal/webhook"},

		// The doors translate a protocol into calls of the domain. None imports another.
		"internal/web":   {"internal/errs"},
		"internal/oauth": doorway,
		"internal/api":   with(doorway, "internal/policy", "internal/event"),
		"internal/gears": doorway,
		// The reference of the compatible API, for people to read and programs to check against.
		"api":                nil,
		"internal/reference": {"internal/web", "internal/errs", "api"},
		"internal/admin":     slices.Concat(doorway, domain),
		"internal/console":   slices.Concat(doorway, domain),

		// The endpoint agent: none of the server.
		"internal/agent/...": with(ground, "internal/atomicfile", "internal/agent/..."),

		// Where everything is put together, and what only starts it.
		"internal/app":     {"..."},
		"cmd/muster":       {"internal/app"},
		"cmd/muster-agent": {"internal/agent/..."},

		// For other people's programs: they have only the standard library and us.
		"client":       nil,
		"client/admin": {"client"},

		// Helpers of tests, and programs for those who build Muster.
		"internal/testpg": nil,
		"test/...":        {"..."},
		"tools/...":       {"..."},
	},
	StandardOnly: []string{
		"client", "client/admin", "internal/posture", "internal/errs", "internal/web", "internal/ratelimit",
		"internal/identity/scope", "internal/run", "internal/atomicfile",
	},
	Forbidden: []Ban{
		{
			Packages: []string{
				"modernc.org/sqlite/...", "github.com/jackc/pgx/v5/...", "github.com/pressly/goose/v3/...",
				"github.com/mattn/go-sqlite3", "github.com/ncruces/go-sqlite3/...", "github.com/lib/pq",
			},
			In:     []string{"..."},
			Except: []string{"internal/store/...", "internal/testpg", "tools/...", "test/..."},
			Why:    "only the store knows which database it talks to",
		},
		{
			Packages: []string{"database/sql/...", "net/http/...", "os/...", "syscall", "log"},
			In:       slices.Concat(ground, domain),
			Why:      "the domain does no input and output of its own",
		},
		{
			Packages: []string{"crypto/rand", "math/rand/...", "net", "io/fs"},
			In:       []string{"internal/policy", "internal/vuln", "internal/vuln/version", "internal/ratelimit", "internal/identity/scope"},
			Why:      "the package is pure: the same input gives the same answer",
		},
		{
			Packages: []string{"database/sql/..."},
			In:       []string{"internal/oauth", "internal/api", "internal/gears", "internal/admin", "internal/console", "internal/web"},
			Why:      "a door calls the domain, never the database",
		},
		{
			Packages: []string{"html/template", "github.com/alecthomas/kong/..."},
			In:       []string{"internal/agent/...", "cmd/muster-agent"},
			Why:      "it keeps the linker from leaving out unused methods, and the agent is to be small",
		},
	},
}

// doorway is what every door may import.
var doorway = with(ground, "internal/web", "internal/device", "internal/identity", "internal/identity/scope", "internal/ratelimit")

// with is a list of folders and some more.
func with(folders []string, more ...string) []string { return slices.Concat(folders, more) }
