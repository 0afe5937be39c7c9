package feed

import (
	"encoding/csv"
	"errors"
	"io"

	"muster/internal/errs"
)

// csvReader goes through a file of comma-separated values. Such a file says neither how many lines it has nor that it is
// at its end; that its last line is whole is all that can be asked of it.
type csvReader struct {
	f     *file
	csv   *csv.Reader
	meter meter
	last  byte // the last byte read
	names []string
}

func (r *run) csv(f *file) (*csvReader, error) {
	c := &csvReader{f: f, meter: meter{file: f, limit: r.opt.Limits.Item, left: r.opt.Limits.Item}}
	c.csv = csv.NewReader(c)
	c.csv.ReuseRecord = true
	c.csv.Comment = '#'
	names, err := c.next()
	if errors.Is(err, io.EOF) {
		return nil, f.fault(errs.Invalid, "the file is cut short: it has no line with the names of its columns")
	}
	if err != nil {
		return nil, err
	}
	c.names = append(c.names, names...)
	return c, nil
}

// Read passes on the file and remembers how it ends.
func (c *csvReader) Read(p []byte) (int, error) {
	n, err := c.meter.Read(p)
	if n > 0 {
		c.last = p[n-1]
	}
	return n, err
}

// next gives the values of the next line, and io.EOF after the last one.
func (c *csvReader) next() ([]string, error) {
	c.meter.left = c.meter.limit
	values, err := c.csv.Read()
	var malformed *csv.ParseError
	switch {
	case errors.As(err, &malformed):
		return nil, errs.Wrap(errs.Invalid, err, "%s: line %d is not of %d values, or is cut short", c.f.path, malformed.Line, c.csv.FieldsPerRecord)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, c.f.broken(err, c.csv.InputOffset())
	}
	return values, err
}

// column finds a column by its name, -1 where there is none.
func (c *csvReader) column(name string) int {
	for i, n := range c.names {
		if n == name {
			return i
		}
	}
	return -1
}

// lineEnded reports whether the file ends with the end of a line.
func (c *csvReader) lineEnded() bool { return c.last == '\n' }
