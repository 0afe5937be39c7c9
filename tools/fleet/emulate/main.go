// Command emulate has a made-up fleet live on a real server: devices register, ping and report as the real agent does,
// through its code and by its schedule; their machines change; some of them misbehave. It tells how long calls took and
// what went wrong, and at its end compares what the server holds with what it answered, device by device.
//
//	go run ./tools/fleet/emulate                              200 devices for 20 seconds, on a server of their own
//	go run ./tools/fleet/emulate -engine postgres -kills 3    the server is killed three times meanwhile, and at the end
//	go run ./tools/fleet/emulate -server http://127.0.0.1:8080 -code CODE -client-id ID -client-secret SECRET
//
// It ends with 1 if the server lost something, made something up, answered a well-behaved device badly, or a misbehaving
// one otherwise than documented. The same -seed gives the same fleet with the same misbehaviour.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// options are what the flags say.
type options struct {
	devices, connections   int
	seed                   uint64
	length, ping, report   time.Duration
	changed                int // of a hundred reports
	kills                  int
	lag                    time.Duration
	faults                 map[string]int // of a hundred devices
	engine, database       string
	server, code           string
	clientID, clientSecret string
	json                   string
	// program is a server that was built already.
	program string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "emulate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	out, err := emulate(ctx, o)
	if err != nil {
		return err
	}
	if o.json != "-" {
		out.print(os.Stdout)
	}
	if o.json != "" {
		err = writeJSON(o.json, out)
		if err != nil {
			return err
		}
	}
	return out.verdict()
}

func parse(args []string) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("emulate", flag.ContinueOnError)
	fs.IntVar(&o.devices, "devices", 200, "how many devices there are")
	fs.IntVar(&o.connections, "connections", 64, "connections to keep open when nothing is said on them")
	fs.Uint64Var(&o.seed, "seed", 1, "what the fleet is made from")
	fs.DurationVar(&o.length, "for", 20*time.Second, "how long they live, after all have registered")
	fs.DurationVar(&o.ping, "ping", time.Second, "how often a device pings")
	fs.DurationVar(&o.report, "report", 3*time.Second, "how often a device reports")
	fs.IntVar(&o.changed, "changed", 30, "how many of a hundred reports say something new")
	fs.IntVar(&o.kills, "kills", 0, "kill the server so often, and once more at the end; not with -server")
	fs.DurationVar(&o.lag, "lag", 2*time.Second, "how much of the contacts before a kill may be missing: a second by the documentation, and the time that writing them takes")
	faults := fs.String("faults", "all=3", "how many of a hundred devices misbehave, by kind: huge=2,broken=5, or all=3; "+faultNames())
	fs.StringVar(&o.engine, "engine", "sqlite", "database of the server that is started: sqlite or postgres")
	fs.StringVar(&o.database, "database", "", "address of an empty PostgreSQL database for the server that is started, in place of one that is started too")
	fs.StringVar(&o.server, "server", "", "use the server at this `address`; what it holds already is left alone")
	fs.StringVar(&o.code, "code", "", "its registration code")
	fs.StringVar(&o.clientID, "client-id", "", "client id of an application that may read its devices")
	fs.StringVar(&o.clientSecret, "client-secret", "", "its secret")
	fs.StringVar(&o.json, "json", "", "also write the outcome as JSON to this `file`; - for standard output, and nothing else there")
	fs.StringVar(&o.program, "program", "", "the server's program; built if there is none")
	err := fs.Parse(args)
	if err != nil {
		return nil, err
	}
	o.faults, err = parseFaults(*faults)
	if err == nil && o.devices < 1 {
		err = errors.New("-devices: at least 1")
	}
	if err == nil && o.server != "" && (o.code == "" || o.clientID == "" || o.clientSecret == "" || o.kills > 0) {
		err = errors.New("-server needs -code, -client-id and -client-secret, and cannot be killed")
	}
	return o, err
}

// parseFaults reads kinds of misbehaviour and their shares.
func parseFaults(list string) (map[string]int, error) {
	out := make(map[string]int)
	sum := 0
	for part := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(part, "=")
		share, err := strconv.Atoi(value)
		if err != nil || share < 0 || name != "all" && findFault(name) == nil {
			return nil, fmt.Errorf("-faults: %q is not a kind and a share of a hundred; there are %s", part, faultNames())
		}
		for i := range faults {
			if name == "all" || faults[i].name == name {
				sum += share - out[faults[i].name]
				out[faults[i].name] = share
			}
		}
	}
	if sum > 100 {
		return nil, fmt.Errorf("-faults: %d of a hundred devices are too many", sum)
	}
	return out, nil
}

func writeJSON(name string, out *outcome) error {
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if name == "-" {
		_, err = os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(name, text, 0o600)
}
