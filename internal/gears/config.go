package gears

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/web"
)

// config tells an agent how to behave. The request may list what it wants to know; the answer always says everything,
// because agents rely on user_identity and privacy being there, whatever they asked for; but for what it is to do, if there
// is something, and for scripts, which only agents get that ask for them.
func (d *door) config(w http.ResponseWriter, r *http.Request, ref device.Ref) error {
	if r.ContentLength > maxSmallBody {
		return errs.New(errs.TooLarge, "The body is larger than %d bytes", maxSmallBody)
	}
	s, err := d.Settings(r.Context(), ref.Account)
	if err != nil {
		return err
	}
	account, err := d.accountOfPath(r) // from memory: the caller was authenticated by it
	if err != nil {
		return err
	}
	commands, err := d.Devices.Commands(r.Context(), ref)
	if err != nil {
		return err
	}
	var checks []CustomCheck
	if includes(r, "custom_checks") {
		checks, err = d.checks(r.Context(), ref)
		if err != nil {
			return err
		}
	}
	web.WriteJSON(w, http.StatusOK, struct {
		UserIdentity  identityAnswer  `json:"user_identity"`
		Privacy       privacyAnswer   `json:"privacy"`
		NotifyInstall int             `json:"notification_install_app"`
		PingSeconds   int             `json:"ping_frequency,omitzero"`
		ReportSeconds int             `json:"report_frequency,omitzero"`
		Neighbours    int             `json:"neighbours,omitzero"`
		CrossDomain   *crossDomain    `json:"cross_domain_api,omitempty"`
		Checks        []CustomCheck   `json:"custom_checks,omitempty"`
		Commands      []commandAnswer `json:"commands,omitempty"`
	}{
		identityAnswer{number(s.UserIdentity.Ask), s.UserIdentity.Pattern, s.UserIdentity.Message},
		s.Privacy.answer(), number(s.NotifyInstall), seconds(s.PingEvery), seconds(s.ReportEvery),
		number(s.Neighbours), crossDomainOf(account.CrossDomain), checks, commandAnswers(commands),
	})
	return nil
}

// includes reports whether a request lists a member as wanted. A body that cannot be read wants nothing: to most agents it
// makes no difference.
func includes(r *http.Request, member string) bool {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxSmallBody))
	var body struct {
		Include []string `json:"include"`
	}
	return err == nil && json.Unmarshal(text, &body) == nil && slices.Contains(body.Include, member)
}

// crossDomain says at which port of its machine the agent answers web pages that ask which device it is.
type crossDomain struct {
	Enabled int `json:"enabled"`
	Port    int `json:"port"`
}

// crossDomainOf gives nil where agents are to answer no pages.
func crossDomainOf(c identity.CrossDomain) *crossDomain {
	if !c.Enabled {
		return nil
	}
	return &crossDomain{1, c.Port}
}

type identityAnswer struct {
	Enable int    `json:"enable"`
	Regex  string `json:"regex"`
	Msg    string `json:"msg"`
}

// privacyAnswer has 1 for what is private.
type privacyAnswer struct {
	SerialNumber int `json:"serial_number"`
	LocalIP      int `json:"local_ip"`
	HostName     int `json:"hostname"`
	PublicIP     int `json:"public_ip"`
	MAC          int `json:"mac_addr"`
	Username     int `json:"username"`
}

func (p Privacy) answer() privacyAnswer {
	return privacyAnswer{
		SerialNumber: number(p.SerialNumber), LocalIP: number(p.LocalIP), HostName: number(p.HostName),
		PublicIP: number(p.PublicIP), MAC: number(p.MAC), Username: number(p.Username),
	}
}

// number writes a flag as agents read it: they know no true and false.
func number(on bool) int {
	if on {
		return 1
	}
	return 0
}

func seconds(d time.Duration) int { return int(d / time.Second) }
