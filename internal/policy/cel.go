package policy

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"

	"muster/internal/errs"
	"muster/internal/vuln/version"
)

// Bounds of expressions. The cost is counted in steps of the language: looking at a thousand products takes some
// thousands.
const (
	maxExpression     = 2000
	maxExpressionCost = 100_000
	maxNesting        = 50
	maxPattern        = 1000 // instructions of a regular expression
)

// What an expression sees of lists. The members are named by their tags; what is a fact is "yes", "no" or "unknown".
type (
	celIssue struct {
		Check    string `cel:"check"`
		Name     string `cel:"name"`
		Category string `cel:"category"`
		Severity string `cel:"severity"`
		Outcome  string `cel:"outcome"`
		Product  string `cel:"product"`
	}
	celProduct struct {
		Name     string `cel:"name"`
		Vendor   string `cel:"vendor"`
		Version  string `cel:"version"`
		Category string `cel:"category"`
		Running  string `cel:"running"`
		Enabled  string `cel:"enabled"`
	}
	celVulnerability struct {
		ID      string   `cel:"id"`
		CVEs    []string `cel:"cves"`
		Product string   `cel:"product"`
		Version string   `cel:"version"`
		KEV     bool     `cel:"kev"`
		Score   float64  `cel:"score"`
		CVSS2   float64  `cel:"cvss2"`
		CVSS3   float64  `cel:"cvss3"`
	}
)

// joinVariables are what every expression sees; deviceVariables what only rules do.
var (
	joinVariables = []variable{
		{"os.family", cel.StringType, "windows, mac, linux, ios or android; empty where the machine does not say"},
		{"os.name", cel.StringType, "such as Windows 11 Pro"},
		{"os.version", cel.StringType, "as reported"},
		{"os.distribution", cel.StringType, "of Linux, such as Debian:12"},
		{"device.type", cel.StringType, "desktop, laptop, server, vm, phone or tablet; empty where the machine does not say"},
		{"device.name", cel.StringType, "as the owner or an administrator named it"},
		{"device.host", cel.StringType, "the host name"},
		{"device.domain", cel.StringType, "the directory domain"},
		{"device.serial", cel.StringType, "the serial number"},
		{"users", cel.ListType(cel.StringType), "the names of the accounts on the machine"},
		{"ips", cel.ListType(cel.StringType), "the addresses of its adapters, and the one that the report came from"},
	}
	deviceVariables = []variable{
		{"group", cel.StringType, "the name of the device's group"},
		{"user", cel.StringType, "the linked user; empty for none"},
		{"agent.version", cel.StringType, "the version of the agent"},
		{"issues", cel.ListType(cel.ObjectType("policy.celIssue")), "check, name, category, severity, outcome and product of each issue"},
		{"products", cel.ListType(cel.ObjectType("policy.celProduct")), "name, vendor, version, category, running and enabled of each product"},
		{"vulnerabilities", cel.ListType(cel.ObjectType("policy.celVulnerability")), "id, cves, product, version, kev, score, cvss2 and cvss3 of each open vulnerability; a score below 0 is none"},
	}
)

// variable is something that an expression sees.
type variable struct {
	name string
	typ  *cel.Type
	doc  string
}

// The two kinds of expressions: conditions of rules, and of joining a group. Making an environment takes longer than
// most programs run that need none.
var (
	joinEnvironment   = sync.OnceValues(func() (*cel.Env, error) { return newEnvironment(joinVariables) })
	deviceEnvironment = sync.OnceValues(func() (*cel.Env, error) {
		return newEnvironment(append(append([]variable{}, joinVariables...), deviceVariables...),
			ext.NativeTypes(ext.ParseStructTags(true), reflect.TypeFor[celIssue](), reflect.TypeFor[celProduct](), reflect.TypeFor[celVulnerability]()))
	})
)

func newEnvironment(variables []variable, options ...cel.EnvOption) (*cel.Env, error) {
	options = append(options,
		cel.ParserExpressionSizeLimit(maxExpression), cel.ParserRecursionLimit(maxNesting),
		cel.Function("in_network", cel.Overload("in_network_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(ip, network ref.Val) ref.Val { return textBinding(inNetwork)(ip, network) }))),
		cel.Function("version_at_least", cel.Overload("version_at_least_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(has, minimum ref.Val) ref.Val { return textBinding(versionAtLeast)(has, minimum) }))),
	)
	for _, v := range variables {
		options = append(options, cel.Variable(v.name, v.typ))
	}
	return cel.NewEnv(options...)
}

// textBinding makes a function of two texts one of the language.
func textBinding(f func(a, b string) (bool, error)) func(a, b ref.Val) ref.Val {
	return func(a, b ref.Val) ref.Val {
		x, ok := a.Value().(string)
		y, ok2 := b.Value().(string)
		if !ok || !ok2 {
			return types.NewErr("two texts are needed")
		}
		holds, err := f(x, y)
		if err != nil {
			return types.NewErr("%v", err)
		}
		return types.Bool(holds)
	}
}

// inNetwork reports whether an address lies in a network. A text that is no address lies in none.
func inNetwork(ip, network string) (bool, error) {
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		return false, fmt.Errorf("%q is not a network such as 10.0.0.0/8", network)
	}
	addr, err := netip.ParseAddr(ip)
	return err == nil && prefix.Contains(addr.Unmap().WithZone("")), nil
}

// versionAtLeast reports whether a version is a minimum or comes after it.
func versionAtLeast(has, minimum string) (bool, error) {
	n, err := version.Compare(version.Application, has, minimum)
	if err != nil {
		return false, fmt.Errorf("the versions %q and %q cannot be compared", has, minimum)
	}
	return n >= 0, nil
}

// expression is one that is ready to be asked.
type expression struct {
	program  cel.Program
	names    map[string]bool // of the variables that it looks at
	patterns map[string]int  // the instructions of each regular expression
}

// mentions reports whether the expression looks at a variable.
func (e *expression) mentions(name string) bool { return e.names[name] }

// compileExpression checks an expression: its form, its types, and that it is a condition.
func compileExpression(environment func() (*cel.Env, error), text string) (*expression, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(text) == "" || len(text) > maxExpression {
		return nil, errs.New(errs.Invalid, "an expression has 1 to %d characters", maxExpression)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, errs.New(errs.Invalid, "the expression is not valid: %s", firstProblem(text, issues))
	}
	if ast.OutputType() != cel.BoolType {
		return nil, errs.New(errs.Invalid, "the expression gives %s; it must be a condition, which is true or false", ast.OutputType())
	}
	out := &expression{names: make(map[string]bool), patterns: make(map[string]int)}
	if err := out.look(ast.NativeRep()); err != nil {
		return nil, err
	}
	out.program, err = env.Program(ast, cel.CostLimit(maxExpressionCost), cel.EvalOptions(cel.OptOptimize), cel.CostTrackerOptions(
		interpreter.OverloadCostTracker(overloads.Matches, out.patternCost), interpreter.OverloadCostTracker(overloads.MatchesString, out.patternCost)))
	if err != nil {
		return nil, errs.New(errs.Invalid, "the expression is not valid: %v", err)
	}
	return out, nil
}

// dotted is a name in an expression, with the members behind it.
var dotted = regexp.MustCompile(`^[\pL_][\pL\pN_.]*`)

// firstProblem words the first thing that is wrong, with its place. Of a name that there is not the language names the first part
// only, which is there more often than not.
func firstProblem(text string, issues *cel.Issues) string {
	e := issues.Errors()[0]
	message, _, _ := strings.Cut(e.Message, " (in container")
	if lines := strings.Split(text, "\n"); strings.HasPrefix(message, "undeclared") && e.Location.Line() <= len(lines) {
		line := []rune(lines[e.Location.Line()-1])
		if name := dotted.FindString(string(line[min(e.Location.Column(), len(line)):])); name != "" {
			message = "undeclared: there is no " + name
		}
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, message)
}

// lookAtPattern notes how large a regular expression is. It must be written out: devices could choose others, and name costly ones.
func (e *expression) lookAtPattern(call celast.CallExpr) error {
	args := call.Args()
	if len(args) == 0 || args[len(args)-1].Kind() != celast.LiteralKind {
		return errs.New(errs.Invalid, "the expression is not valid: the regular expression of matches() must be written out")
	}
	pattern, _ := args[len(args)-1].AsLiteral().Value().(string)
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return errs.New(errs.Invalid, "the expression is not valid: %v", err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return errs.New(errs.Invalid, "the expression is not valid: %v", err)
	}
	if len(program.Inst) > maxPattern {
		return errs.New(errs.Invalid, "the expression is not valid: the regular expression %.40q is too large; repetitions count as often as they may happen", pattern)
	}
	e.patterns[pattern] = len(program.Inst)
	return nil
}

// patternCost is what asking a regular expression costs. The language reckons with the length of its text, but a few characters can
// stand for thousands of repetitions.
func (e *expression) patternCost(args []ref.Val, _ ref.Val) *uint64 {
	text, _ := args[0].Value().(string)
	pattern, _ := args[1].Value().(string)
	cost := uint64(len(text)/10+1) * uint64(e.patterns[pattern]/4+1)
	return &cost
}

// look notes which variables are used, and finds networks, versions and regular expressions that cannot be meant.
func (e *expression) look(ast *celast.AST) error {
	var problem error
	celast.PostOrderVisit(ast.Expr(), celast.NewExprVisitor(func(x celast.Expr) {
		if r, ok := ast.ReferenceMap()[x.ID()]; ok && r.Name != "" {
			e.names[r.Name] = true
		}
		if x.Kind() == celast.CallKind && x.AsCall().FunctionName() == overloads.Matches && problem == nil {
			problem = e.lookAtPattern(x.AsCall())
		}
		if x.Kind() != celast.CallKind || len(x.AsCall().Args()) != 2 || x.AsCall().Args()[1].Kind() != celast.LiteralKind {
			return
		}
		literal, ok := x.AsCall().Args()[1].AsLiteral().Value().(string)
		var err error
		switch {
		case !ok:
		case x.AsCall().FunctionName() == "in_network":
			_, err = inNetwork("", literal)
		case x.AsCall().FunctionName() == "version_at_least":
			_, err = versionAtLeast("1", literal)
		}
		if err != nil && problem == nil {
			problem = errs.New(errs.Invalid, "the expression is not valid: %v", err)
		}
	}))
	return problem
}

// holds asks the expression.
func (e *expression) holds(vars *variables) (bool, error) {
	if e.program == nil {
		return false, errs.New(errs.Invalid, "the expression is not valid")
	}
	out, _, err := e.program.Eval(vars)
	if err != nil {
		return false, fmt.Errorf("asking an expression: %w", err)
	}
	holds, ok := out.Value().(bool)
	if !ok {
		return false, errs.New(errs.Invalid, "the expression gave %s and not true or false", out.Type().TypeName())
	}
	return holds, nil
}
