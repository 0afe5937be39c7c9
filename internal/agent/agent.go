// Package agent is the endpoint agent: its commands, how it enrols, and how it goes on reporting.
package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"muster/internal/agent/host"
	"muster/internal/agent/script"
	"muster/internal/agent/service"
	"muster/internal/agent/settings"
)

// Version is the version of the agent, set when it is built.
var Version = "unknown"

// program is what commands have of the world.
type program struct {
	stdout, stderr io.Writer
	env            func(string) (string, bool)
	privileged     bool // it is run by an administrator
	manager        func() service.Manager
}

// command is one of the words after the program's name.
type command struct {
	name, short string
	// long says more about it, in front of its flags.
	long string
	run  func(ctx context.Context, p *program, c *command, args []string) error
	// hidden commands are for the agent itself.
	hidden bool
}

// commands are all of them, in the order of the help.
func commands() []command {
	return []command{
		{name: "install", short: "enrol this machine, and report from now on", run: runInstall, long: installText},
		{name: "run", short: "look and report until it is stopped; what the service runs", run: runAgent, long: runText},
		{name: "once", short: "look at this machine once, and show what was found", run: runOnce, long: onceText},
		{name: "status", short: "what the server thinks of this machine", run: runStatus, long: statusText},
		{name: "identify", short: "say who uses this machine, where the administrator asks", run: runIdentify, long: identifyText},
		{name: "retire", short: "take this machine out of the server's inventory", run: runRetire, long: retireText},
		{name: "uninstall", short: "retire this machine, and remove the agent from it", run: runUninstall, long: uninstallText},
		{name: "version", short: "the version", run: runVersion},
		{name: script.CommandName, run: runScript, hidden: true},
	}
}

// Main runs the program and gives its exit status: 0 for success, 1 for failure, 2 for what was not understood.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr, env: os.LookupEnv, privileged: host.System().Privileged, manager: service.System}
	err := p.main(ctx, args)
	var usage *usageError
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.status
	case errors.As(err, &usage):
		p.complain("muster-agent: %v\n", err)
		return 2
	default:
		p.complain("muster-agent: %s\n", explain(err))
		return 1
	}
}

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func (p *program) main(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return p.help()
	}
	all := commands()
	for i := range all {
		if c := &all[i]; c.name == args[0] || c.name == "version" && args[0] == "--version" {
			return c.run(ctx, p, c, args[1:])
		}
	}
	return usagef("there is no command %q; muster-agent --help lists them", args[0])
}

// say writes to the user. Nobody can be told that this failed.
func (p *program) say(format string, args ...any) { _, _ = fmt.Fprintf(p.stdout, format, args...) }

func (p *program) complain(format string, args ...any) { _, _ = fmt.Fprintf(p.stderr, format, args...) }

func (p *program) help() error {
	p.say("muster-agent looks at this machine and reports what it finds to a Muster server.\n\n")
	for _, c := range commands() {
		if !c.hidden {
			p.say("  muster-agent %-10s %s\n", c.name, c.short)
		}
	}
	p.say("\nmuster-agent COMMAND --help says more. Settings are read from a file, from MUSTER_AGENT_… in the environment, and from flags.\n")
	return nil
}

// load reads the settings for a command. It gives errHelped when it has shown the command's help instead.
func (p *program) load(c *command, f *settings.Flags, args []string) ([]string, error) {
	rest, err := f.Load(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		p.say("muster-agent %s: %s\n\n", c.name, c.short)
		if c.long != "" {
			p.say("%s\n\n", strings.TrimSpace(c.long))
		}
		p.showFlags(f)
		return nil, errHelped
	case err != nil:
		return nil, &usageError{err}
	}
	return rest, nil
}

// loadAlone is load for a command that takes no arguments.
func (p *program) loadAlone(c *command, f *settings.Flags, args []string) error {
	rest, err := p.load(c, f, args)
	if err == nil && len(rest) > 0 {
		err = usagef("%s takes no arguments, and got %q", c.name, rest[0])
	}
	return err
}

// showFlags shows the flags of the command itself, which are few, in front of the settings, which all commands have.
func (p *program) showFlags(f *settings.Flags) {
	common := settings.NewFlags("", func(string) (string, bool) { return "", false })
	own := "Flags of this command:\n"
	f.VisitAll(func(g *flag.Flag) {
		if common.Lookup(g.Name) == nil {
			p.say("%s", own)
			own = ""
			p.showFlag(g)
		}
	})
	if own == "" {
		p.say("\n")
	}
	p.say("Settings, which count for this run; install keeps them:\n")
	common.VisitAll(p.showFlag)
}

func (p *program) showFlag(g *flag.Flag) {
	name, usage := flag.UnquoteUsage(g)
	if name != "" {
		name = " " + name
	}
	if d := g.DefValue; d != "" && d != "false" {
		usage += " (default " + d + ")"
	}
	p.say("  --%s%s\n        %s\n", g.Name, name, usage)
}

// errHelped ends a command that has only shown its help.
var errHelped = errors.New("help was shown")

// helped turns a command that has shown its help into a success.
func helped(err error) error {
	if errors.Is(err, errHelped) {
		return nil
	}
	return err
}

func runVersion(_ context.Context, p *program, _ *command, _ []string) error {
	p.say("%s\n", Version)
	return nil
}
