package api

import (
	"context"
	"time"

	"muster/internal/device"
	"muster/internal/policy"
	"muster/internal/posture"
)

// Devices is what this door asks of the inventory: one interface for each family of calls. package device says what each
// method does.
type Devices interface {
	counting
	lookups
	changes
	records
	software
}

// Policies is what this door asks about policies. package policies says what each method does.
type Policies interface {
	// OfGroup gives the policy that judges the devices of a group. NotFound: there is no such group.
	OfGroup(ctx context.Context, account posture.AccountID, group posture.GroupID) (*policy.Compiled, error)
	// Names gives the names of all policies.
	Names(ctx context.Context, account posture.AccountID) (map[posture.PolicyID]string, error)
}

type counting interface {
	Counts(ctx context.Context, account posture.AccountID) (device.Counts, error)
	Groups(ctx context.Context, account posture.AccountID) ([]device.Group, error)
	GroupNames(ctx context.Context, account posture.AccountID) (map[posture.GroupID]string, error)
}

// lookups read devices.
type lookups interface {
	Select(ctx context.Context, account posture.AccountID, q device.Query) ([]device.Device, string, error)
	CountMatching(ctx context.Context, account posture.AccountID, f device.Filter) (int64, error)
	Find(ctx context.Context, account posture.AccountID, sel device.Selector) (device.Device, error)
	// FindMany gives a device for each selector, nil where there is none.
	FindMany(ctx context.Context, account posture.AccountID, sels []device.Selector) ([]*device.Device, error)
	Adapters(ctx context.Context, account posture.AccountID, id string) ([]device.Claim, error)
	Verdict(ctx context.Context, account posture.AccountID, id string) (posture.Verdict, error)
	// LastReport gives what a live device last reported, and when. NotFound: nothing yet.
	LastReport(ctx context.Context, account posture.AccountID, id string) (*posture.Report, time.Time, error)
}

// changes are those that a program may make.
type changes interface {
	LinkUser(ctx context.Context, account posture.AccountID, sel device.Selector, user device.LinkedUser) error
	Remove(ctx context.Context, account posture.AccountID, sel device.Selector, mode device.RemoveMode, actor string) error
	Act(ctx context.Context, account posture.AccountID, r device.ActionRequest) (device.Outcome, error)
	// Command gives a command with its output. NotFound: none of the account.
	Command(ctx context.Context, account posture.AccountID, id string) (device.Command, error)
}

// records tell what happened.
type records interface {
	Events(ctx context.Context, account posture.AccountID, q device.EventQuery) ([]device.LogEntry, string, error)
	// Changes gives devices whatever their lifecycle.
	Changes(ctx context.Context, account posture.AccountID, q device.ChangeQuery) ([]device.Device, string, error)
	Activities(ctx context.Context, account posture.AccountID, q device.ActivityQuery) ([]device.Activity, string, error)
}

// software is what devices have installed, and what is wrong with it.
type software interface {
	Software(ctx context.Context, account posture.AccountID, q device.SoftwareQuery) ([]device.Software, string, error)
	// SoftwareDetail gives one version. NotFound: no live device has it.
	SoftwareDetail(ctx context.Context, account posture.AccountID, product int64, version string) (device.SoftwareDetail, error)
	Vulnerabilities(ctx context.Context, account posture.AccountID, q device.VulnerabilityQuery) ([]device.Vulnerability, string, error)
	// DeviceVulnerabilities gives those of one live device, worst first under opswat_score. NotFound: it never reported.
	DeviceVulnerabilities(ctx context.Context, account posture.AccountID, id string) ([]device.FoundVulnerability, error)
	// MissingPatches gives the updates that live devices lack, those that most lack first.
	MissingPatches(ctx context.Context, account posture.AccountID) ([]device.MissingPatch, error)
	// DevicesMissing gives a part of the live devices that lack an update, in the order of enrolment.
	DevicesMissing(ctx context.Context, account posture.AccountID, kb, after string, limit int) (list []device.Device, next string, err error)
}
