package host

import (
	"os"
	"time"
)

// System is the machine that the agent runs on.
func System() *Host {
	return &Host{
		Files:      os.DirFS(root()),
		Programs:   programs{limit: programLimit, maxOutput: maxOutput},
		Slow:       programs{limit: slowLimit, maxOutput: maxOutput},
		Registry:   registry(),
		Native:     native(),
		Volumes:    volumes,
		Netlink:    netlink,
		Now:        time.Now,
		Privileged: privileged(),
	}
}
