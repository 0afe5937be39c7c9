package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"muster/test/proof"
)

// within runs something with the network of a namespace. Its thread ends with it, so that no other sees that network.
func within(t *testing.T, in namespace, do func() error) {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		file, err := os.Open("/run/netns/" + string(in))
		if err == nil {
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
			_ = file.Close()
		}
		if err == nil {
			err = do()
		}
		failed <- err
	}()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

// send sends a word to an address, whose owner has to be found for it.
func send(address string) error {
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(address), Port: 9})
	if err != nil {
		return err
	}
	_, err = c.Write([]byte("hello"))
	return errors.Join(err, c.Close())
}

// TestNeighboursAsIPShows: the agent sees whom the machine talked to, as ip shows them, and nobody behind a bridge for containers.
func TestNeighboursAsIPShows(t *testing.T) {
	proof.NeedPrograms(t, "ip")
	here, there := newNamespace(t, "looker"), newNamespace(t, "printer")
	join(t, here, there, "lan0", "192.0.2.17/24", "192.0.2.44/24")
	for n, address := range map[namespace]string{here: "2001:db8::17/64", there: "2001:db8::44/64"} {
		n.run(t, "ip", "address", "add", address, "dev", "lan0", "nodad")
	}
	within(t, here, func() error { return errors.Join(send("192.0.2.44"), send("2001:db8::44")) })
	proof.Eventually(t, "the neighbour has answered", func() bool {
		return strings.Count(here.run(t, "ip", "neighbour", "show", "dev", "lan0"), "lladdr") >= 2
	})
	here.run(t, "ip", "neighbour", "add", "192.0.2.45", "lladdr", "02:00:5e:00:53:45", "dev", "lan0", "nud", "permanent") // set by hand, not seen
	here.run(t, "ip", "link", "add", "docker0", "type", "bridge")
	here.run(t, "ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
	here.run(t, "ip", "link", "set", "docker0", "up")
	here.run(t, "ip", "neighbour", "add", "172.17.0.2", "lladdr", "02:00:5e:00:53:02", "dev", "docker0", "nud", "reachable")

	// The kernels of both ends go on to ask for each other, and may get to know one more address meanwhile.
	agree(t, "neighbours", func() (we, they []string) { return neighbours(t, here), shownNeighbours(t, here) })
}

// neighbours are those that the agent sees.
func neighbours(t *testing.T, in namespace) (out []string) {
	t.Helper()
	for _, n := range lookIn(t, in, "neighbours").Neighbours.Value {
		out = append(out, fmt.Sprintf("%s %s %s", n.Adapter, n.Address, n.MAC))
	}
	return out
}

// shownNeighbours are those that ip shows behind the cable, and not by hand: the two at the least that were talked to.
func shownNeighbours(t *testing.T, in namespace) (out []string) {
	t.Helper()
	var shown []struct {
		Dst, Dev, Lladdr string
		State            []string
	}
	if err := json.Unmarshal([]byte(in.run(t, "ip", "-json", "neighbour")), &shown); err != nil {
		t.Fatal(err)
	}
	for _, n := range shown {
		seen := slices.ContainsFunc(n.State, func(s string) bool { return strings.Contains("REACHABLE STALE DELAY PROBE", s) })
		if seen && n.Dev == "lan0" && n.Lladdr != "" {
			out = append(out, n.Dev+" "+n.Dst+" "+n.Lladdr)
		}
	}
	if len(out) < 2 {
		t.Fatalf("ip shows only %v", out)
	}
	return out
}
