package gears

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func reportSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const name = "agent-report.schema.json"
	f, err := os.Open("../../docs/schema/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validates(t *testing.T, schema *jsonschema.Schema, body string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return schema.Validate(v)
}

func TestExamplesFollowTheSchema(t *testing.T) {
	schema := reportSchema(t)
	files, err := filepath.Glob("testdata/reports/*.json")
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		body := string(readSample(t, strings.TrimPrefix(filepath.ToSlash(file), "testdata/")))
		if err := validates(t, schema, body); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if status, answer := newWorld().report(t, body); status != 200 {
			t.Errorf("%s: %d %s", file, status, answer)
		}
	}
}

// TestExamplesInTheDocumentation sends the examples of docs/agent-protocol.md: blocks that say after the language what
// they are.
func TestExamplesInTheDocumentation(t *testing.T) {
	schema := reportSchema(t)
	text, err := os.ReadFile("../../docs/agent-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]int{}
	for _, block := range strings.Split(string(text), "```json ")[1:] {
		kind, rest, _ := strings.Cut(block, "\n")
		body, _, ok := strings.Cut(rest, "```")
		if !ok {
			t.Fatalf("a block of %s has no end", kind)
		}
		sent[kind]++
		status, answer := 0, ""
		switch kind {
		case "registration":
			status, answer = newWorld().register(t, theCode, body)
		case "registration-by-key":
			status, answer = newWorld().byKey(t, "", body)
		case "report":
			if err := validates(t, schema, body); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			status, answer = newWorld().report(t, body)
		}
		if status != 200 {
			t.Errorf("%d %s for the %s\n%s", status, answer, kind, body)
		}
	}
	if sent["registration"] < 2 || sent["report"] < 5 {
		t.Errorf("too few examples: %v", sent)
	}
}

// TestSchemaAndDoorAgree holds the schema against what the door does, so that neither drifts from the other.
func TestSchemaAndDoorAgree(t *testing.T) {
	schema := reportSchema(t)
	for body, accepted := range map[string]bool{
		`{}`:                                   true,
		`[]`:                                   false,
		`{"anything":[1,{"else":null}]}`:       true,
		`{"hostname":7}`:                       true,
		`{"hostname":false}`:                   false,
		`{"hostname":[]}`:                      false,
		`{"user_identity":{"a":1}}`:            true,
		`{"scan_time":-1}`:                     false,
		`{"scan_time":7258118400}`:             false,
		`{"scan_time":7258118399}`:             true,
		`{"scan_time":100000000000}`:           true,
		`{"scan_time":7258118400000}`:          false,
		`{"scan_time":true}`:                   false,
		`{"soh":null}`:                         true,
		`{"soh":1}`:                            false,
		`{"network_adapter_info":{"mac":"x"}}`: true,
		`{"network_adapter_info":"x"}`:         false,
		`{"network_adapter_info":[null]}`:      true,
		`{"network_adapter_info":[` + elements(1001, "{}") + `]}`:                       false,
		`{"network_adapter_info":[{"ipv4":"192.0.2.1"}]}`:                               true,
		`{"network_adapter_info":[{"ipv4":4}]}`:                                         false,
		`{"local_user":[{"name":"a"}],"user_info":[]}`:                                  true,
		`{"local_user":["a"]}`:                                                          false,
		`{"os_info":{"os_family":"win"}}`:                                               true,
		`{"os":[]}`:                                                                     false,
		soh(`"os_info":[{"os":{"os":{}}}]`):                                             true,
		soh(`"os_info":["linux"]`):                                                      false,
		soh(`"os_info":[` + elements(17, "{}") + `]`):                                   false,
		soh(`"system":{"passcode":"1","authentic":"True"}`):                             true,
		soh(`"system":{"passcode":"yes"}`):                                              false,
		soh(`"system":{"last_reboot":"last week"}`):                                     true,
		soh(`"system":{"last_reboot":-1}`):                                              false,
		soh(`"system":{"encryption":{"internal":2}}`):                                   false,
		soh(`"system":{"battery":1,"memory":7}`):                                        true,
		`{"last_time_ip_scanning":-3}`:                                                  false,
		soh(`"last_time_ip_scanning":-3`):                                               false,
		soh(`"system":{"battery":-1}`):                                                  false,
		soh(`"system":{"battery":{"percentage":-1}}`):                                   false,
		soh(`"system":{"battery":{"percentage":50,"current_ma":-350}}`):                 true,
		soh(`"system":{"device_up_time":"-3"}`):                                         false,
		soh(`"system":{"device_up_time":"3 days"}`):                                     true,
		soh(`"system":{"memory":{"total_memory_mb":-1}}`):                               false,
		soh(`"system":{"disk_space":{"available_size_mb":-1}}`):                         false,
		soh(`"collected":"firewall"`):                                                   true,
		soh(`"collected":[` + elements(201, `"a"`) + `]`):                               false,
		soh(`"updates":{"pending":"3","security":0}`):                                   true,
		soh(`"updates":{"pending":-3}`):                                                 false,
		soh(`"updates":{"pending":1000000001}`):                                         false,
		soh(`"updates":{"pending":0.5}`):                                                false,
		soh(`"screen_lock":{"enabled":null,"after_seconds":60}`):                        true,
		soh(`"screen_lock":[]`):                                                         false,
		soh(`"applications":{"name":"a"}`):                                              true,
		soh(`"applications":"a"`):                                                       false,
		soh(`"applications":[{"volumes":[{"encrypted":"x"}]}]`):                         false,
		soh(`"applications":[{"package":"deb"}]`):                                       false,
		soh(`"applications":[{"product":{"version":1.5}}]`):                             true,
		soh(`"applications":[{"definitions_date":{}}]`):                                 false,
		soh(`"applications":[` + elements(20_001, "{}") + `]`):                          false,
		`{"trans_id":"crm-1","custom_id":7,"core_version":4}`:                           true,
		`{"trans_id":["not an id"]}`:                                                    true,
		`{"core_version":{}}`:                                                           false,
		adapter(`"subnet_masks":["255.0.0.0",{"mask":null},null,{}]`):                   true,
		adapter(`"subnet_masks":{"mask":"255.0.0.0"}`):                                  true,
		adapter(`"subnet_masks":"255.0.0.0"`):                                           false,
		adapter(`"subnet_masks":[{"mask":{}}]`):                                         false,
		adapter(`"default_gateway":["192.0.2.1"],"dns_addresses":""`):                   true,
		adapter(`"default_gateway":{}`):                                                 false,
		adapter(`"dns_addresses":7`):                                                    false,
		adapter(`"dhcp_enabled":"1","dhcp_server":"N/A"`):                               true,
		adapter(`"dhcp_enabled":"maybe"`):                                               false,
		adapter(`"dhcp_obtained":"on Monday","dhcp_expires":{}`):                        true,
		adapter(`"dhcp_expires":-1`):                                                    false,
		adapter(`"dhcp_obtained":7258118400000`):                                        false,
		adapter(`"permanent_mac":["x"]`):                                                true,
		`{"os":{"build":26100,"virtual":true},"machine_id":{}}`:                         true,
		soh(`"os_info":[{"virtual":"","build":[],"system":{"cpu":"x","vendor":7}}]`):    true,
		soh(`"system":{"cpu":{"cores":0.5,"model":{}},"model":[]}`):                     true,
		soh(`"system":{"memory":{"total_memory_mb":"some"}}`):                           true,
		soh(`"unread":{"fact":"firewall","state":7,"why":null}`):                        true,
		soh(`"neighbours":{"mac":"x","ip":7,"adapter":null}`):                           true,
		soh(`"neighbours":[null,{"ip":"N/A"}]`):                                         true,
		soh(`"neighbours":"00:0c:29:00:00:01"`):                                         false,
		soh(`"neighbours":[{"mac":[]}]`):                                                false,
		soh(`"neighbours":[` + elements(1000, "{}") + `]`):                              true,
		soh(`"neighbours":[` + elements(1001, "{}") + `]`):                              false,
		`{"neighbours":7}`:                                                              true,
		soh(`"unread":["firewall"]`):                                                    false,
		soh(`"unread":[{"fact":{}}]`):                                                   false,
		soh(`"unread":[{"fact":"` + strings.Repeat("å", 64) + `"}]`):                    true,
		soh(`"unread":[{"fact":"` + strings.Repeat("å", 65) + `"}]`):                    false,
		soh(`"unread":[{"why":"` + strings.Repeat("å", 600) + `"}]`):                    true,
		soh(`"unread":[` + elements(201, "{}") + `]`):                                   false,
		soh(`"missing_patches":null,"threats":null,"processes":null`):                   true,
		soh(`"missing_patches":[]`):                                                     false,
		soh(`"missing_patches":{"patches":{"kb":5068861}}`):                             true,
		soh(`"missing_patches":{"patches":["KB5068861"]}`):                              false,
		soh(`"missing_patches":{"checked":-1}`):                                         false,
		soh(`"missing_patches":{"patches":[{"released":true}]}`):                        false,
		soh(`"missing_patches":{"patches":[{"severity":[]}]}`):                          false,
		soh(`"missing_patches":{"patches":[` + elements(5001, "{}") + `]}`):             false,
		soh(`"threats":{"found":{"name":"x","repeat":"3"}}`):                            true,
		soh(`"threats":[]`):                                                             false,
		soh(`"threats":{"scanned":{}}`):                                                 false,
		soh(`"threats":{"found":["x"]}`):                                                false,
		soh(`"threats":{"found":[{"existing":3}]}`):                                     false,
		soh(`"threats":{"found":[{"repeat":-1}]}`):                                      false,
		soh(`"threats":{"found":[{"product":"x"}]}`):                                    false,
		soh(`"threats":{"found":[{"engines":["x"]}]}`):                                  false,
		soh(`"threats":{"found":[` + elements(1001, "{}") + `]}`):                       false,
		soh(`"threats":{"found":[{"engines":[` + elements(101, "{}") + `]}]}`):          false,
		soh(`"threats":{"found":[{"file":"` + strings.Repeat("å", 600) + `"}]}`):        true,
		soh(`"threats":{"found":[{"name":"` + strings.Repeat("å", 600) + `"}]}`):        false,
		soh(`"disks":{"name":"/","total_mb":5,"free_mb":"3","system":1},"domain":null`): true,
		soh(`"disks":[{"total_mb":0.5}]`):                                               false,
		soh(`"disks":[{"system":"x"}]`):                                                 false,
		soh(`"disks":[` + elements(1001, "{}") + `]`):                                   false,
		soh(`"custom_checks":[{"id":"x","outcome":"of tomorrow","at":null}]`):           true,
		soh(`"custom_checks":[{"output":"` + strings.Repeat("å", 600) + `"}]`):          true,
		soh(`"custom_checks":[{"id":{}}]`):                                              false,
		soh(`"custom_checks":[` + elements(1001, "{}") + `]`):                           false,
		soh(`"domain":true`):                                                            false,
		soh(`"processes":"init"`):                                                       true,
		soh(`"processes":[null,7,"` + strings.Repeat("å", 600) + `"]`):                  true,
		soh(`"processes":[{}]`):                                                         false,
		soh(`"processes":[` + elements(10_001, `"a"`) + `]`):                            false,
		`{"hostname":"` + strings.Repeat("å", 512) + `"}`:                               true,
		`{"hostname":"` + strings.Repeat("å", 513) + `"}`:                               false,
	} {
		shown := body[:min(len(body), 90)]
		if err := validates(t, schema, body); (err == nil) != accepted {
			t.Errorf("%s: the schema says %v", shown, err)
		}
		if status, answer := newWorld().report(t, body); (status == 200) != accepted {
			t.Errorf("%s: the door answers %d %s", shown, status, answer)
		}
	}
}
