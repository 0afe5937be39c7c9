// Package app puts the parts together: configuration, store, services, doors, listener. Each subcommand of muster has a
// file here.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"muster/internal/config"
	"muster/internal/errs"
	"muster/internal/event"
)

// Version is set when a release is built.
var Version = "0.0.0-dev"

// environment is what commands share: where they write, and the flags that every command takes.
type environment struct {
	ctx     context.Context //nolint:containedctx // kong hands commands their environment, and the context with it
	stdout  io.Writer
	stderr  io.Writer
	log     *slog.Logger
	globals *globals
}

// defaultData is where the embedded database lies unless --data says otherwise.
const defaultData = "./muster-data"

// globals are the flags that every command takes.
type globals struct {
	Config   kong.ConfigFlag `help:"Read flags from a TOML or YAML FILE." placeholder:"FILE"`
	Data     string          `help:"Directory of the embedded database; ${data} unless given." placeholder:"DIR"`
	Database string          `help:"PostgreSQL database to use in place of the embedded one: postgres://…" placeholder:"URL"`
	LogLevel string          `help:"What to log: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogText  bool            `help:"Log as text in place of JSON."`
	// dataGiven says that Data was asked for, and is not the default.
	dataGiven bool
}

// settle puts in the default that kong is not told of: the demo has to tell whether it was given.
func (g *globals) settle() {
	g.dataGiven = g.Data != ""
	if !g.dataGiven {
		g.Data = defaultData
	}
}

// database says which one the command is about.
func (g *globals) database() config.Database { return config.Database{Dir: g.Data, URL: g.Database} }

type commands struct {
	globals

	Serve   serveCommand   `cmd:"" help:"Run the server."`
	Demo    demoCommand    `cmd:"" help:"Run the server with a fleet of emulated devices, for a first look."`
	Migrate migrateCommand `cmd:"" help:"Bring the database schema up to date."`
	Account accountCommand `cmd:"" help:"Create, list, show and change accounts."`
	App     appCommand     `cmd:"" help:"Create, list and revoke OAuth applications."`
	Device  deviceCommand  `cmd:"" help:"List, show, import and delete devices."`
	Apply   applyCommand   `cmd:"" help:"Make an account match a folder of YAML: settings, policies, groups, registration codes, webhooks."`
	Export  exportCommand  `cmd:"" help:"Write an account as a folder that apply reads."`
	Group   groupCommand   `cmd:"" help:"List, add, edit and delete device groups."`
	Feed    feedCommand    `cmd:"" help:"Import, list and remove feeds of vulnerabilities."`
	Policy  policyCommand  `cmd:"" help:"List, show, try, save and delete policies."`
	Vuln    vulnCommand    `cmd:"" help:"List and explain vulnerabilities, and accept risks."`
	Script  scriptCommand  `cmd:"" help:"Sign the scripts of custom checks, which agents run only when they are."`
	Run     runCommand     `cmd:"" help:"List, show and cancel work over many devices."`
	Regcode regcodeCommand `cmd:"" help:"Show, make and end the codes that agents register with."`
	Webhook webhookCommand `cmd:"" help:"Tell other systems of changes of status."`
	Backup  backupCommand  `cmd:"" help:"Write everything into one file, while the server goes on."`
	Restore restoreCommand `cmd:"" help:"Fill an empty database from a backup."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Main runs one command and gives the exit code of the process. It returns early when ctx ends.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cli commands
	exited, code := false, exitOK
	parser, err := kong.New(&cli, kong.Name("muster"), kong.DefaultEnvars("MUSTER"), kong.Vars{"data": defaultData}, kong.Writers(stdout, stderr),
		kong.Description("Muster takes posture reports from agents, judges them, and tells everything else on the network whether a device is fit, and why."),
		kong.Configuration(loadConfig), kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Exit(func(c int) { exited, code = true, c }))
	if err != nil {
		panic("app: the command line is declared wrongly: " + err.Error())
	}
	parsed, err := parser.Parse(joinNegatives(args))
	if exited { // --help
		return code
	}
	if err == nil {
		err = refuseEmpty(parsed)
	}
	if err != nil {
		fmt.Fprintf(stderr, "muster: %v\nTry 'muster --help'.\n", err)
		return exitUsage
	}
	cli.settle()
	env := &environment{ctx: actedBy(ctx, parsed), stdout: stdout, stderr: stderr, log: newLogger(stderr, &cli.globals), globals: &cli.globals}
	err = parsed.Run(env)
	if err != nil {
		return report(stderr, env.log, err)
	}
	return exitOK
}

// actedBy lets the record name the command line as who is behind what a command changes. A server acts for itself.
func actedBy(ctx context.Context, parsed *kong.Context) context.Context {
	switch parsed.Command() {
	case "serve", "demo":
		return ctx
	}
	return event.By(ctx, "command line")
}

// report tells the user what went wrong, and the log why.
func report(stderr io.Writer, log *slog.Logger, err error) int {
	var known *errs.Error
	if !errors.As(err, &known) {
		fmt.Fprintf(stderr, "muster: %v\n", err)
		return exitError
	}
	fmt.Fprintf(stderr, "muster: %s\n", messages(err))
	if known.Err != nil {
		log.Debug("the cause", "error", known.Err)
		fmt.Fprintf(stderr, "  because: %s\n", onceEachLine(known.Err.Error()))
	}
	if known.Code == errs.Invalid {
		return exitUsage
	}
	return exitError
}

// onceEachLine leaves out repeated lines: a driver tells the same of each way in which it tried to connect.
func onceEachLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// messages joins what several errors have to say.
func messages(err error) string {
	// Not errors.As: errors that are joined further down are the cause, not what is to be said.
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		var known *errs.Error
		if errors.As(err, &known) {
			return known.Message
		}
		return err.Error()
	}
	out := ""
	for i, e := range many.Unwrap() {
		if i > 0 {
			out += "\n  "
		}
		out += messages(e)
	}
	return out
}

func newLogger(w io.Writer, g *globals) *slog.Logger {
	var level slog.Level
	err := level.UnmarshalText([]byte(g.LogLevel))
	if err != nil {
		level = slog.LevelInfo // kong admits no other words than the known
	}
	options := &slog.HandlerOptions{Level: level}
	if g.LogText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

type versionCommand struct{}

// Run prints the version.
func (*versionCommand) Run(env *environment) error {
	_, err := fmt.Fprintln(env.stdout, "muster", Version)
	return err
}
