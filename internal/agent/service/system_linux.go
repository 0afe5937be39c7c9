package service

import "muster/internal/agent/host"

// System is the manager of the machine that the agent runs on.
func System() Manager { return systemd{root: "/", programs: host.System().Programs} }
