package vuln

import (
	"cmp"
	"slices"
	"strings"

	"muster/internal/posture"
	"muster/internal/vuln/version"
)

// Key finds what may concern a product: what is known is kept under keys, and a report is looked up by them.
type Key struct {
	Space string // an ecosystem with its release, without what does not change the order of versions: "Debian:12"
	Name  string // reduced: see packageName and productWords; "" for an operating system
	// ByVendor marks the short names of applications, which mean something only together with a vendor: "reader".
	ByVendor bool
}

// Compare puts keys in an order.
func (k Key) Compare(o Key) int {
	if n := strings.Compare(k.Name, o.Name); n != 0 { // most differ here
		return n
	}
	return cmp.Or(strings.Compare(k.Space, o.Space), cmp.Compare(truth(k.ByVendor), truth(o.ByVendor)))
}

// Inventory is all that a report names, the operating system last, ready to be looked up.
type Inventory struct {
	products []product
}

// Take readies what a report names.
func Take(r *posture.Report) *Inventory {
	out := &Inventory{products: make([]product, 0, len(r.Applications)+1)}
	for i := range r.Applications {
		p, ok := productOf(&r.OS, &r.Applications[i])
		if ok {
			out.products = append(out.products, p)
		}
	}
	p, ok := systemOf(&r.OS)
	if ok {
		out.products = append(out.products, p)
	}
	return out
}

// Keys lists the keys by which all of it is looked up, each once and in order.
func (v *Inventory) Keys() []Key {
	out := make([]Key, 0, 2*len(v.products))
	for i := range v.products {
		out = append(out, v.products[i].keys...)
	}
	slices.SortFunc(out, Key.Compare)
	return slices.Compact(out)
}

// KeysOfApplication lists the keys by which one program or package of a machine is looked up, and says whether another
// version is compared than follows from the one that is installed.
func KeysOfApplication(os *posture.OS, app *posture.Application) (keys []Key, otherVersion bool) {
	p, ok := productOf(os, app)
	return p.keys, ok && p.compared != ownVersion(baseOf(spaceOn(os, app.Ecosystem)), app.Version)
}

// product is something on a machine as it is looked up.
type product struct {
	keys      []Key
	shown     string   // the name that a finding gives
	installed string   // the name of what is installed, where another is compared
	reduced   string   // the name that tells products apart
	version   string   // as installed
	compared  string   // the version that entries speak of: that of the source
	vendor    []string // nil where it plays no part or is not known
	isPackage bool     // of a package manager
	module    string   // name:stream, "" for none or not known
	system    string   // the operating system in Go's words, or the kind of Windows; "" if not known
}

func productOf(os *posture.OS, app *posture.Application) (product, bool) {
	switch {
	case app.Version == "" || isSource(app.Arch):
		return product{}, false
	case app.Ecosystem == "":
		return applicationOf(os, app)
	default:
		return packageOf(os, app)
	}
}

// isSource reports whether an architecture is that of source packages, which lie on a machine and do not run.
func isSource(arch string) bool { return arch == "src" || arch == "nosrc" || arch == "source" }

// packageOf looks up a package by its ecosystem and the name that its advisories use: that of the source it was built from, or
// its own. A finding gives the source, where it is known, so that what is built from one source is one finding.
func packageOf(os *posture.OS, app *posture.Application) (product, bool) {
	eco := spaceOn(os, app.Ecosystem)
	base := baseOf(eco)
	source := cmp.Or(app.Source, app.Name)
	compared, version := source, sourceVersion(base, app)
	if slices.Contains(byBinary, base) {
		compared, version = app.Name, app.Version
	}
	p := product{
		keys: []Key{{Space: eco, Name: packageName(base, compared)}}, shown: source, reduced: eco + " " + packageName(base, source),
		version: app.Version, compared: version, isPackage: true, module: app.Module, system: goSystems[os.Family],
	}
	if source != app.Name {
		p.installed = app.Name
	}
	return p, true
}

// goSystems are the families of operating systems in Go's words.
var goSystems = map[posture.OSFamily]string{
	posture.Windows: "windows", posture.MacOS: "darwin", posture.Linux: "linux", posture.IOS: "ios", posture.Android: "android",
}

// spaceOn completes an ecosystem without a release from what is known of the system: without the release the fixes of a
// distribution are not known.
func spaceOn(os *posture.OS, ecosystem string) string {
	dist := os.Distribution
	if !strings.Contains(ecosystem, ":") && strings.HasPrefix(dist, ecosystem) && strings.HasPrefix(dist[len(ecosystem):], ":") {
		return space(dist)
	}
	return space(ecosystem)
}

// applicationOf looks up a program by its name and vendor.
func applicationOf(os *posture.OS, app *posture.Application) (product, bool) {
	words := productWords(app.Name, app.Version)
	if len(words) == 0 {
		return product{}, false
	}
	vendor := vendorWords(app.Vendor)
	name := nameOf(words, vendor)
	p := product{
		shown: strings.TrimSpace(app.Name), reduced: name, version: app.Version, compared: versionOf(app.Name, app.Version), vendor: vendor,
	}
	for _, s := range applicationSpaces(os.Family) {
		p.keys = append(p.keys, Key{Space: s, Name: name, ByVendor: len(vendor) > 0})
	}
	return p, true
}

// nameOf gives the name that a program is looked up by. Without a vendor it is the full name, in which the vendor may come first.
func nameOf(words, vendor []string) string {
	if len(vendor) > 0 {
		return program(vendor, withoutVendor(words, vendor))
	}
	if first := words[:1]; len(words) > 1 && (aliased[first[0]] != nil || editions[first[0]] != nil) {
		return first[0] + " " + program(first, words[1:])
	}
	return strings.Join(words, " ")
}

// applicationSpaces are where applications of a family are found.
func applicationSpaces(f posture.OSFamily) []string {
	family := map[posture.OSFamily]string{
		posture.Windows: "windows", posture.MacOS: "mac", posture.Linux: "linux", posture.IOS: "ios", posture.Android: "android",
	}[f]
	if family == "" {
		return []string{version.Application}
	}
	return []string{version.Application + ":" + family, version.Application}
}

// systemOf looks up the operating system itself.
func systemOf(os *posture.OS) (product, bool) {
	if os.Family == "" || os.Version == "" {
		return product{}, false
	}
	p := product{
		keys: []Key{SystemKey(os.Family)}, shown: cmp.Or(os.Name, string(os.Family)), reduced: "os", version: os.Version, compared: os.Version,
	}
	if kinds := windowsOf(os.Name); os.Family == posture.Windows && len(kinds) == 1 {
		p.system = kinds[0]
	}
	return p, true
}

// SystemKey is the key of the operating systems of a family.
func SystemKey(f posture.OSFamily) Key { return Key{Space: version.OS + ":" + string(f)} }

// IsSystem reports whether a key is that of operating systems.
func IsSystem(k Key) bool {
	base, _, _ := strings.Cut(k.Space, ":")
	return base == version.OS
}
