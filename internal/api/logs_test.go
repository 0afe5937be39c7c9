package api

import (
	"reflect"
	"slices"
	"testing"

	"muster/internal/event"
	"muster/internal/posture"
)

// No kinds are all kinds to whoever reads events: what asks for none must ask for one that there is none of.
func TestEventsOfAsksForNoMoreThanWasMeant(t *testing.T) {
	nonCompliant := logWord{event.StatusChanged, posture.StatusNonCompliant}
	deleted := logWord{Kind: event.Deleted}
	none := []event.Kind{noKind}
	for name, c := range map[string]struct {
		version  version
		words    []logWord
		category event.Category
		kinds    []event.Kind
		to       []posture.Status
	}{
		"a category that does not exist":   {v33, nil, "x", none, nil},
		"webhooks":                         {v31, nil, event.OfWebhooks, []event.Kind{event.WebhookDelivered, event.WebhookFailed}, nil},
		"a word in it":                     {v33, []logWord{deleted}, event.OfWebhooks, none, nil},
		"a word of another category":       {v33, []logWord{nonCompliant}, event.OfAdministrators, none, nil},
		"a category":                       {v33, nil, event.OfReports, event.Kinds(event.OfReports), nil},
		"neither, in v3":                   {v3, nil, "", append(event.Kinds(event.OfDevices), event.Kinds(event.OfAdministrators)...), nil},
		"a status":                         {v33, []logWord{nonCompliant}, event.OfDevices, []event.Kind{event.StatusChanged}, []posture.Status{posture.StatusNonCompliant}},
		"what programs deleted, from v3.3": {v33, []logWord{deleted}, event.OfDevices, []event.Kind{event.Deleted}, nil},
		"what programs deleted, before":    {v32, []logWord{deleted}, event.OfDevices, []event.Kind{event.Deleted, event.DeletedByAPI}, nil},
	} {
		kinds, to := eventsOf(c.version, c.words, c.category)
		if len(kinds) == 0 || !slices.Equal(kinds, c.kinds) || !slices.Equal(to, c.to) {
			t.Errorf("%s: %v, to %v; want %v, to %v", name, kinds, to, c.kinds, c.to)
		}
	}
}

// Who asks for a first part by neither page nor token goes on by cursor, where the part left off.
func TestLogsGoOnFromNeither(t *testing.T) {
	l := newLab()
	ask := func(more string) map[string]any {
		body := `{"event_category":"device","limit":1,"age":86400` + more + `}`
		return l.do(request{method: "POST", target: prefix + "v3.3/logs", token: freeToken, body: body}).members(t)
	}
	all := ask(`,"token":"","limit":2`)["data"].([]any)
	first := ask("")
	second := ask(`,"token":"` + first["token"].(string) + `"`)
	if len(first) != 2 || len(all) != 2 {
		t.Fatalf("%v, of %v", first, all)
	}
	got := slices.Concat(first["logs"].([]any), second["data"].([]any))
	if !reflect.DeepEqual(got, all) {
		t.Errorf("one after the other %v, together %v", got, all)
	}
}
