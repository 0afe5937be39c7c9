package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"muster/internal/device"
)

// The kinds of the calls besides lists and details of devices.

// badLimitOf is a number that has a status of its own above its maximum.
func badLimitOf(most int64, refusal int) badKind {
	k := badNumber(1, most)
	k.refusals = map[string]int{k.members[1]: refusal}
	return k
}

// badName is a text that must not be empty.
func badName() badKind {
	k := badText(maxName)
	k.members, k.arguments = append(k.members, `""`), append(k.arguments, "")
	return k
}

var (
	badSearch = badText(maxSearch)
	badDay    = badKind{
		members:   []string{`"2024-01-01"`, `"13/31/2024"`, `"2024/13/31"`, `"01/01/1969"`, `"1969/01/01"`, `""`, `5`, `true`, `[]`, `{}`, `["01/01/2024"]`},
		arguments: []string{"2024-01-01", "20241331", "19691231", "0", "", "%ff", "%zz", "2024010", "202401011"},
	}
	badSwitch = badKind{members: badFlag.members, arguments: []string{"2", "-1", "yes", "", "TRUE", "%ff", "%zz"}}
	badKindOf = badKind{
		members:   append(badNumber(0, 3).members, `2`, `"2"`),
		arguments: append(badNumber(0, 3).arguments, "2"),
	}
	badScore = badKind{members: []string{`"x"`, `""`, `true`, `[1]`, `{}`, `-0.1`, `100.1`, `1e999`, `"NaN"`, `"Inf"`, `-1`}}
	badBatch = badList(maxBatch, `[""]`, `""`, `["`+strings.Repeat("a", maxName+1)+`"]`)
	badParts = badList(maxScanParts, `["x"]`, `[6]`, `[-1]`, `[1.5]`, `""`, `6`)
)

func badPaging(most int64, refusal int) []badParam {
	return []badParam{{"limit", false, badLimitOf(most, refusal)}, {"page", false, badNumber(1, maxPage)}}
}

func badCVEFilter(extra ...badParam) []badParam {
	return append(extra, badParam{"filter", false, badObject}, badParam{"filter.severity", false, badWords},
		badParam{"filter.score_type", false, badWord}, badParam{"filter.kev", false, badFlag})
}

var badSort = []badParam{{"sort", false, badObject}, {"sort.field", false, badWord}, {"sort.order", false, badWord}}

const (
	aDevice  = `{"id":"` + "00aa11bb22cc33dd44ee55ff66778899" + `"}`
	badValue = "devices/00aa11bb22cc33dd44ee55ff66778899/"
	aBatch   = `"HWID_list":["00aa11bb22cc33dd44ee55ff66778899"]`
)

// badOtherCalls lists the calls besides lists and details of devices with every parameter that they read.
var badOtherCalls = []badCall{
	{"POST", "v3", "configuration", "", `{"sections":["cross-domain-api"]}`, []badParam{{"sections", true, badWords.with(`[]`, `["regcode"]`)}}},
	{"POST", "v3.1", "configuration", "", `{"sections":["cross-domain-api"]}`, []badParam{{"sections", true, badWords.with(`[]`)}}},
	{"POST", "v3", "groups", "", `{}`, slices.Concat(badSort, badPaging(50, http.StatusNotAcceptable), []badParam{{"search", false, badSearch}})},
	{"POST", "v3", "activities", "", `{}`, slices.Concat(badPaging(50, http.StatusNotAcceptable), []badParam{
		{"search", false, badSearch}, {"start_date", false, badDay}, {"end_date", false, badDay}, {"action", false, badWords},
		{"age", false, badNumber(0, maxActivityAge)},
	})},
	{"POST", "v3", "activities", "", `{"start_date":"01/02/2024"}`, []badParam{{"end_date", false, badKind{members: []string{`"01/01/2024"`}}}}},

	{"GET", "v2", "logs", "", "", append(badPaging(50, http.StatusNotAcceptable), badParam{"event_type", false, badNumber(1, 2)})},
	{"POST", "v3", "logs", "", `{}`, slices.Concat(badPaging(50, http.StatusNotAcceptable), []badParam{
		{"start_date", false, badDay}, {"end_date", false, badDay}, {"age", false, badNumber(0, 86400)},
		{"filter", false, badWords.with(`["deleted_api"]`)}, {"token", false, badCursor},
	})},
	{"POST", "v3.1", "logs", "", `{"event_category":"device"}`, slices.Concat(badLog, badPaging(50, http.StatusNotAcceptable), []badParam{
		{"event_category", true, badWord.with(`"device_report"`)}, {"filter.events", false, badWords.with(`["deleted_api"]`)},
	})},
	{"POST", "v3.2", "logs", "", `{"event_category":"device"}`, slices.Concat(badLog, badPaging(100, http.StatusNotAcceptable), []badParam{
		{"event_category", true, badWord}, {"filter.events", false, badWords.with(`["deleted_api"]`)},
	})},
	{"POST", "v3.3", "logs", "", `{"event_category":"device"}`, slices.Concat(badLog, badPaging(100, http.StatusNotAcceptable), []badParam{
		{"event_category", true, badWord}, {"filter.events", false, badWords},
	})},
	{"POST", "v3.1 v3.2 v3.3", "logs", "", `{"event_category":"device","start_time":5}`, []badParam{{"end_time", false, badKind{members: []string{`4`}}}}},

	{"POST", "v3", "apps", "", `{}`, slices.Concat(badSort, badPaging(50, http.StatusBadRequest), []badParam{
		{"search", false, badSearch}, {"filter", false, badObject}, {"filter.severity", false, badWords}, {"filter.category", false, badWords},
	})},
	{"POST", "v3", "apps/details", "", `{"product_id":"41","version":"120"}`, []badParam{
		{"product_id", true, badNumber(0, 1<<48)}, {"version", true, badName()}, {"verbose", false, badObject}, {"verbose.cves", false, badFlag},
	}},
	{"POST", "v3 v3.1 v3.2", "cves", "", `{}`, slices.Concat(badSort, badPaging(50, http.StatusBadRequest),
		badCVEFilter(badParam{"search", false, badSearch}, badParam{"filter.score", false, badScore}))},
	{"POST", "v3 v3.1 v3.2", "get_cves", "", aDevice, slices.Concat(badPaging(100, http.StatusBadRequest),
		badCVEFilter(badParam{"id", true, badName()}, badParam{"verbose", false, badFlag}))},

	{"POST", "v3", "get_threats", "", aDevice, slices.Concat(badPaging(50, http.StatusBadRequest), []badParam{
		{"id", true, badName()}, {"verbose", false, badObject}, {"verbose.antimalware_scan", false, badFlag},
		{"verbose.local_antimalware_threats", false, badFlag},
	})},
	{"POST", "v2", "get_reports", "", `{"type":"DeviceMissingOSPatch","kb":"KB1"}`, []badParam{
		{"type", true, badWord.with(`"agent_log"`, `"device_missing_os_patch"`)}, {"kb", true, badName()},
	}},
	{"POST", "v2", "get_reports", "", `{"type":"MissingOSPatch","id":"00aa11bb22cc33dd44ee55ff66778899"}`, []badParam{{"id", true, badName()}}},
	{"GET", "v3 v3.1", "get_reports", "type=device_missing_os_patch&kb=KB1", "", []badParam{{"type", true, badWord}, {"kb", true, badName()}}},
	{"GET", "v3 v3.1", "get_reports", "type=missing_os_patch&id=00aa11bb22cc33dd44ee55ff66778899", "", []badParam{{"id", true, badName()}}},
	{"GET", "v3 v3.1", "get_reports", "type=agent_log&command_id=c-log", "", []badParam{{"command_id", true, badName()}}},
	{"GET", "v3.1", "get_reports", "type=scan_threats_log&command_id=c-scan", "", []badParam{{"command_id", true, badName()}}},

	{"GET", "v2.1", "devices/status_changed", "", "", []badParam{
		{"age", false, badNumber(0, 86400)}, {"verbose", false, badSwitch}, {"os_type", false, badWord},
	}},
	{"POST", "v3", "devices/status_changed", "", `{}`, append(badPaging(50, http.StatusNotAcceptable),
		badParam{"age", false, badNumber(0, 86400)}, badParam{"verbose", false, badFlag})},
	{"GET", "v2 v2.2", badValue + "policy_check", "", "", []badParam{{"opt", false, badKindOf}, {"verbose", false, badSwitch}}},
	{"POST", "v2", "devices/policy_check", "", `{` + aBatch + `}`, []badParam{{"opt", false, badKindOf}, {"HWID_list", true, badBatch}}},
	{"GET", "v2", "devices/stats", "event=added", "", []badParam{
		{"event", true, badWord}, {"opt", false, badKindOf}, {"device_type", false, badWord}, {"start_date", false, badDay}, {"end_date", false, badDay},
	}},
	{"GET", "v2", "devices/stats", "event=added&in=1&period=hour", "", []badParam{{"in", false, badNumber(1, maxStatAmount)}, {"period", true, badWord}}},
	{"GET", "v2", "devices/stats", "event=added&start_date=20250102&end_date=20250102", "", []badParam{
		{"end_date", true, badKind{arguments: []string{"20250101"}}},
	}},
	{"GET", "v2 v2.2 v3", badValue + "remediation", "", "", []badParam{{"opt", false, badNumber(0, 1)}}},

	{"POST", "v2 v2.2", badValue + "delete", "", `{}`, []badParam{{"opt", false, badNumber(0, 2)}}},
	{"POST", "v2", "devices/delete", "", `{` + aBatch + `}`, []badParam{{"opt", false, badNumber(0, 2)}, {"HWID_list", true, badBatch}}},
	{"POST", "v2", badValue + "action", "", `{"types":"unexempt"}`, []badParam{{"opt", false, badNumber(0, 1)}, {"types", true, badWord.with(`"exempt"`)}}},
	{"POST", "v2", "devices/action", "", `{"types":"unexempt",` + aBatch + `}`, []badParam{
		{"opt", false, badNumber(0, 1)}, {"HWID_list", true, badBatch}, {"types", true, badWord.with(`"exempt_critical"`)},
	}},
	{"POST", "v3", "devices/action", "", anAction, slices.Concat(badAction, []badParam{{"types", true, badWord.with(`"fetch_agent_log"`, `"scan_threats"`)}})},
	{"POST", "v3.1", "devices/action", "", anAction, slices.Concat(badAction, []badParam{{"types", true, badWord.with(`"scan_threats"`)}})},
	{"POST", "v3.2 v3.3", "devices/action", "", anAction, slices.Concat(badAction, []badParam{{"types", true, badWord}})},
}

const anAction = `{"types":"unexempt","ids":["00aa11bb22cc33dd44ee55ff66778899"]}`

var badAction = []badParam{
	{"ids", true, badBatch}, {"params", false, badObject}, {"params.exempt_time", false, badNumber(0, 64999)},
	{"params.group_id", false, badText(maxName).with(`""`)}, {"params.full_scan", false, badFlag},
	{"params.scan_types", false, badParts}, {"params.path", false, badText(device.MaxScanPath).with(`""`)},
}

var badLog = []badParam{
	{"start_time", false, badNumber(0, maxMoment)}, {"end_time", false, badNumber(0, maxMoment)}, {"age", false, badNumber(0, 86400)},
	{"filter", false, badObject}, {"token", false, badCursor},
}

func TestBadInputOfOtherCalls(t *testing.T) {
	for _, c := range badOtherCalls {
		for _, version := range strings.Fields(c.versions) {
			t.Run(c.method+" "+version+"/"+c.path, func(t *testing.T) {
				for _, p := range c.params {
					c.test(t, version, &p)
				}
			})
		}
	}
}

// Parameters that are wrong only together.
func TestBadCombinations(t *testing.T) {
	const value = `["00:0c:29:aa:bb:cc"]`
	for _, c := range []struct{ target, body, name string }{
		{"v2/devices/delete", `{}`, "HWID_list"},
		{"v2/devices/delete", `{"MAC_list":` + value + `,` + aBatch + `}`, "HWID_list"},
		{"v2/devices/delete", `{"MAC_list":[true]}`, "MAC_list"},
		{"v2/devices/policy_check", `{"MAC_list":` + value + `,` + aBatch + `}`, "HWID_list"},
		{"v2/devices/policy_check", `{"MAC_list":{}}`, "MAC_list"},
		{"v2/devices/action", `{"types":"unexempt","MAC_list":` + value + `,` + aBatch + `}`, "HWID_list"},
		{"v2/devices/action", `{"types":"unexempt","MAC_list":[""]}`, "MAC_list"},
		{"v3/devices/action", `{"types":"unexempt","macs":` + value + `,"ids":` + value + `}`, "ids"},
		{"v3.3/devices/action", `{"types":"unexempt"}`, "ids"},
		{"v3.3/devices/action", `{"types":"unexempt","macs":[5.5,{}]}`, "macs"},
		{"v3.2/devices/action", `{"types":"scan_threats","macs":` + value + `,"params":{"full_scan":0}}`, "params.scan_types"},
		{"v3.2/devices/action", `{"types":"scan_threats","macs":` + value + `,"params":{"full_scan":0,"scan_types":[4]}}`, "params.path"},
		{"v3.1/logs", `{"category":"device_report"}`, "category"},
		{"v3.3/logs", `{"category":""}`, "category"},
		{"v3/cves", `{"filter":{"score":7}}`, "filter.score_type"},
		{"v3.1/cves", `{"filter":{"score":11,"score_type":"cvss3_score"}}`, "filter.score"},
		{"v3.1/cves", `{"filter":{"severity":["important"],"score_type":"cvss3_score"}}`, "filter.severity"},
		{"v3.1/cves", `{"filter":{"severity":["none"]}}`, "filter.severity"},
	} {
		q := request{method: "POST", target: prefix + c.target, token: freeToken, body: c.body}
		checkBad(t, q, http.StatusBadRequest, c.name, c.body)
	}
	for _, target := range []string{"v2/devices/stats?event=added&in=1", "v2/devices/stats?event=added&start_date=20250101"} {
		name := map[bool]string{true: "period", false: "end_date"}[strings.Contains(target, "in=")]
		checkBad(t, request{method: "GET", target: prefix + target, token: freeToken}, http.StatusBadRequest, name, target)
	}
	// A list that is empty names nothing, and does no harm beside one that is not.
	for _, body := range []string{`{"HWID_list":[],"MAC_list":` + value + `}`, `{"MAC_list":[],` + aBatch + `}`} {
		a := newLab().do(request{method: "POST", target: prefix + "v2/devices/delete", token: freeToken, body: body})
		if a.body != `{"result":[1]}` {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}
