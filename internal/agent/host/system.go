package host

import (
	"time"
)

// System is the machine that the agent runs on.
func System() *Host {
	return &Host{
		Files:      systemFiles(),
		Programs:   programs{limit: programLimit, maxOutput: maxOutput},
		Slow:       programs{limit: slowLimit, maxOutput: maxOutput},
		Registry:   registry(),
		Native:     native(),
		Volumes:    volumes,
		Scratch:    scratch,
		Netlink:    netlink,
		Now:        time.Now,
		Privileged: privileged(),
	}
}
