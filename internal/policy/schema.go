package policy

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"muster/internal/signature"
)

// Schema gives the JSON Schema of the document that Parse reads, for editors. docs/schema has a copy.
func Schema() []byte { return slices.Clone(schemaText()) }

var schemaText = sync.OnceValue(func() []byte {
	text, err := json.MarshalIndent(schema(), "", "  ")
	if err != nil {
		panic(err) // a test makes it: it is made of constants
	}
	return append(text, '\n')
})

type object = map[string]any

func schema() object {
	root := properties("policy", reflect.TypeFor[Policy](), "name", "rules")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://muster.invalid/schema/policy.schema.json"
	root["title"] = "Policy of Muster"
	root["description"] = "Which checks are made on which machines, how much each matters, and which status follows. docs/policy.md explains it."
	check := properties("check", reflect.TypeFor[Check](), "check", "severity")
	check["allOf"] = checkForms()
	root["$defs"] = object{
		"check":    check,
		"rule":     properties("rule", reflect.TypeFor[Rule](), "name", "status"),
		"product":  properties("product", reflect.TypeFor[Product]()),
		"script":   properties("script", reflect.TypeFor[Script](), "interpreter", "text"),
		"duration": object{"type": "string", "pattern": `^([0-9]+d|([0-9]+(\.[0-9]+)?(h|m|s|ms))+|0)$`, "description": "Such as 3d, 12h or 90m."},
		"size":     object{"type": "string", "pattern": "^[0-9]+ ?([kMGT]B|[KMGT]iB|B)$", "description": "Such as 10GB or 512MiB."},
		"version":  object{"type": []string{"string", "number"}, "description": "Best in quotes, such as \"10.0\"."},
	}
	return root
}

// checkForms says of each check which parameters it has, and which it needs.
func checkForms() []object {
	var out []object
	for _, d := range Definitions() {
		not := object{}
		for _, p := range slices.Sorted(maps.Keys(parameters)) {
			if !slices.Contains(d.Params, p) {
				not[p] = false
			}
		}
		if !d.Named {
			not["name"] = false
		}
		then := object{"properties": not}
		if d.ID == customCheckID {
			then["required"] = []string{"name"}
		}
		if len(d.Needs) > 0 {
			or := []object{{"properties": object{"severity": object{"const": Off}}}}
			for _, n := range d.Needs {
				or = append(or, object{"required": []string{n}})
			}
			then["anyOf"] = or
		}
		out = append(out, object{"if": object{"properties": object{"check": object{"const": d.ID}}}, "then": then})
	}
	return out
}

// properties describes an object by the members of a type.
func properties(kind string, t reflect.Type, required ...string) object {
	byName := object{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		byName[name] = describe(kind+"."+name, t.Field(i).Type)
	}
	out := object{"type": "object", "properties": byName, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// describe says what form a member has.
func describe(path string, t reflect.Type) object {
	out := form(path, t)
	out["description"] = memberDocs[path]
	return out
}

func form(path string, t reflect.Type) object {
	if values, ok := memberWords[path]; ok {
		word := object{"enum": values}
		if t.Kind() == reflect.Slice {
			return object{"type": "array", "items": word, "uniqueItems": true}
		}
		return word
	}
	switch {
	case path == "script.signature":
		return object{"type": "string", "pattern": signature.Form()}
	case strings.HasSuffix(path, ".min_version"):
		return object{"$ref": "#/$defs/version"}
	case t == reflect.TypeFor[Duration]():
		return object{"$ref": "#/$defs/duration"}
	case t == reflect.TypeFor[Size]():
		return object{"$ref": "#/$defs/size"}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return object{"type": "array", "items": object{"$ref": "#/$defs/" + strings.ToLower(t.Elem().Name())}}
	case t.Kind() == reflect.Slice:
		return object{"type": "array", "items": object{"type": "string", "minLength": 1, "maxLength": maxText}}
	case t.Kind() == reflect.Bool:
		return object{"type": "boolean"}
	case t.Kind() == reflect.Int:
		return object{"type": "integer", "minimum": 0}
	default:
		return object{"type": "string"}
	}
}

// memberWords are the values of members that have few.
var memberWords = map[string]any{
	"check.check":        checkIDs(),
	"check.severity":     []Severity{Off, Warning, Critical},
	"check.on_unknown":   []OnUnknown{Raise, LetPass},
	"check.os":           families,
	"check.device_types": deviceTypes,
	"check.min_level":    levelWords,
	"check.score_type":   scoreTypeWords,
	"rule.issues":        []IssueState{NoIssues, AnyIssue, CriticalIssue},
	"rule.categories":    categories(),
	"rule.min_level":     levelWords,
	"rule.score_type":    scoreTypeWords,
	"rule.os":            families,
	"rule.device_types":  deviceTypes,
	"rule.status":        []RuleStatus{Compliant, NonCompliant},
	"product.category":   productCategories,
	"script.os":          families,
	"script.interpreter": interpreters,
}

func checkIDs() []string {
	var out []string
	for _, d := range Definitions() {
		out = append(out, d.ID)
	}
	return out
}

// memberDocs says of each member what it is for.
var memberDocs = map[string]string{
	"policy.name":        "What people call the policy.",
	"policy.description": "What it is for.",
	"policy.checks":      "The first entry of a check that covers a machine holds for it. A check without an entry is off.",
	"policy.rules":       "The first rule whose conditions all hold decides. The last must be without conditions.",

	"check.check":            "Which check.",
	"check.name":             "Tells apart entries of a check that is made several times on one machine. Of a custom check: the id by which agents report.",
	"check.title":            "What a custom check is called in front of people.",
	"check.severity":         "How much a failure matters; off: the check is not made.",
	"check.os":               "Only for machines of these systems; missing means all.",
	"check.device_types":     "Only for machines of these types; missing means all.",
	"check.on_unknown":       "What becomes of unknown, stale and error: an issue (without a word), or a pass.",
	"check.remediation":      "Markdown for the owner of the machine, in the place of Muster's text.",
	"check.max_age":          "How old definitions, lists, scans, backups, results or the last start may be.",
	"check.max_idle":         "The longest idle time before the screen must lock.",
	"check.patch_age":        "For how long a patch may have been out and be missing.",
	"check.within":           "How far back threats count.",
	"check.min_version":      "The lowest version that will do.",
	"check.min_free":         "How much of the disk must be free.",
	"check.min_free_percent": "How many percent of the disk must be free.",
	"check.min_repeats":      "From how many finds on a threat counts as repeated; 2 without a word.",
	"check.volumes":          "Names of volumes, or system, or all; system without a word.",
	"check.allowed":          "Names of products that are wanted after all.",
	"check.products":         "The products that are required, forbidden or held to a version.",
	"check.processes":        "Names of programs that must not run; one that ends in * is the beginning of names.",
	"check.severities":       "The severities of missing patches that count, in their vendor's words; all without a word.",
	"check.domains":          "The directory domains of which one must be the machine's; any without a word.",
	"check.min_level":        "Vulnerabilities of this level or worse count.",
	"check.score_type":       "The scores by which levels are told: opswat_score without a word.",
	"check.cves":             "Vulnerabilities with these ids count.",
	"check.kev":              "Vulnerabilities known to be exploited count.",
	"check.scripts":          "What agents run: the first that fits the system.",

	"rule.name":         "Shown with every verdict that the rule gave.",
	"rule.issues":       "No issue at all, at least one, or at least one that is critical.",
	"rule.min_critical": "At least so many critical issues.",
	"rule.min_warnings": "At least so many warnings.",
	"rule.categories":   "An issue in one of these categories.",
	"rule.checks":       "One of these checks did not pass: an id, or id/name.",
	"rule.min_level":    "The worst open vulnerability is of this level or worse.",
	"rule.score_type":   "The scores by which the level is told: opswat_score without a word.",
	"rule.cves":         "One of these vulnerabilities is open.",
	"rule.kev":          "A vulnerability is open that is known to be exploited.",
	"rule.silent_for":   "No report has come for so long.",
	"rule.groups":       "The device is in one of these groups, by name.",
	"rule.users":        "The linked user is one of these.",
	"rule.os":           "The machine has one of these systems.",
	"rule.device_types": "The machine is of one of these types.",
	"rule.expression":   "A condition in CEL.",
	"rule.status":       "What the rule gives.",
	"rule.grace":        "For how long an unfit device is let pass, from when it began to be unfit.",

	"product.name":        "The whole name, or its beginning where it ends in *. Case does not matter.",
	"product.vendor":      "The vendor, in the same way.",
	"product.category":    "The category that the agent put it into.",
	"product.min_version": "The lowest version that will do.",
	"product.running":     "It must run.",

	"script.os":          "The systems that it is for; missing means all.",
	"script.interpreter": "What runs it.",
	"script.timeout":     "How long it may take: at most 10m, 30s without a word.",
	"script.text":        "The script. Exit status 0 passes, 1 fails, anything else is an error.",
	"script.signature":   "What muster script sign wrote. Muster's own agent runs nothing else.",
}
