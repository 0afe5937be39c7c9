package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// thorough is a Judge whose verdicts have every member.
type thorough struct{}

// Version implements device.Judge.
func (thorough) Version(p posture.PolicyRef, g posture.GroupID) string { return Judge{}.Version(p, g) }

// Judge implements device.Judge.
func (thorough) Judge(context.Context, *device.Subject, time.Time) (posture.Verdict, error) {
	var v posture.Verdict
	fill(reflect.ValueOf(&v).Elem())
	return v, nil
}

// fill gives a value, and whatever it is made of, something that is not zero.
func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 9, 0, 0, 5_000_000, time.UTC)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.CanInt():
		v.SetInt(2)
	case v.CanUint():
		v.SetUint(2)
	case v.CanFloat():
		v.SetFloat(2.5)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		panic("storetest: verdicts have something new: " + v.Type().String())
	}
}

// testWholeVerdict stores a verdict with every member that there is, and reads it.
func testWholeVerdict(t *testing.T, e Engine) {
	b := newBench(t, e)
	b.svc = judgedBy(b.Store, b.clock, thorough{})
	id := b.enrol(t, device.Registration{}).DeviceID
	check(t, b.svc.Report(t.Context(), device.Ref{Account: b.account, ID: id}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "3/0/0|")))
	want, _ := thorough{}.Judge(t.Context(), nil, time.Time{})
	got, err := b.svc.Verdict(t.Context(), b.account, id)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want\n%+v", got, err, want)
	}
}
