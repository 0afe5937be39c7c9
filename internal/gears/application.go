package gears

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/posture"
)

// product is an application as agents write it. The phone agents put name and version into a member `product`, the
// others beside the rest.
type product struct {
	Name        text           `json:"name"`
	Vendor      text           `json:"vendor"`
	Version     text           `json:"version"`
	Category    text           `json:"category"`
	Running     flag           `json:"running"`
	Enabled     flag           `json:"enabled"`
	Definitions moment         `json:"definitions_date"`
	LastScan    moment         `json:"last_scan"`
	Volumes     list[volume]   `json:"volumes"`
	Package     packageOrigin  `json:"package"`
	PURL        text           `json:"purl"`
	Product     productDetails `json:"product"`
}

type productDetails struct {
	Name     text `json:"name"`
	Vendor   text `json:"vendor"`
	Version  text `json:"version"`
	Category text `json:"category"`
	PURL     text `json:"purl"`
}

// packageOrigin says which package manager installed a product, and from which source package.
type packageOrigin struct {
	Ecosystem text `json:"ecosystem"`
	Source    text `json:"source"`
	PURL      text `json:"purl"`
}

type volume struct {
	Name      text `json:"name"`
	Encrypted flag `json:"encrypted"`
	System    flag `json:"system"`
}

func (volume) form() (int, jsontext.Kind) { return maxVolumes, '{' }

// applications decodes straight into the form that is kept: the wire form is several times as large, and a report has
// up to 20 000 of them.
type applications []posture.Application

var errManyApps = problem("holds more than the " + strconv.Itoa(maxApps) + " elements allowed")

// UnmarshalJSONFrom reads the list of applications. One without a name says nothing and is left out.
func (a *applications) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*a = nil
	var p product
	elements := 0
	return eachElement(dec, '{', func() error {
		if elements++; elements > maxApps {
			return errManyApps
		}
		p = product{}
		if err := json.UnmarshalDecode(dec, &p); err != nil {
			return err
		}
		if app := p.application(); app.Name != "" {
			*a = append(*a, app)
		}
		return nil
	})
}

func (p *product) application() posture.Application {
	app := posture.Application{
		Name:        first(p.Name, p.Product.Name),
		Vendor:      first(p.Vendor, p.Product.Vendor),
		Version:     first(p.Version, p.Product.Version),
		Category:    category(first(p.Category, p.Product.Category)),
		Ecosystem:   string(p.Package.Ecosystem),
		Source:      string(p.Package.Source),
		Running:     posture.Fact(p.Running),
		Enabled:     posture.Fact(p.Enabled),
		Definitions: p.Definitions.Time,
		LastScan:    p.LastScan.Time,
		Volumes:     volumes(p.Volumes),
	}
	if purl := first(p.PURL, p.Package.PURL, p.Product.PURL); purl != "" {
		fillFromPURL(&app, purl)
	}
	return app
}

func volumes(in list[volume]) []posture.Volume {
	if len(in) == 0 {
		return nil
	}
	out := make([]posture.Volume, len(in))
	for i, v := range in {
		out[i] = posture.Volume{
			Name: string(v.Name), Encrypted: posture.Fact(v.Encrypted), System: posture.Fact(v.System) == posture.Yes,
		}
	}
	return out
}
