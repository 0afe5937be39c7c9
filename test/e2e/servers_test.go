package e2e

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to ask PostgreSQL itself
)

// twoServers starts two servers on one database, and registers so many agents; the addresses of their machines end in 01, 02 …
func twoServers(t *testing.T, db []string, n int) (servers []*program, token string, agents []*agent) {
	t.Helper()
	servers = []*program{start(t, db, "--rate-limit", "1000000"), start(t, db, "--rate-limit", "1000000")}
	_, token = servers[0].client("write")
	code := strings.TrimSpace(servers[0].muster("regcode", "show"))
	for i := range n {
		agents = append(agents, servers[0].register(code, registration(fmt.Sprintf("00:0c:29:00:00:%02x", i+1))))
	}
	return servers, token, agents
}

// TestServersDoNotLockEachOtherOut has two servers change the same few devices and count the same calls at once. Each
// takes the same rows; if they took them in different orders, PostgreSQL would have to end one of them every second.
func TestServersDoNotLockEachOtherOut(t *testing.T) {
	db := engines["postgres"](t)
	servers, token, agents := twoServers(t, db, 4)
	const workers, calls = 16, 25
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for n := range calls {
				oneOfEach(t, servers[worker%2], token, agents, worker+n)
			}
		})
	}
	wg.Wait()
	if n := deadlocks(t, db); n != 0 {
		t.Errorf("PostgreSQL ended %d deadlocks", n)
	}
}

// TestFirstReportsDoNotLockServersOut has two servers receive the first reports of many devices at once, which all want a place
// in one chunk, while other changes of the same devices arrive at the other server.
func TestFirstReportsDoNotLockServersOut(t *testing.T) {
	db := engines["postgres"](t)
	servers, token, agents := twoServers(t, db, 200)
	// A few at a time: of many, the first keeps all others waiting.
	for few := range slices.Chunk(agents, 4) {
		var wg sync.WaitGroup
		for i, one := range few {
			here, there := *one, servers[(i+1)%2]
			here.p = servers[i%2]
			wg.Go(func() { here.report(healthy("host-"+here.ID, fmt.Sprintf("00:0c:29:00:02:%02x", i))).want(200) })
			for n := range 3 {
				wg.Go(func() {
					there.call("POST", "/o/api/v2/devices/"+here.ID+"/link_user", bearer(token), fmt.Sprintf(`{"username":"u%d"}`, n)).want(200)
				})
			}
		}
		wg.Wait()
	}
	if n := deadlocks(t, db); n != 0 {
		t.Errorf("PostgreSQL ended %d deadlocks", n)
	}
}

// oneOfEach makes one of several calls, each of which locks something.
func oneOfEach(t *testing.T, p *program, token string, agents []*agent, n int) {
	t.Helper()
	i := n / 4 % len(agents)
	a, mac := *agents[i], fmt.Sprintf("00:0c:29:00:00:%02x", i+1)
	a.p = p
	switch n % 4 {
	case 0:
		p.call("GET", "/o/api/v3/account", bearer(token), "").want(200)
	case 1:
		p.call("POST", "/o/api/v2/devices/"+a.ID+"/link_user", bearer(token), fmt.Sprintf(`{"username":"u%d"}`, n)).want(200)
	case 2:
		r := p.call("POST", "/o/api/v2/devices/"+mac+"/link_user", bearer(token), `{"username":"x"}`).want(200)
		if r.object()["result"] != 1.0 {
			t.Errorf("link by MAC: %s", r.body)
		}
	default:
		a.report(healthy(fmt.Sprintf("host-%d", n), mac)).want(200)
	}
}

// deadlocks asks PostgreSQL how many it has seen in the database.
func deadlocks(t *testing.T, db []string) int {
	t.Helper()
	conn, err := sql.Open("pgx", db[len(db)-1])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Each connection reports its statistics by itself, within a second.
	var n int
	for range 2 {
		<-time.After(time.Second)
		err = conn.QueryRowContext(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}
