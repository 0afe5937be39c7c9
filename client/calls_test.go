package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/client"
)

var (
	at   = func(text string) client.Time { t, _ := time.Parse(time.RFC3339, text); return client.Time{Time: t} }
	dayA = time.Date(2026, 2, 1, 23, 0, 0, 0, time.UTC)
	dayB = time.Date(2026, 2, 3, 1, 0, 0, 0, time.UTC)
)

// run makes a method with a request into what the table below needs.
func run[Q, A any](method func(*client.Client, context.Context, Q) (A, error), q Q) func(*client.Client, context.Context) (any, error) {
	return func(c *client.Client, ctx context.Context) (any, error) { return method(c, ctx, q) }
}

// TestCalls compares every call with the reference: what is sent, to the letter, and what is made of the answer.
func TestCalls(t *testing.T) {
	for _, c := range []struct {
		name   string
		call   func(*client.Client, context.Context) (any, error)
		sent   string // method, path and query
		body   string // "" for none
		answer string
		want   any
	}{{
		name: "account", call: run((*client.Client).Account, client.AccountQuery{ScoreType: client.CVSS3Score}),
		sent: "POST /o/api/v3.2/account", body: `{"score_type":"cvss3_score"}`,
		answer: `{"name":"Lab","email":"ops@lab.example","last_login":"","date_created":"2023-11-20T10:00:00Z","devices_allowed":100,"devices_used":3,
			"devices_by_status":[{"status":"non-compliant","number_of_devices":1}],"devices_by_issue_severity":[{"severity":"no_issue","number_of_devices":2}],
			"devices_by_vulnerability_severity":[{"severity":"high","number_of_devices":2}],"license_key":"k","news":{}}`,
		want: client.Account{Name: "Lab", Email: "ops@lab.example", Created: at("2023-11-20T10:00:00Z"), DevicesAllowed: 100, DevicesUsed: 3, LicenseKey: "k",
			ByStatus: []client.StatusCount{{client.NonCompliant, 1}}, ByIssue: []client.SeverityCount{{client.NoIssue, 2}}, ByVulnerability: []client.LevelCount{{"high", 2}}},
	}, {
		name: "account with defaults", call: run((*client.Client).Account, client.AccountQuery{}),
		sent: "POST /o/api/v3.2/account", body: `{}`, answer: `{}`, want: client.Account{},
	}, {
		name: "policy", call: func(c *client.Client, ctx context.Context) (any, error) { return c.AccountPolicy(ctx) },
		sent:   "GET /o/api/v2/account/policy",
		answer: `{"policy":{"Cloud_Storage":{"apply_to":{"laptop":1,"vm":0},"Installed":{"desc":"Report if installed","alert":1,"critical":0,"remediation":1},"note":"x"}}}`,
		want: map[string]client.CategoryPolicy{"Cloud_Storage": {AppliesTo: map[string]client.Flag{"laptop": true, "vm": false},
			Checks: map[string]client.Check{"Installed": {Description: "Report if installed", Alert: true, Remediation: true}}}},
	}, {
		name: "configuration", call: func(c *client.Client, ctx context.Context) (any, error) { return c.Configuration(ctx) },
		sent: "POST /o/api/v3.1/configuration", body: `{"sections":["cross-domain-api","regcode"]}`,
		answer: `{"cross-domain-api":{"enabled":1,"port":11369},"regcode":"AB12CD34"}`,
		want:   client.Configuration{CrossDomain: &client.CrossDomain{Enabled: true, Port: 11369}, RegistrationCode: "AB12CD34"},
	}, {
		name: "groups", call: run((*client.Client).Groups, client.GroupsQuery{Search: "a", Sort: client.Sort{Field: "group_name", Order: client.Descending}, Page: 2, Limit: 10}),
		sent: "POST /o/api/v3/groups", body: `{"search":"a","sort":{"field":"group_name","order":"desc"},"page":2,"limit":10}`,
		answer: `[{"group_id":1001,"group_name":"Default","auto_join":true,"policy_id":"1","number_of_devices":3,"created_date":"2023-11-20T10:00:00Z"}]`,
		want:   []client.Group{{ID: "1001", Name: "Default", AutoJoin: true, PolicyID: "1", Devices: 3, Created: at("2023-11-20T10:00:00Z")}},
	}, {
		name: "devices", call: run((*client.Client).Devices, client.DevicesQuery{Token: "T", Limit: 5, Filter: &client.DeviceFilter{
			Statuses: []client.Status{client.NonCompliant, client.Compliant}, Severities: []client.Severity{client.NoIssue}, OS: []string{"linux"}, Products: []int64{7},
			AgentStatuses: []string{"out_of_date"}, VulnerabilityLevels: []string{"important"}}}),
		sent: "POST /o/api/v3.7/devices", body: `{"token":"T","limit":5,"filter":{"device_status":["non_compliant","compliant"],"severity":["no_issues"],"os":["linux"],"product_ids":[7],"agent_status":["out_of_date"],"vulnerability_severity":["important"]}}`,
		answer: `{"next_token":"U","devices":[{"device_id":"d1","severity":"no_issues","status":"non_compliant","device_name":"pc","nickname":"n","last_seen":"2024-03-02T10:15:00Z",
			"issue":{"total_issue":3,"total_critical":1,"total_warning":2},"network_info":[{"mac":"02:42:ac:11:00:07","ipv4":"10.1.2.7","ipv6":"N/A","dhcp_enabled":1}],
			"os_info":{"family":"Linux","version":12},"cves":{"total":12},"link_user":{"username":"kari","group":"staff"},"user_info":{}}]}`,
		want: client.DevicesPage{NextToken: "U", Devices: []client.Device{{ID: "d1", Severity: client.NoIssue, Status: client.NonCompliant, Name: "pc", Nickname: "n",
			LastSeen: at("2024-03-02T10:15:00Z"), Issues: client.Issues{Total: 3, Critical: 1, Warning: 2}, OS: client.OS{Family: "Linux", Version: "12"},
			Networks:        []client.Network{{MAC: "02:42:ac:11:00:07", IPv4: client.Addresses{"10.1.2.7"}, DHCP: "1"}},
			Vulnerabilities: client.VulnerabilityTotal{Total: 12}, LinkedUser: client.LinkedUser{Username: "kari", Group: "staff"}}}},
	}, {
		name: "devices from the beginning", call: run((*client.Client).Devices, client.DevicesQuery{}),
		sent: "POST /o/api/v3.7/devices", body: `{"token":""}`, answer: `{"next_token":null,"devices":[]}`, want: client.DevicesPage{Devices: []client.Device{}},
	}, {
		name: "search", call: run((*client.Client).SearchDevices, client.SearchQuery{Text: "lab pc&x", In: "hostname", Page: 2, Limit: 3}),
		sent: "GET /o/api/v2.1/devices/search?in=hostname&limit=3&page=2&q=lab+pc%26x", answer: `{"total_count":9,"results":[{"hwid":"d1","status":1,"hostname":"pc"}]}`,
		want: client.SearchPage{Total: 9, Devices: []client.FoundDevice{{ID: "d1", Status: client.NonCompliant, HostName: "pc"}}},
	}, {
		name: "search in all fields", call: run((*client.Client).SearchDevices, client.SearchQuery{Text: "abc"}),
		sent: "GET /o/api/v2.1/devices/search?in=all&q=abc", answer: `{"total_count":0,"results":[]}`, want: client.SearchPage{Devices: []client.FoundDevice{}},
	}, {
		name: "details", call: run((*client.Client).DeviceDetails, client.DetailsQuery{IDs: []string{"d1", "02:42:ac:11:00:08"}, Categories: true, Patches: true, WithoutSystem: true, Kind: client.ByLinkedID}),
		sent: "POST /o/api/v3.8/devices/detail", body: `{"ids":["d1","02:42:ac:11:00:08"],"opt":1,"verbose":{"system_info":0,"categories":1,"detected_patches":1}}`,
		answer: `[{"device_id":"d1","status":"exempted","status_detail":{"exempted":1,"pending":0},"issue":{"total_issue":3,"total_critical_issue":1,"total_warning_issue":2},"nick_name":"n",
			"categories":[{"category_id":"antivirus","issue":1,"apps":[{"id":"1001","name":"AV","version":"5.2","issue":1,"health_status":[{"status":"old","issue":1,"log":""}]}]}],
			"detected_patches":{"timestamp":"2024-03-02T03:00:00Z","total":1,"patches":[{"kb_name":"KB1","titles":"T","release_date":"2024-02-13"}]}}]`,
		want: []client.DeviceDetail{{ID: "d1", Status: client.Exempted, Detail: client.Detail{Exempted: true}, Issues: client.Issues{Total: 3, Critical: 1, Warning: 2}, Nickname: "n",
			Categories: []client.Category{{ID: "antivirus", Issues: "1", Apps: []client.Application{{ID: "1001", Name: "AV", Version: "5.2", Issues: "1", Health: []client.Health{{Status: "old", Issue: "1"}}}}}},
			Patches:    client.Patches{Checked: at("2024-03-02T03:00:00Z"), Total: 1, List: []client.Patch{{KB: "KB1", Title: "T", Released: at("2024-02-13T00:00:00Z")}}}}},
	}, {
		name: "details with defaults", call: run((*client.Client).DeviceDetails, client.DetailsQuery{IDs: []string{"d1"}}),
		sent: "POST /o/api/v3.8/devices/detail", body: `{"ids":["d1"],"opt":0}`, answer: `[]`, want: []client.DeviceDetail{},
	}, {
		name: "info", call: run((*client.Client).DeviceInfo, client.InfoQuery{IDs: []string{"d1"}, Categories: []string{"firewall"}}),
		sent: "POST /o/api/v3/device_info", body: `{"ids":["d1"],"opt":0,"select":{"categories":["firewall"]}}`,
		answer: `[{"device_id":"d1","status":"non-compliant","severity":"critical","device_name":"<private>","categories":[{"id":"firewall","severity":"no_issue"}]}]`,
		want: []client.DeviceInfo{{ID: "d1", Status: client.NonCompliant, Severity: client.Critical, Name: "<private>",
			Categories: []client.CategorySeverity{{"firewall", client.NoIssue}}}},
	}, {
		name: "exempt", call: run((*client.Client).Act, client.ActionRequest{Action: client.Exempt, IDs: []string{"d1"}, ExemptFor: 24 * time.Hour}),
		sent: "POST /o/api/v3.3/devices/action", body: `{"types":"exempt","ids":["d1"],"params":{"exempt_time":24}}`,
		answer: `[{"id":"d1","status":1,"command_id":""}]`, want: []client.ActionResult{{ID: "d1", Status: client.ActionDone}},
	}, {
		name: "move", call: run((*client.Client).Act, client.ActionRequest{Action: client.AssignGroup, MACs: []string{"02:42:ac:11:00:08"}, Group: "7"}),
		sent: "POST /o/api/v3.3/devices/action", body: `{"types":"assign_to_group","macs":["02:42:ac:11:00:08"],"params":{"group_id":"7"}}`,
		answer: `[{"id":"02:42:ac:11:00:08","status":-1}]`, want: []client.ActionResult{{ID: "02:42:ac:11:00:08", Status: client.ActionUnsupported}},
	}, {
		name: "scan", call: run((*client.Client).Act, client.ActionRequest{Action: client.ScanThreats, IDs: []string{"d1"}, Scan: &client.Scan{Parts: []client.ScanPart{client.ScanMemory, client.ScanPath}, Path: "/opt"}}),
		sent: "POST /o/api/v3.3/devices/action", body: `{"types":"scan_threats","ids":["d1"],"params":{"full_scan":0,"scan_types":[0,4],"path":"/opt"}}`,
		answer: `[{"id":"d1","status":1,"command_id":77}]`, want: []client.ActionResult{{ID: "d1", Status: client.ActionDone, CommandID: "77"}},
	}, {
		name: "fetch log", call: run((*client.Client).Act, client.ActionRequest{Action: client.FetchLog, IDs: []string{"d1"}}),
		sent: "POST /o/api/v3.3/devices/action", body: `{"types":"fetch_agent_log","ids":["d1"]}`, answer: `[]`, want: []client.ActionResult{},
	}, {
		name: "delete", call: func(c *client.Client, ctx context.Context) (any, error) {
			return nil, c.DeleteDevice(ctx, "a/b c", client.EraseData)
		},
		sent: "POST /o/api/v2.2/devices/a%2Fb%20c/delete?opt=1", answer: `{"result":1,"msg":"Device has been deleted"}`,
	}, {
		name: "delete and archive", call: func(c *client.Client, ctx context.Context) (any, error) {
			return nil, c.DeleteDevice(ctx, "02:42:ac:11:00:08", client.ArchiveData)
		},
		sent: "POST /o/api/v2.2/devices/02:42:ac:11:00:08/delete?opt=2", answer: `{"result":1,"msg":"Device has been deleted"}`,
	}, {
		name: "delete several", call: func(c *client.Client, ctx context.Context) (any, error) {
			return c.DeleteDevices(ctx, []string{"d1", "d2"}, client.KeepDevice)
		},
		sent: "POST /o/api/v2/devices/delete", body: `{"HWID_list":["d1","d2"],"opt":0}`, answer: `{"result":[1,0]}`, want: []bool{true, false},
	}, {
		name: "delete several addresses", call: func(c *client.Client, ctx context.Context) (any, error) {
			return c.DeleteDevices(ctx, []string{"0242.ac11.0008", "02-42-AC-11-00-09"}, client.EraseData)
		},
		sent: "POST /o/api/v2/devices/delete", body: `{"MAC_list":["0242.ac11.0008","02-42-AC-11-00-09"],"opt":1}`, answer: `{"result":[1,1]}`, want: []bool{true, true},
	}, {
		name: "changes", call: run((*client.Client).Changes, client.ChangesQuery{Age: time.Hour + time.Millisecond, Verbose: true, Page: 2, Limit: 4}),
		sent: "POST /o/api/v3/devices/status_changed", body: `{"age":3601,"verbose":1,"page":2,"limit":4}`,
		answer: `{"monitored_devices":[{"device_id":"d1","status":"compliant","status_detail":{"exempted":0,"pending":1},"issue":{"total_issues":3,"total_critical_issues":1,"total_warning_issues":2},
			"issues":[{"category":"Firewall","critical":1,"desc":"not told","check":"enabled","outcome":"unknown","product":"nft","remediation":"Turn it on"}]}],
			"deleted_devices":[{"device_id":"d2"}]}`,
		want: []client.Change{
			{Device: client.Device{ID: "d1", Status: client.Compliant, Issues: client.Issues{Total: 3, Critical: 1, Warning: 2}}, Detail: client.Detail{Pending: true},
				IssueList: []client.Issue{{Category: "Firewall", Critical: true, Evidence: "not told", Check: "enabled", Outcome: client.OutcomeUnknown, Product: "nft", Remediation: "Turn it on"}}},
			{Device: client.Device{ID: "d2", Status: client.Removed}, Deleted: true}},
	}, {
		name: "link user by id", call: func(c *client.Client, ctx context.Context) (any, error) {
			return nil, c.LinkUser(ctx, "5f0c2a9d7be14c33a1d2e4f607182930", client.LinkedUser{Username: "kari", Group: "staff"})
		},
		sent: "POST /o/api/v2/devices/5f0c2a9d7be14c33a1d2e4f607182930/link_user?opt=1", body: `{"username":"kari","group":"staff"}`, answer: `{"result":1,"msg":"OK"}`,
	}, {
		name: "link user by address", call: func(c *client.Client, ctx context.Context) (any, error) {
			return nil, c.LinkUser(ctx, "00-0C-29-00-00-01", client.LinkedUser{Username: "kari"})
		},
		sent: "POST /o/api/v2/devices/00-0C-29-00-00-01/link_user?opt=0", body: `{"username":"kari"}`, answer: `{"result":1,"msg":"OK"}`,
	}, {
		name: "policy check", call: func(c *client.Client, ctx context.Context) (any, error) {
			return c.PolicyCheck(ctx, "02:42:ac:11:00:08", true)
		},
		sent: "GET /o/api/v2.2/devices/02:42:ac:11:00:08/policy_check?opt=0&verbose=1",
		answer: `{"policy_name":"","device_type":"laptop","os_type":"Debian","status":1,"total_issue":1,"total_critical_issue":1,"critical_status":1,"last_seen":"2024-03-02T10:15:00Z","issues":[
			{"category":"Firewall","critical":1,"desc":"nft is off","check":"enabled","outcome":"fail","product":"nft","remediation":"Turn it on"},{"category":"Backup","critical":0,"desc":"d"}]}`,
		want: client.PolicyStatus{Status: client.NonCompliant, Critical: true, TotalIssues: 1, TotalCritical: 1, DeviceType: "laptop", OS: "Debian",
			LastSeen: at("2024-03-02T10:15:00Z"), Issues: []client.Issue{
				{Category: "Firewall", Critical: true, Evidence: "nft is off", Check: "enabled", Outcome: client.OutcomeFail, Product: "nft", Remediation: "Turn it on"},
				{Category: "Backup", Evidence: "d"}}},
	}, {
		name: "policy checks", call: run((*client.Client).PolicyChecks, []string{"d1", "d2", "d3"}),
		sent: "POST /o/api/v2/devices/policy_check", body: `{"HWID_list":["d1","d2","d3"],"opt":1}`, answer: `{"result":[0,1,2],"critical":[0,1,0]}`,
		want: []client.PolicyVerdict{{client.Compliant, false}, {client.NonCompliant, true}, {client.Removed, false}},
	}, {
		name: "stats", call: run((*client.Client).Stats, client.StatsQuery{Event: client.StatsNotSeen, IDs: client.StatsDeviceIDs, Amount: 1, Period: "month", Devices: "managed"}),
		sent: "GET /o/api/v2/devices/stats?device_type=managed&event=not_seen&in=1&opt=1&period=month", answer: `{"total_count":1,"devices":["d1"]}`,
		want: client.Stats{Total: 1, Devices: []string{"d1"}},
	}, {
		name: "stats of days", call: run((*client.Client).Stats, client.StatsQuery{Event: client.StatsAdded, From: dayA, To: dayB}),
		sent: "GET /o/api/v2/devices/stats?end_date=20260203&event=added&opt=0&start_date=20260201", answer: `{}`, want: client.Stats{},
	}, {
		name: "remediation", call: func(c *client.Client, ctx context.Context) (any, error) {
			return c.RemediationLink(ctx, "own-1", client.ByLinkedID)
		},
		sent: "GET /o/api/v3/devices/own-1/remediation?opt=1", answer: `{"result":1,"remediation_link":"https://x/"}`, want: "https://x/",
	}, {
		name: "threats", call: run((*client.Client).Threats, client.ThreatsQuery{Device: "d1", WithoutLocal: true, Page: 2, Limit: 9}),
		sent: "POST /o/api/v3/get_threats?limit=9&page=2", body: `{"id":"d1","verbose":{"antimalware_scan":1,"local_antimalware_threats":0}}`,
		answer: `{"antimalware_scan":[{"critical":1,"file":"a","threat_name":"T"}],"local_antimalware_threats":[{"repeat":2,"existing":1}]}`,
		want:   client.Threats{Scan: []client.ScanThreat{{Critical: true, File: "a", Name: "T"}}, Local: []client.LocalThreat{{Repeats: 2, Exists: true}}},
	}, {
		name: "vulnerabilities of a device", call: run((*client.Client).DeviceVulnerabilities, client.DeviceVulnerabilitiesQuery{Device: "d1", Verbose: true, Levels: []string{"critical"}, ScoreType: client.CVSS3Score, OnlyKEV: true, Page: 1, Limit: 50}),
		sent: "POST /o/api/v3.2/get_cves", body: `{"id":"d1","verbose":1,"page":1,"limit":50,"filter":{"severity":["critical"],"score_type":"cvss3_score","kev":1}}`,
		answer: `[{"cve_id":"CVE-2099-0001","severity":"critical","publish_date":"2023-12-30","opswat_score":"92","cvss2_score":"9.3","cvss3_score":9.8,"kev":1}]`,
		want: []client.Vulnerability{{ID: "CVE-2099-0001", Level: "critical", Published: at("2023-12-30T00:00:00Z"), OPSWATScore: "92", CVSS2Score: "9.3",
			CVSS3Score: "9.8", KEV: true}},
	}, {
		name: "ids of vulnerabilities", call: run((*client.Client).DeviceVulnerabilities, client.DeviceVulnerabilitiesQuery{Device: "d1"}),
		sent: "POST /o/api/v3.2/get_cves", body: `{"id":"d1"}`, answer: `["CVE-2099-0001",{"cve_id":"CVE-2099-0002"}]`,
		want: []client.Vulnerability{{ID: "CVE-2099-0001"}, {ID: "CVE-2099-0002"}},
	}, {
		name: "vulnerabilities", call: run((*client.Client).Vulnerabilities, client.VulnerabilitiesQuery{Search: "x", MinScore: 7.5, Sort: client.Sort{Field: "cvss3_score"}}),
		sent: "POST /o/api/v3.2/cves", body: `{"search":"x","filter":{"score":7.5,"score_type":"opswat_score"},"sort":{"field":"cvss3_score"}}`,
		answer: `[{"cve_id":"CVE-2099-0001","opswat_score":61,"total_devices":2}]`, want: []client.Vulnerability{{ID: "CVE-2099-0001", OPSWATScore: "61", Devices: 2}},
	}, {
		name: "activities", call: run((*client.Client).Activities, client.ActivitiesQuery{Actions: []string{"blocked"}, Age: 90 * time.Minute}),
		sent: "POST /o/api/v3/activities", body: `{"action":["blocked"],"age":2}`, answer: `[{"timestamp":"2024-02-01T09:15:00Z","action":"blocked","device_status":"noncompliant"}]`,
		want: []client.Activity{{Time: at("2024-02-01T09:15:00Z"), Action: "blocked", DeviceStatus: client.NonCompliant}},
	}, {
		name: "activities of days", call: run((*client.Client).Activities, client.ActivitiesQuery{From: dayA, To: dayB}),
		sent: "POST /o/api/v3/activities", body: `{"start_date":"02/01/2026","end_date":"02/03/2026"}`, answer: `[]`, want: []client.Activity{},
	}, {
		name: "logs", call: run((*client.Client).Logs, client.LogsQuery{Events: []string{"deleted_api"}, Since: dayA, Until: dayB, Limit: 9}),
		sent: "POST /o/api/v3.3/logs", body: `{"event_category":"device","start_time":1769986800000,"end_time":1770080400000,"filter":{"events":["deleted_api"]},"token":"","limit":9}`,
		answer: `{"data":[{"timestamp":1706778900123,"event":"e","device_id":"d1","mac_addresses":["m"],"details":{"a":1}}],"token":"U"}`,
		want: client.LogsPage{NextToken: "U", Logs: []client.Log{{Time: client.Time{Time: time.UnixMilli(1706778900123).UTC()}, Event: "e", DeviceID: "d1", MACs: []string{"m"},
			Details: []byte(`{"a":1}`)}}},
	}, {
		name: "logs of the older form", call: run((*client.Client).Logs, client.LogsQuery{Category: client.AdminLog, Age: time.Hour, Token: "T"}),
		sent: "POST /o/api/v3.3/logs", body: `{"event_category":"admin","age":3600,"token":"T"}`,
		answer: `{"logs":[{"timestamp":"2024-02-01T09:15:00Z"}],"next_token":"V"}`, want: client.LogsPage{NextToken: "V", Logs: []client.Log{{Time: at("2024-02-01T09:15:00Z")}}},
	}, {
		name: "apps", call: run((*client.Client).Apps, client.AppsQuery{Search: "fire", Filter: client.AppsFilter{Levels: []string{"important"}}, Limit: 5}),
		sent: "POST /o/api/v3/apps", body: `{"search":"fire","filter":{"severity":["important"]},"limit":5}`,
		answer: `[{"category_id":"7","severity":"important","product_id":"41","version":"115.0","number_of_devices":2}]`,
		want:   []client.App{{CategoryID: "7", Level: "important", ProductID: "41", Version: "115.0", Devices: 2}},
	}, {
		name: "app details", call: run((*client.Client).AppDetails, client.AppQuery{ProductID: "41", Version: "115.0", Vulnerabilities: true}),
		sent: "POST /o/api/v3/apps/details", body: `{"product_id":"41","version":"115.0","verbose":{"cves":1}}`,
		answer: `{"product_id":41,"version":"115.0","total_devices":2,"total_cves":1,"cves":[{"cve_id":"CVE-2099-0001","cvss3_score":7}]}`,
		want:   client.AppDetail{ProductID: "41", Version: "115.0", Devices: 2, Total: 1, Vulnerabilities: []client.Vulnerability{{ID: "CVE-2099-0001", CVSS3Score: "7"}}},
	}} {
		t.Run(c.name, func(t *testing.T) {
			var sent, body, media, agent string
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				sent, body, media, agent = r.Method+" "+r.RequestURI, string(text), r.Header.Get("Content-Type"), r.UserAgent()
				answer(c.answer)(w, r)
			})
			got, err := c.call(s.client(client.Options{UserAgent: "test/1"}), t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if sent != c.sent || agent != "test/1" {
				t.Errorf("sent %q as %q, want %q", sent, agent, c.sent)
			}
			checkBody(t, body, media, c.body)
		})
	}
}

func checkBody(t *testing.T, body, media, want string) {
	t.Helper()
	if want == "" {
		if body != "" || media != "" {
			t.Errorf("sent the body %q of type %q", body, media)
		}
		return
	}
	var a, b any
	if json.Unmarshal([]byte(body), &a) != nil || json.Unmarshal([]byte(want), &b) != nil || media != "application/json" {
		t.Fatalf("the body %q of type %q", body, media)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("the body: %s", diff)
	}
}

// TestRefusedHere: what can only be a mistake costs no call.
func TestRefusedHere(t *testing.T) {
	s := newServer(t, answer(`{}`))
	c, ctx := s.client(client.Options{}), t.Context()
	for name, call := range map[string]func() error{
		"no device":        func() error { return c.LinkUser(ctx, "", client.LinkedUser{Username: "x"}) },
		"dots":             func() error { return c.DeleteDevice(ctx, "..", client.EraseData) },
		"no such mode":     func() error { return c.DeleteDevice(ctx, "d1", 9) },
		"mixed deletion":   func() error { _, err := c.DeleteDevices(ctx, []string{"d1", "02:42:ac:11:00:08"}, 0); return err },
		"mixed check":      func() error { _, err := c.PolicyChecks(ctx, []string{"02:42:ac:11:00:08", "d1"}); return err },
		"nothing to check": func() error { _, err := c.PolicyChecks(ctx, nil); return err },
		"too many": func() error {
			_, err := c.DeviceDetails(ctx, client.DetailsQuery{IDs: make([]string, client.MaxIDs+1)})
			return err
		},
		"no ids":        func() error { _, err := c.DeviceInfo(ctx, client.InfoQuery{}); return err },
		"no vulnerable": func() error { _, err := c.DeviceVulnerabilities(ctx, client.DeviceVulnerabilitiesQuery{}); return err },
		"no infected":   func() error { _, err := c.Threats(ctx, client.ThreatsQuery{}); return err },
		"an empty act":  func() error { _, err := c.Act(ctx, client.ActionRequest{Action: client.Delete}); return err },
		"ids and macs": func() error {
			_, err := c.Act(ctx, client.ActionRequest{IDs: []string{"a"}, MACs: []string{"b"}})
			return err
		},
		"half an hour": func() error {
			_, err := c.Act(ctx, client.ActionRequest{IDs: []string{"a"}, ExemptFor: time.Minute})
			return err
		},
		"half a time":    func() error { _, err := c.Activities(ctx, client.ActivitiesQuery{From: dayA}); return err },
		"half of a time": func() error { _, err := c.Stats(ctx, client.StatsQuery{To: dayA}); return err },
	} {
		if call() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if grants, calls := s.counts(); len(grants)+calls > 0 {
		t.Errorf("%d requests for tokens and %d calls", len(grants), calls)
	}
}

// TestLogicalFailures: calls that fail with status 200 fail here too.
func TestLogicalFailures(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name, answer string
		call         func(*client.Client) error
		notFound     bool
	}{
		{"link user", `{"result":0,"msg":"Device not found"}`, func(c *client.Client) error { return c.LinkUser(ctx, "d1", client.LinkedUser{}) }, true},
		{"link user in another way", `{"result":0,"msg":"Nope"}`, func(c *client.Client) error { return c.LinkUser(ctx, "d1", client.LinkedUser{}) }, false},
		{"delete", `{"result":0,"msg":"Device not found"}`, func(c *client.Client) error { return c.DeleteDevice(ctx, "d1", 0) }, true},
		{"remediation", `{"result":0,"remediation_link":""}`, func(c *client.Client) error { _, err := c.RemediationLink(ctx, "d1", 0); return err }, true},
		{"beyond the licence", `{"result":-1,"remediation_link":""}`, func(c *client.Client) error { _, err := c.RemediationLink(ctx, "d1", 0); return err }, false},
		{"one of one", `[]`, func(c *client.Client) error { _, err := c.DeviceDetail(ctx, "d1", client.DetailsQuery{}); return err }, true},
	} {
		err := c.call(newServer(t, answer(c.answer)).client(client.Options{}))
		if err == nil || client.IsNotFound(err) != c.notFound {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for name, call := range map[string]func(*client.Client) error{
		"deletions": func(c *client.Client) error { _, err := c.DeleteDevices(ctx, []string{"a", "b"}, 0); return err },
		"checks":    func(c *client.Client) error { _, err := c.PolicyChecks(ctx, []string{"a", "b"}); return err },
	} {
		err := call(newServer(t, answer(`{"result":[1],"critical":[0]}`)).client(client.Options{}))
		if err == nil || !strings.Contains(err.Error(), "1 results for 2 devices") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
