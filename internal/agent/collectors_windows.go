package agent

import "muster/internal/agent/windows"

var collectors = windows.Collectors
