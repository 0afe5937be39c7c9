package api

import (
	"context"
	"slices"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// Private is what an account keeps from everybody who calls the API.
type Private struct {
	device.Privacy
	// Looked are the categories in which a policy of the account makes a check; needed where OtherApplications is set.
	Looked []posture.Category
}

// veiled is the inventory without what accounts keep private. It stands in front of the inventory for all handlers, so that
// none of them can forget it.
type veiled struct {
	Devices
	private func(ctx context.Context, account posture.AccountID) (Private, error)
}

// Select implements Devices.
func (v veiled) Select(ctx context.Context, account posture.AccountID, q device.Query) ([]device.Device, string, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return nil, "", err
	}
	q.Hidden = p.Privacy
	if p.HostName && q.Order == device.ByHostName {
		q.Order = device.ByEnrolment // else the order would tell the names apart
	}
	list, next, err := v.Devices.Select(ctx, account, q)
	veilAll(p, list)
	return list, next, err
}

func veilAll(p Private, list []device.Device) {
	for i := range list {
		p.Veil(&list[i])
	}
}

// CountMatching implements Devices.
func (v veiled) CountMatching(ctx context.Context, account posture.AccountID, f device.Filter) (int64, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return 0, err
	}
	f.Hidden = p.Privacy
	return v.Devices.CountMatching(ctx, account, f)
}

// Find implements Devices. Who knows the address of a device, or its hardware id, finds it.
func (v veiled) Find(ctx context.Context, account posture.AccountID, sel device.Selector) (device.Device, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return device.Device{}, err
	}
	d, err := v.Devices.Find(ctx, account, sel)
	p.Veil(&d)
	return d, err
}

// FindMany implements Devices.
func (v veiled) FindMany(ctx context.Context, account posture.AccountID, sels []device.Selector) ([]*device.Device, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return nil, err
	}
	list, err := v.Devices.FindMany(ctx, account, sels)
	for _, d := range list {
		if d != nil {
			p.Veil(d)
		}
	}
	return list, err
}

// Adapters implements Devices.
func (v veiled) Adapters(ctx context.Context, account posture.AccountID, id string) ([]device.Claim, error) {
	p, err := v.private(ctx, account)
	if err != nil || p.MACAddress {
		return nil, err
	}
	return v.Devices.Adapters(ctx, account, id)
}

// LastReport implements Devices.
func (v veiled) LastReport(ctx context.Context, account posture.AccountID, id string) (*posture.Report, time.Time, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return nil, time.Time{}, err
	}
	r, at, err := v.Devices.LastReport(ctx, account, id)
	if err != nil || p.Privacy == (device.Privacy{}) {
		return r, at, err
	}
	p.VeilReport(r)
	if p.OtherApplications {
		r.Applications = slices.DeleteFunc(r.Applications, func(a posture.Application) bool { return !slices.Contains(p.Looked, a.Category) })
	}
	return r, at, nil
}

// DevicesMissing implements Devices.
func (v veiled) DevicesMissing(ctx context.Context, account posture.AccountID, kb, after string, limit int) ([]device.Device, string, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return nil, "", err
	}
	list, next, err := v.Devices.DevicesMissing(ctx, account, kb, after, limit)
	veilAll(p, list)
	return list, next, err
}

// Events implements Devices.
func (v veiled) Events(ctx context.Context, account posture.AccountID, q device.EventQuery) ([]device.LogEntry, string, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return nil, "", err
	}
	list, next, err := v.Devices.Events(ctx, account, q)
	p.VeilEntries(list)
	return list, next, err
}

// Changes implements Devices.
func (v veiled) Changes(ctx context.Context, account posture.AccountID, q device.ChangeQuery) ([]device.Device, string, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return nil, "", err
	}
	list, next, err := v.Devices.Changes(ctx, account, q)
	veilAll(p, list)
	return list, next, err
}

// Activities implements Devices.
func (v veiled) Activities(ctx context.Context, account posture.AccountID, q device.ActivityQuery) ([]device.Activity, string, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return nil, "", err
	}
	q.Hidden = p.Privacy
	list, next, err := v.Devices.Activities(ctx, account, q)
	p.VeilActivities(list)
	return list, next, err
}

// Software implements Devices.
func (v veiled) Software(ctx context.Context, account posture.AccountID, q device.SoftwareQuery) ([]device.Software, string, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return nil, "", err
	}
	if p.OtherApplications {
		wanted := slices.Clone(p.Looked)
		if len(q.Categories) > 0 {
			wanted = slices.DeleteFunc(wanted, func(c posture.Category) bool { return !slices.Contains(q.Categories, c) })
		}
		if len(wanted) == 0 {
			return nil, "", nil
		}
		q.Categories = wanted
	}
	return v.Devices.Software(ctx, account, q)
}

// SoftwareDetail implements Devices.
func (v veiled) SoftwareDetail(ctx context.Context, account posture.AccountID, product int64, version string) (device.SoftwareDetail, error) {
	p, err := v.private(ctx, account)
	if err != nil {
		return device.SoftwareDetail{}, err
	}
	found, err := v.Devices.SoftwareDetail(ctx, account, product, version)
	if err == nil && p.OtherApplications && !slices.Contains(p.Looked, found.Category) {
		return device.SoftwareDetail{}, errs.New(errs.NotFound, "No device has this version of this product")
	}
	return found, err
}
