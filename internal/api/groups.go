package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"muster/internal/device"
	"muster/internal/page"
)

var groupLimits = limits{otherwise: 10, most: 50, refusal: http.StatusNotAcceptable}

// group is one entry of Groups.
type group struct {
	ID           string `json:"group_id"`
	Name         string `json:"group_name"`
	Domain       string `json:"domain_name"`
	AutoJoin     bool   `json:"auto_join"`
	PolicyID     string `json:"policy_id"`
	PolicyName   string `json:"policy_name"`
	Devices      int64  `json:"number_of_devices"`
	Description  string `json:"description"`
	CreatedDate  string `json:"created_date,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// groupOrders are the fields that groups are sorted by, as keys that compare like them.
var groupOrders = []spelling[func(*group) string]{
	{word: "group_name", means: func(g *group) string { return strings.ToLower(g.Name) }},
	{word: "domain_name", means: func(g *group) string { return strings.ToLower(g.Domain) }},
	{word: "policy_name", means: func(g *group) string { return strings.ToLower(g.PolicyName) }},
	{word: "number_of_devices", means: func(g *group) string { return fmt.Sprintf("%020d", g.Devices) }},
	{word: "last_update", means: func(g *group) string { return g.LastModified }},
	{word: "last_modified", means: func(g *group) string { return g.LastModified }, slip: true},
}

// directions are the values of order.
var directions = []spelling[bool]{{word: "asc", means: false}, {word: "desc", means: true}}

// groups lists the account's groups of devices.
func (d *door) groups(c *call) error {
	p := &c.params
	number, limit := groupLimits.paged(p)
	search := p.search()
	sort := p.object("sort")
	field := choice(sort, "field", inBody, groupOrders, groupOrders[0].means)
	descending := choice(sort, "order", inBody, directions, false)
	if p.err != nil {
		return p.err
	}
	all, err := d.listGroups(c, search)
	if err != nil {
		return err
	}
	list := inOrder[group]{all: all, key: func(g *group) string { return field(g) + "\x00" + g.ID }, descending: descending}
	out := []group{}
	fieldName, _ := sort.find("field", inBody)
	err = d.readPage(c, []any{search, fieldName, descending}, number, limit, func(w page.Window) (int, string, error) {
		var next string
		out, next = list.part(w)
		return len(out), next, nil
	})
	if err != nil {
		return err
	}
	c.answer(out)
	return nil
}

// listGroups gives the groups whose name or policy holds the text, whatever the letter case.
func (d *door) listGroups(c *call, search string) ([]group, error) {
	policies, err := d.Policies.Names(c.r.Context(), c.account.ID)
	if err != nil {
		return nil, err
	}
	found, err := d.Devices.Groups(c.r.Context(), c.account.ID)
	if err != nil {
		return nil, err
	}
	out := make([]group, 0, len(found))
	for i := range found {
		g := renderGroup(&found[i], policies[found[i].Policy])
		if search == "" || containsFold(g.Name, search) || containsFold(g.PolicyName, search) {
			out = append(out, g)
		}
	}
	return out, nil
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func renderGroup(g *device.Group, policyName string) group {
	return group{
		ID: strconv.FormatInt(int64(g.ID), 10), Name: g.Name, Domain: g.Domain, AutoJoin: g.AutoJoin,
		PolicyID: strconv.FormatInt(int64(g.Policy), 10), PolicyName: policyName, Devices: g.Devices, Description: g.Description,
		CreatedDate: timestamp(g.CreatedAt), LastModified: timestamp(g.ModifiedAt),
	}
}

// inOrder is a list that is short enough to be sorted here. The keys of its entries differ, and are their positions.
type inOrder[T any] struct {
	all        []T
	key        func(*T) string
	descending bool
}

func (l inOrder[T]) part(w page.Window) ([]T, string) {
	compare := func(a, b string) int {
		if l.descending {
			return cmp.Compare(b, a)
		}
		return cmp.Compare(a, b)
	}
	slices.SortFunc(l.all, func(a, b T) int { return compare(l.key(&a), l.key(&b)) })
	rest := l.all
	for w.After != "" && len(rest) > 0 && compare(l.key(&rest[0]), w.After) <= 0 {
		rest = rest[1:]
	}
	rest = rest[min(max(w.Skip, 0), len(rest)):]
	return page.Cut(rest[:min(len(rest), w.Limit+1)], w.Limit, l.key)
}
