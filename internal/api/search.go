package api

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"muster/internal/device"
	"muster/internal/posture"
)

var searchLimits = limits{otherwise: 10, most: 50, refusal: http.StatusNotAcceptable, place: inQuery}

// searchFields are what the parameter in may name. One index covers them all; it has no IP addresses.
var searchFields = []string{
	"hostname", "nickname", "device_name", "hwid", "device_id", "mac", "mac_addr", "username", "user", "user_identity",
	"serial", "linked_id", "all",
}

const (
	// minQuery and maxSearched are how many characters the text of a search may have.
	minQuery, maxSearched = 3, 100
)

// searchDevices answers with a page of the devices that the words of a text lead to, and how many they are in all.
func (d *door) searchDevices(c *call) error {
	p := &c.params
	text := p.searchedText("q")
	p.searchedFields("in")
	number, limit := searchLimits.paged(p)
	if p.err != nil {
		return p.err
	}
	q := device.Query{Filter: device.Filter{Search: text}}
	list, total, err := d.deviceWithID(c, text, number)
	if err == nil && total == 0 {
		list, err = d.devicePage(c, &q, number, limit)
		if err == nil {
			total, err = d.Devices.CountMatching(c.r.Context(), c.account.ID, q.Filter)
		}
	}
	if err != nil {
		return err
	}
	paint, err := d.newPainter(c, false)
	if err != nil {
		return err
	}
	out := make([]deviceV2, len(list))
	for i := range list {
		if out[i], err = paint.deviceV2(&list[i]); err != nil {
			return err
		}
	}
	c.answer(struct {
		Total   int64      `json:"total_count"`
		Results []deviceV2 `json:"results"`
	}{total, out})
	return nil
}

// deviceWithID gives the page of the one device whose id is searched for. Ids are no words: they begin alike, so that the
// beginning of one would find every device.
func (d *door) deviceWithID(c *call, text string, number int) (list []device.Device, total int64, err error) {
	if !posture.IsID(text) {
		return nil, 0, nil
	}
	found, err := d.Devices.FindMany(c.r.Context(), c.account.ID, []device.Selector{{ID: text}})
	switch {
	case err != nil || found[0] == nil:
		return nil, 0, err
	case number > 1:
		return nil, 0, errPastEnd()
	default:
		return []device.Device{*found[0]}, 1, nil
	}
}

// searchedText reads words with a blank or a plus sign between them. Signs that stand for blanks in a query are blanks by
// now; some clients escape them.
func (p *params) searchedText(name string) string {
	text := p.mustText(name, inQuery, maxSearched)
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "+", " ")), " ")
	if utf8.RuneCountInString(text) < minQuery {
		p.wrong(name, "must have %d to %d characters", minQuery, maxSearched)
	}
	if _, err := device.SearchWords(text); err != nil {
		p.wrong(name, "must have at most %d different words", device.MaxSearchWords)
	}
	return text
}

// searchedFields checks a list of fields, whatever stands between them.
func (p *params) searchedFields(name string) {
	text := p.mustText(name, inQuery, maxSearch)
	split := func(r rune) bool { return r == ',' || r == '+' || r == ' ' || r == ';' || r == '|' }
	fields := strings.FieldsFunc(text, split)
	unknown := func(f string) bool { return !slices.Contains(searchFields, f) }
	if len(fields) == 0 || slices.ContainsFunc(fields, unknown) {
		p.wrong(name, "must be a list of %s, with commas between them", strings.Join(searchFields, ", "))
	}
}
