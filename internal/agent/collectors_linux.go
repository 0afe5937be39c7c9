package agent

import "muster/internal/agent/linux"

var collectors = linux.Collectors
