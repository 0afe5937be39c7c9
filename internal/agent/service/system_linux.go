package service

import "muster/internal/agent/host"

// StopCommand is how an administrator stops the service here.
const StopCommand = "systemctl stop " + Name

// System is the manager of the machine that the agent runs on.
func System() Manager { return systemd{root: "/", programs: host.System().Programs} }
