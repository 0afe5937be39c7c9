package agent

import "muster/internal/agent/macos"

var collectors = macos.Collectors
