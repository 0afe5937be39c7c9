// Command feedgen makes feeds of the size of all that is published out of a smaller real one, by repeating its records under
// other ids and about other packages, and measures what importing them costs.
//
//	go run ./tools/feedgen make -from DIR -records 300000 -out osv.zip
//	go run ./tools/feedgen measure -data DIR osv.zip cve5.zip
//	go run ./tools/feedgen lookup -data DIR
//
// What it makes depends on the records and the seed alone.
package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	err := errors.New("say make, measure or lookup")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "make":
			err = makeFeed(os.Args[2:])
		case "measure":
			err = measure(os.Args[2:])
		case "lookup":
			err = lookup(os.Args[2:])
		}
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "feedgen:", err)
		os.Exit(1)
	}
}

func makeFeed(args []string) error {
	flags := flag.NewFlagSet("make", flag.ContinueOnError)
	from := flags.String("from", "", "folder with records of one format, each in a file")
	records := flags.Int("records", 300_000, "how many to make")
	seed := flags.Uint64("seed", 1, "what chance begins with")
	out := flags.String("out", "", "zip file to write")
	err := flags.Parse(args)
	if err != nil {
		return err
	}
	files, err := filesIn(*from)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("there is no record in %q", *from)
	}
	f, err := os.Create(*out)
	if err != nil {
		return err
	}
	zw := zip.NewWriter(f)
	err = fill(zw, files, *records, rand.New(rand.NewPCG(*seed, 0)))
	return errors.Join(err, zw.Close(), f.Close())
}

func filesIn(folder string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".json") {
			out = append(out, name)
		}
		return err
	})
	return out, err
}

// fill writes so many records: all that there are, and then all again in another order, under other names.
func fill(zw *zip.Writer, files []string, records int, dice *rand.Rand) error {
	for n := range records {
		round := n / len(files)
		if n%len(files) == 0 && round > 0 {
			dice.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		}
		text, err := os.ReadFile(files[n%len(files)])
		if err != nil {
			return err
		}
		text, err = renamed(text, round)
		if errors.Is(err, errNoRecord) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", files[n%len(files)], err)
		}
		w, err := zw.Create(fmt.Sprintf("%d/%s", round, filepath.Base(files[n%len(files)])))
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errNoRecord = errors.New("not a record")

// renamed gives a record the ids and names of a round.
func renamed(text []byte, round int) ([]byte, error) {
	if round == 0 {
		return text, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var record map[string]any
	err := dec.Decode(&record)
	if err != nil {
		return nil, errNoRecord
	}
	id, _ := record["id"].(string)
	r := renaming{round: round, id: id}
	out, err := json.Marshal(r.value("", record))
	return out, err
}

type renaming struct {
	round int
	id    string
}

var cve = regexp.MustCompile(`CVE-(\d{4})-(\d{4,})`)

// value renames what a value holds; member is the name that it has.
func (r *renaming) value(member string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			v[name] = r.value(name, m)
		}
	case []any:
		for i := range v {
			v[i] = r.value(member, v[i])
		}
	case string:
		return r.text(member, v)
	}
	return v
}

func (r *renaming) text(member, s string) string {
	switch {
	case s == r.id && !cve.MatchString(s):
		return fmt.Sprintf("%s-r%d", s, r.round)
	case member == "name" || member == "product":
		return fmt.Sprintf("%s-r%d", s, r.round)
	}
	return cve.ReplaceAllStringFunc(s, func(id string) string {
		part := cve.FindStringSubmatch(id)
		n, err := strconv.Atoi(part[2])
		if err != nil {
			return id
		}
		return fmt.Sprintf("CVE-%s-%d", part[1], n+r.round*1_000_000)
	})
}
