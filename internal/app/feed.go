package app

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"muster/internal/catalogue"
	"muster/internal/errs"
)

type feedCommand struct {
	Import feedImport `cmd:"" help:"Import feeds of vulnerabilities from files and folders, while the server goes on."`
	List   feedList   `cmd:"" help:"List the feeds: how old they are, and how many entries they have."`
	Show   feedShow   `cmd:"" help:"Show a feed."`
	Remove feedRemove `cmd:"" help:"Remove a feed, and with it the findings that rest on it."`

	Keygen feedKeygen `cmd:"" help:"Make a key to sign bundles with."`
	Bundle feedBundle `cmd:"" help:"Put feeds into one signed file, for servers without a network."`
	Verify feedVerify `cmd:"" help:"Check a bundle, and say what is in it."`
}

// feedView is a feed as the command line prints it. The names of its members stay.
type feedView struct {
	Name       string    `json:"name"`
	Format     string    `json:"format"`
	AsOf       time.Time `json:"as_of,omitzero"`
	ImportedAt time.Time `json:"imported_at"`
	Entries    int64     `json:"entries"`
	AgeSeconds int64     `json:"age_seconds"`
	Old        bool      `json:"old"` // older than a feed of its format should be
	Source     string    `json:"source"`
}

func viewFeed(f *catalogue.Feed, ages catalogue.Ages, now time.Time) feedView {
	return feedView{
		Name: f.Name, Format: f.Format, AsOf: f.AsOf, ImportedAt: f.ImportedAt, Entries: f.Entries,
		AgeSeconds: int64(now.Sub(f.Time()).Seconds()), Old: ages.Old(f, now), Source: f.Source,
	}
}

// feedAges is a flag of all that looks at how old feeds are.
type feedAges struct {
	FeedMaxAge string `help:"Days after which a feed is too old, by format, where not as by default: kev=30,epss=2; 0 is never." placeholder:"AGES"`
}

type feedList struct {
	jsonFlag `embed:""`
	feedAges `embed:""`
}

// Run lists the feeds.
func (c *feedList) Run(env *environment) error {
	ages, err := catalogue.ParseAges(c.FeedMaxAge)
	if err != nil {
		return err
	}
	return env.withServices(func(s *services) error {
		list, err := s.catalogue.Feeds(env.ctx)
		if err != nil {
			return err
		}
		views := []feedView{}
		t := newTable("NAME", "FORMAT", "ENTRIES", "AS OF", "AGE", "IMPORTED", "")
		for i := range list {
			v := viewFeed(&list[i], ages, time.Now())
			views = append(views, v)
			t.row(v.Name, v.Format, v.Entries, asOf(v.AsOf), age(v.AgeSeconds), stamp(v.ImportedAt), tooOld(v.Old))
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		err = t.print(env.stdout)
		if err != nil {
			return err
		}
		return printImportState(env, s)
	})
}

// printImportState says whether an import is under way, or broke off.
func printImportState(env *environment, s *services) error {
	state, err := s.catalogue.State(env.ctx)
	switch {
	case err != nil || state.Input == "":
		return err
	case state.Until.After(time.Now()):
		return printLine(env.stdout, "An import is under way.")
	default:
		return printLine(env.stdout, "An import broke off, and nothing of it is seen. The same command goes on with it; 'muster feed import --discard' undoes it.")
	}
}

// asOf writes the time that a feed says it is of.
func asOf(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return stamp(t)
}

// age writes how old a feed is.
func age(seconds int64) string {
	const hour, day = 3600, 24 * 3600
	switch {
	case seconds < hour:
		return fmt.Sprint(seconds/60, " minutes")
	case seconds < 2*day:
		return fmt.Sprint(seconds/hour, " hours")
	default:
		return fmt.Sprint(seconds/day, " days")
	}
}

func tooOld(old bool) string {
	if old {
		return "TOO OLD"
	}
	return ""
}

// feedArg names a feed.
type feedArg struct {
	Name string `arg:"" help:"Name of the feed."`
}

type feedShow struct {
	jsonFlag `embed:""`
	feedAges `embed:""`
	feedArg  `embed:""`
}

// Run shows the feed.
func (c *feedShow) Run(env *environment) error {
	ages, err := catalogue.ParseAges(c.FeedMaxAge)
	if err != nil {
		return err
	}
	return env.withServices(func(s *services) error {
		f, err := s.catalogue.Feed(env.ctx, c.Name)
		if err != nil {
			return err
		}
		v := viewFeed(&f, ages, time.Now())
		if c.JSON {
			return printJSON(env.stdout, v)
		}
		t := newTable()
		t.row("feed", v.Name)
		t.row("format", v.Format)
		t.row("entries", v.Entries)
		t.row("as of", asOf(v.AsOf))
		t.row("age", strings.TrimSpace(age(v.AgeSeconds)+" "+tooOld(v.Old)))
		t.row("imported", stamp(v.ImportedAt))
		t.row("from", v.Source)
		return t.print(env.stdout)
	})
}

type feedRemove struct {
	jsonFlag `embed:""`
	feedArg  `embed:""`
	Yes      bool `help:"Do not ask."`
}

// Run removes the feed.
func (c *feedRemove) Run(env *environment) error {
	return env.withServices(func(s *services) error {
		f, err := s.catalogue.Feed(env.ctx, c.Name)
		if err != nil {
			return err
		}
		if !c.Yes {
			err = confirm(env, fmt.Sprintf("Remove the feed %s with its %d entries, and the findings that rest on it?", f.Name, f.Entries))
			if err != nil {
				return err
			}
		}
		result, err := s.catalogue.Remove(env.ctx, c.Name)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, result)
		}
		return printLine(env.stdout, "removed", f.Name, "with", result.Feeds[0].Removed, "entries; a server judges anew the devices that this concerns")
	})
}

// confirm asks whoever sits there. Where nobody does, that is an error.
func confirm(env *environment, question string) error {
	err := printLine(env.stdout, question, "[y/N]")
	if err != nil {
		return err
	}
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return errs.New(errs.Invalid, "Nobody answers: say --yes")
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "y") && !strings.EqualFold(strings.TrimSpace(answer), "yes") {
		return errs.New(errs.Conflict, "Nothing was changed")
	}
	return nil
}
