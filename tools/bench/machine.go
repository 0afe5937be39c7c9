package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine says where and of what the figures are.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
	Date   string `json:"date"`
}

func describeMachine(ctx context.Context, root string) machine {
	m := machine{
		CPU: "unknown", Cores: runtime.NumCPU(), Kernel: runtime.GOOS, Go: runtime.Version(),
		Date: time.Now().UTC().Format("2006-01-02"), Commit: "unknown",
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + string(bytes.TrimSpace(release))
	}
	cmd := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil {
		m.Commit = string(bytes.TrimSpace(out))
	}
	return m
}

func self() (string, error) { return os.Executable() }
