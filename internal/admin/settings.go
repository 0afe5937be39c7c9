package admin

import (
	"muster/internal/identity"
)

func (d *door) showSettings(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	found, revision, err := d.Accounts.StoredSettings(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	return c.answerTagged(tag(revision), found)
}

// changeSettings changes the settings that the body has, at whatever depth, and leaves the others.
func (d *door) changeSettings(c *call) error {
	expect, err := c.changing()
	if err != nil {
		return err
	}
	body, err := c.body(mediaJSON)
	if err != nil {
		return err
	}
	found, revision, err := d.Accounts.UpdateSettings(c.ctx, c.account.ID, expect, func(s *identity.Settings) error {
		return decode(body, s)
	})
	if err != nil {
		return err
	}
	return c.answerTagged(tag(revision), found)
}
