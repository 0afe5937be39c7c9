package webhook

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/internal/errs"
)

// The bounds of webhooks. Names are counted in characters.
const (
	// MaxWebhooks is how many an account may have: each change is written once for each that wants it.
	MaxWebhooks = 20
	maxName     = 64
	maxAPIKey   = 1024
)

// Change is what is to be about a webhook; what is nil stays, or is the default in a new webhook.
type Change struct {
	Name *string
	URL  *string
	// Form is for a new webhook only, and must be given there.
	Form Form
	// APIKey is sent as it is in the header Authorization; "" sends none. In the form Opswat only. It is stored as it is.
	APIKey *string
	// Events are the words of the topics that it hears of.
	Events  *[]string
	Enabled *bool
	// NewSecret makes another signing secret, with which everything is signed from then on. In the form Standard only.
	NewSecret bool
}

// apply changes a webhook, one of all or a new one, and checks what comes of it. It gives the API key if that is to change.
func (s *Service) apply(c Change, w *Webhook, all []Webhook) (key *string, err error) {
	if !slices.Contains(Forms, w.Form) {
		return nil, errs.InvalidField("form", "form must be opswat or standard")
	}
	if c.Form != "" && c.Form != w.Form {
		return nil, errs.InvalidField("form", "The form of a webhook stays; make another one")
	}
	err = s.applyName(c, w, all)
	if err != nil {
		return nil, err
	}
	if c.URL != nil || w.URL == "" {
		w.URL = strings.TrimSpace(value(c.URL))
		err = s.guard.CheckURL(w.URL)
	}
	if err != nil {
		return nil, err
	}
	if c.Events != nil {
		set, unknown := ParseTopics(*c.Events)
		if unknown != "" {
			return nil, errs.InvalidField("events", "%q is no event: %s", unknown, strings.Join(topicNames[:], ", "))
		}
		if set == 0 {
			return nil, errs.InvalidField("events", "events must name at least one of %s", strings.Join(topicNames[:], ", "))
		}
		w.Topics = set
	}
	if c.Enabled != nil {
		w.Enabled = *c.Enabled
	}
	return c.applyKey(w)
}

// value is what a pointer leads to, "" for nowhere.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *Service) applyName(c Change, w *Webhook, all []Webhook) error {
	if c.Name != nil {
		w.Name = strings.TrimSpace(*c.Name)
	}
	n := utf8.RuneCountInString(w.Name)
	if n < 1 || n > maxName || !utf8.ValidString(w.Name) || strings.ContainsFunc(w.Name, unicode.IsControl) {
		return errs.InvalidField("name", "name must have 1 to %d characters, none of them a control character", maxName)
	}
	for i := range all {
		if all[i].ID != w.ID && strings.EqualFold(all[i].Name, w.Name) {
			return errs.New(errs.Conflict, "There is a webhook %q already", all[i].Name)
		}
	}
	return nil
}

func (c Change) applyKey(w *Webhook) (*string, error) {
	if w.Form == Standard {
		if c.APIKey != nil && *c.APIKey != "" {
			return nil, errs.InvalidField("api_key", "A webhook of the form standard has no api_key: it signs what it sends")
		}
		w.HasKey = true
		return nil, nil
	}
	if c.NewSecret {
		return nil, errs.InvalidField("new_secret", "A webhook of the form opswat has no signing secret; change its api_key")
	}
	if c.APIKey == nil {
		return nil, nil
	}
	key := strings.TrimSpace(*c.APIKey)
	if len(key) > maxAPIKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errs.InvalidField("api_key", "api_key must have at most %d characters, all of them printable ASCII", maxAPIKey)
	}
	w.HasKey = key != ""
	return &key, nil
}
