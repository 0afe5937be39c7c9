package service

import "muster/internal/agent/host"

// StopCommand is how an administrator stops the service here.
const StopCommand = "launchctl bootout system/" + Name

// System is the manager of the machine that the agent runs on.
func System() Manager { return launchd{root: "/", programs: host.System().Programs} }
