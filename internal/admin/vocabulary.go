package admin

import (
	"net/http"

	"muster/internal/policy"
	"muster/internal/web"
)

// policySchema gives the JSON Schema of policies, for editors.
func (d *door) policySchema(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	forbidStoring(c.w)
	web.WriteRawJSON(c.w, http.StatusOK, policy.Schema())
	return nil
}

// listChecks gives every check that a policy can make, in the order in which issues come.
func (d *door) listChecks(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	return answerList(c, policy.Definitions(), "")
}
