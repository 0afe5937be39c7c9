package agent

import (
	"strings"
	"syscall"
	"testing"

	"muster/test/proof"
)

// TestOutage: the cable is pulled, the machine gets another address meanwhile, and the cable is plugged in again. Then the
// server is killed and comes back. The agent says so on its machine, and the server knows of the address at the end.
func TestOutage(t *testing.T) {
	proof.NeedPrograms(t, "curl")
	there, here := newNamespace(t, "server"), newNamespace(t, "agent")
	join(t, there, here, "lan0", "192.0.2.1/24", "192.0.2.17/24")
	s := serve(t, there, "192.0.2.1:8080")
	a := startAgent(t, here, s, "")
	proof.Eventually(t, "the agent has reported", func() bool { return a.status().Verdict != "" })
	token, id := s.token(), a.status().DeviceID
	proof.Eventually(t, "the server knows the address", func() bool { return strings.Contains(s.details(token, id), "192.0.2.17") })

	there.run(t, "ip", "link", "set", "lan0", "down")
	proof.Eventually(t, "the agent notices", func() bool { return a.status().Error != "" })
	here.run(t, "ip", "address", "delete", "192.0.2.17/24", "dev", "lan0")
	here.run(t, "ip", "address", "add", "192.0.2.99/24", "dev", "lan0")
	there.run(t, "ip", "link", "set", "lan0", "up")
	proof.Eventually(t, "the agent is back", func() bool { return a.status().Error == "" })
	proof.Eventually(t, "the server knows the new address", func() bool { return strings.Contains(s.details(token, id), "192.0.2.99") })

	s.signal(t, syscall.SIGKILL)
	<-s.done
	proof.Eventually(t, "the agent notices that the server is gone", func() bool { return a.status().Error != "" })
	s.start()
	proof.Eventually(t, "the agent is back once more", func() bool { return a.status().Error == "" })
	if after := a.status().DeviceID; after != id {
		t.Errorf("it is the device %s, and was %s", after, id)
	}
	if n := strings.Count(a.said.String(), "msg=enrolled"); n != 1 {
		t.Errorf("it enrolled %d times", n)
	}
}

// TestRetiredByServer: the device is deleted on the server; its agent ends with success and leaves no credentials.
func TestRetiredByServer(t *testing.T) {
	proof.NeedRoot(t)
	n := newNamespace(t, "alone")
	s := serve(t, n, "127.0.0.1:8080")
	a := startAgent(t, n, s, "")
	proof.Eventually(t, "the agent has reported", func() bool { return a.status().Verdict != "" })
	s.muster("device", "delete", a.status().DeviceID)
	proof.Eventually(t, "the agent ends", func() bool {
		select {
		case <-a.done:
			return true
		default:
			return false
		}
	})
	if code := a.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	if st := a.status(); st.Retired.IsZero() || st.DeviceID != "" {
		t.Errorf("it shows %+v", st)
	}
	again := startAgent(t, n, s, a.state)
	<-again.done
	if s.device() != nil {
		t.Error("a retired agent came back by itself")
	}
}
