package feed

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"muster/internal/vuln"
	"muster/internal/vuln/version"
)

// Reasons why an affected product is not used.
const (
	noProductName Reason = "no product is told"
	noVendor      Reason = "the product has no vendor"
	otherDevice   Reason = "it is a system of devices that no agent runs on"
	noFix         Reason = "the operating system has no version with the fix, and every machine would be affected"
	otherImage    Reason = "it is about images or packages that only their maker's own feed tells apart"
)

// namedForSeries is a product with the number of its series at the end: .NET 8.0, Visual Studio 2022 version 17.8.
var namedForSeries = regexp.MustCompile(`[ v](\d+\.\d+(?:\.\d+)*)$`)

// affected translates what a record says of products, each once.
func (t *translation) affected(rec *cveRecord) []vuln.Affected {
	var out []vuln.Affected
	for _, a := range t.products(rec) {
		out = append(out, t.one(a)...)
	}
	return alike(out)
}

// products lists the products of who assigned the number. What others add completes it: they know vendors and CPE names
// of many products that are only 'n/a' there.
func (t *translation) products(rec *cveRecord) []*cveAffected {
	own := prepared(rec.Containers.CNA.Affected)
	var added []*cveAffected
	for i := range rec.Containers.ADP {
		added = append(added, prepared(rec.Containers.ADP[i].Affected)...)
	}
	if len(own) == 0 {
		for _, a := range added {
			a.Vendor, a.Product = words(a.Vendor), words(a.Product)
		}
		own = added
	} else {
		for _, a := range added {
			if same := counterpart(own, a, len(added)); same != nil {
				same.complete(a)
			}
		}
	}
	if len(own) == 0 {
		t.problem(noProductName, "")
	}
	return grouped(own)
}

// prepared are the products that have a name.
func prepared(list []cveAffected) []*cveAffected {
	var out []*cveAffected
	for i := range list {
		a := &list[i]
		a.Vendor, a.Product = cleaned(a.Vendor), cleaned(a.Product)
		seen := make(map[cpe]bool)
		for _, s := range a.CPEs {
			c, ok := parseCPE(s)
			c.version, c.update = "", "" // there may be thousands of them
			if ok && !seen[c] {
				seen[c] = true
				a.names = append(a.names, c)
			}
		}
		if a.Product != "" || a.PackageName != "" || a.PackageURL != "" {
			out = append(out, a)
		}
	}
	return out
}

// counterpart finds the product that another list names in its own way.
func counterpart(own []*cveAffected, other *cveAffected, others int) *cveAffected {
	if len(own) == 1 && others == 1 {
		return own[0]
	}
	name, full := plain(other.Product), plain(other.Vendor+other.Product)
	for _, a := range own {
		for _, mine := range []string{plain(a.Product), plain(a.Vendor + a.Product)} {
			if mine == name || mine == full {
				return a
			}
		}
	}
	return nil
}

// complete fills in what is missing.
func (a *cveAffected) complete(other *cveAffected) {
	a.names = append(a.names, other.names...)
	if a.Vendor == "" {
		a.Vendor = words(other.Vendor)
	}
	if !a.tellsVersions() {
		a.Versions, a.Default = other.Versions, other.Default
	}
}

func (a *cveAffected) tellsVersions() bool {
	for i := range a.Versions {
		v := &a.Versions[i]
		if v.Before != "" || v.Through != "" || !noVersion.MatchString(strings.TrimSpace(v.Version)) {
			return true
		}
	}
	return strings.EqualFold(a.Default, "affected") && len(a.Versions) == 0
}

// grouped joins what is said of one product in several places: only together do "before 13.7" and "before 14.7" make
// sense.
func grouped(list []*cveAffected) []*cveAffected {
	var out []*cveAffected
	index := make(map[string]*cveAffected)
	for _, a := range list {
		platforms := strings.Join(a.Platforms, "\x00")
		key := strings.Join([]string{a.Vendor, a.Product, a.Collection, a.PackageName, a.PackageURL, strings.ToLower(a.Default), platforms}, "\x01")
		if same := index[key]; same != nil {
			same.Versions = append(same.Versions, a.Versions...)
			same.names = append(same.names, a.names...)
			continue
		}
		index[key] = a
		out = append(out, a)
	}
	return out
}

// one translates one product.
func (t *translation) one(a *cveAffected) []vuln.Affected {
	if ecosystems, name := a.packaged(); len(ecosystems) > 0 {
		return t.packages(a, ecosystems, name)
	}
	family, isSystem := system(a.Vendor, a.Product)
	switch {
	case a.Product == "":
		t.problem(noProductName, a.PackageName)
	case elsewhere(a.Vendor, a.Product):
		t.problem(otherDevice, a.Product)
	case a.PackageName != "" && plain(a.Vendor) == "redhat":
		t.problem(otherImage, a.PackageName)
	case isSystem:
		return t.system(a, family)
	default:
		return t.application(a)
	}
	return nil
}

// packaged tells of which ecosystems a package is.
func (a *cveAffected) packaged() ([]string, string) {
	if rest, ok := strings.CutPrefix(a.PackageURL, "pkg:"); ok {
		kind, path, _ := strings.Cut(rest, "/")
		if ecosystem := packageTypes[strings.ToLower(kind)]; ecosystem != "" {
			return []string{ecosystem}, packageName(ecosystem, purlName(path))
		}
	}
	if a.PackageName == "" || a.Collection == "" {
		return nil, ""
	}
	u, err := url.Parse(a.Collection)
	if err != nil {
		return nil, ""
	}
	host := strings.TrimPrefix(strings.ToLower(u.Host), "www.")
	if ecosystem := hosts[host]; ecosystem != "" {
		return []string{ecosystem}, packageName(ecosystem, a.PackageName)
	}
	if host != "access.redhat.com" || !strings.Contains(u.Path, "package-browser") {
		return nil, ""
	}
	var out []string
	for _, s := range a.CPEs { // the names of Red Hat's ecosystems are the CPE names of its products
		for _, prefix := range []string{"cpe:/o:redhat:", "cpe:/a:redhat:"} {
			if product, ok := strings.CutPrefix(s, prefix); ok {
				out = append(out, "Red Hat:"+product)
			}
		}
	}
	return out, a.PackageName
}

// purlName is the name in what follows the type of a package URL.
func purlName(path string) string {
	path, _, _ = strings.Cut(path, "?")
	path, _, _ = strings.Cut(path, "#")
	if i := strings.LastIndexByte(path, '@'); i > 0 {
		path = path[:i]
	}
	if name, err := url.PathUnescape(path); err == nil {
		return name
	}
	return path
}

// packageName writes the name of a package as its ecosystem has it.
func packageName(ecosystem, name string) string {
	if ecosystem == "Maven" && !strings.Contains(name, ":") {
		return strings.Replace(name, "/", ":", 1)
	}
	return name
}

func (t *translation) packages(a *cveAffected, ecosystems []string, name string) []vuln.Affected {
	spans, single := t.resolve(a, ecosystems[0])
	if len(spans) == 0 && len(single) == 0 {
		return nil
	}
	var out []vuln.Affected
	for _, ecosystem := range ecosystems {
		out = append(out, affectedAs(ecosystem, name, spans, single))
	}
	return out
}

// system translates an operating system. Where no version has the fix, nothing is said: makers of systems mend a release
// without giving it another number (Android), or list those that they mended long ago.
func (t *translation) system(a *cveAffected, family string) []vuln.Affected {
	spans, single := t.resolve(a, version.OS)
	if out, ok := t.asSystem(a.Product, family, spans, single); ok {
		return []vuln.Affected{out}
	}
	return nil
}

func (t *translation) asSystem(name, family string, spans []span, single []string) (vuln.Affected, bool) {
	ecosystem := version.OS + ":" + family
	bounded := slices.DeleteFunc(inSeries(name, spans, ecosystem), func(s span) bool { return s.to.open() })
	if len(bounded) == 0 {
		if len(spans) > 0 || len(single) > 0 {
			t.problem(noFix, name)
		}
		return vuln.Affected{}, false
	}
	return affectedAs(ecosystem, name, bounded, nil), true
}

func (t *translation) application(a *cveAffected) []vuln.Affected {
	name, product := a.Product, vuln.Product{Vendors: []string{a.Vendor}}
	for i := range a.names {
		if c := &a.names[i]; c.part != "h" && !c.within() {
			product.Vendors = append(product.Vendors, words(c.vendor))
			product.Names = append(product.Names, c.name())
		}
	}
	if product.Vendors = unique(product.Vendors...); len(product.Vendors) == 0 {
		t.problem(noVendor, a.Product)
		return nil
	}
	spans, single := t.resolve(a, version.Application)
	spans = inSeries(a.Product, spans, version.Application)
	if len(spans) == 0 && len(single) == 0 {
		return nil
	}
	made := families(a.Vendor, a.Product, a.Platforms, a.names)
	plainName, _ := forSystem(name)
	product.Names = append(product.Names, plainName)
	if plain(a.Vendor) == "linux" && plain(a.Product) == "linux" {
		// The kernel as its makers release it. Distributions have packages of the names "linux" and "kernel", with versions of their own.
		name, product.Names, made = "Linux kernel", nil, []string{linux}
	}
	product.Names = unique(append([]string{name}, product.Names...)...)[1:]
	if len(made) == 0 {
		made = []string{""}
	}
	var out []vuln.Affected
	for _, family := range made {
		ecosystem := strings.TrimSuffix(version.Application+":"+family, ":")
		one := affectedAs(ecosystem, name, spans, single)
		one.Product = product
		out = append(out, one)
	}
	return out
}

// unique leaves out what is empty, and what is spelled like one before.
func unique(names ...string) []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, n := range names {
		if p := plain(n); !seen[p] {
			seen[p] = true
			out = append(out, n)
		}
	}
	return out
}

// alike joins products that differ in nothing but the name, as the editions of a system do.
func alike(list []vuln.Affected) []vuln.Affected {
	var out []vuln.Affected
	for i := range list {
		a := &list[i]
		at := slices.IndexFunc(out, func(b vuln.Affected) bool {
			return a.Package.Ecosystem == b.Package.Ecosystem && ownSpace(a.Package.Ecosystem) && sameVersions(a, &b)
		})
		if at < 0 {
			out = append(out, *a)
			continue
		}
		same := &out[at]
		same.Product.Names = unique(slices.Concat([]string{same.Package.Name}, same.Product.Names, []string{a.Package.Name}, a.Product.Names)...)[1:]
	}
	return out
}

func ownSpace(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base == version.Application || base == version.OS
}

// sameVersions reports whether two products have the same vendors and versions.
func sameVersions(a, b *vuln.Affected) bool {
	return slices.Equal(a.Product.Vendors, b.Product.Vendors) && slices.Equal(a.Versions, b.Versions) &&
		slices.EqualFunc(a.Ranges, b.Ranges, func(x, y vuln.Range) bool { return slices.Equal(x.Events, y.Events) }) &&
		cmp.Compare(len(a.Severity), len(b.Severity)) == 0
}
