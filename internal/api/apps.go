package api

import (
	"strconv"

	"muster/internal/device"
	"muster/internal/page"
	"muster/internal/posture"
)

var appLimits = limits{otherwise: 50, most: 50, refusal: 400}

// app is one version of one product in Applications. The reference writes its id as text here, as a number in the details.
type app struct {
	CategoryID   string `json:"category_id"`
	CategoryName string `json:"category_name"`
	Severity     string `json:"severity"`
	ProductID    string `json:"product_id"`
	Name         string `json:"name"`
	Vendor       string `json:"vendor"`
	Version      string `json:"version"`
	Devices      int64  `json:"number_of_devices"`
	CVEs         int64  `json:"number_of_cves"`
}

// appOrders are the fields that applications are sorted by: those of the answer.
var appOrders = []spelling[device.SoftwareOrder]{
	{word: "name", means: device.SoftwareByName},
	{word: "vendor", means: device.SoftwareByVendor},
	{word: "version", means: device.SoftwareByVersion},
	{word: "severity", means: device.SoftwareByLevel},
	{word: "category_id", means: device.SoftwareByCategory},
	{word: "category_name", means: device.SoftwareByCategory},
	{word: "product_id", means: device.SoftwareByProduct},
	{word: "number_of_devices", means: device.SoftwareByDevices},
	{word: "number_of_cves", means: device.SoftwareByCVEs},
}

// apps lists what is installed on the account's devices.
func (d *door) apps(c *call) error {
	p := &c.params
	number, limit := appLimits.paged(p)
	var q device.SoftwareQuery
	q.Search = p.search()
	filter, sort := p.object("filter"), p.object("sort")
	q.Levels = words(filter, "severity", vulnerabilityLevels[posture.ScoreOpswat])
	q.Categories = words(filter, "category", appCategories)
	q.Sort = choice(sort, "field", inBody, appOrders, device.SoftwareByName)
	q.Descending = choice(sort, "order", inBody, directions, true)
	if p.err != nil {
		return p.err
	}
	chosen, out := q, []app{}
	err := d.readPage(c, chosen, number, limit, func(w page.Window) (int, string, error) {
		q.Window = w
		list, next, err := d.Devices.Software(c.r.Context(), c.account.ID, q)
		out = make([]app, len(list))
		for i := range list {
			out[i] = renderApp(&list[i])
		}
		return len(list), next, err
	})
	if err != nil {
		return err
	}
	c.answer(out)
	return nil
}

func renderApp(s *device.Software) app {
	id, name := appCategory(s)
	return app{
		CategoryID: id, CategoryName: name, Severity: levelWord(posture.ScoreOpswat, s.Levels),
		ProductID: strconv.FormatInt(s.ProductID, 10), Name: s.Name, Vendor: s.Vendor, Version: s.Version,
		Devices: s.Devices, CVEs: s.CVEs,
	}
}

// appDetail is Application Details.
type appDetail struct {
	ProductID int64  `json:"product_id"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	Vendor    string `json:"vendor"`
	Devices   int64  `json:"total_devices"`
	CVEs      int64  `json:"total_cves"`
	Critical  int    `json:"total_critical"`
	Important int    `json:"total_important"`
	Moderate  int    `json:"total_moderate"`
	Low       int    `json:"total_low"`
	Unknown   int    `json:"total_unknown"`
	List      *[]cve `json:"cves,omitempty"`
}

// maxAppCVEs is how many vulnerabilities the details list.
const maxAppCVEs = 100

// appDetails shows one version of one product.
func (d *door) appDetails(c *call) error {
	p := &c.params
	required(p, "product_id", inBody)
	product := p.number("product_id", inBody, 0, 0, 1<<48)
	release := p.mustText("version", inBody, maxName)
	verbose := p.object("verbose").flag("cves", inBody, false)
	if p.err != nil {
		return p.err
	}
	found, err := d.Devices.SoftwareDetail(c.r.Context(), c.account.ID, product, release)
	if err != nil {
		return err
	}
	c.answer(renderAppDetail(&found, verbose))
	return nil
}

func renderAppDetail(s *device.SoftwareDetail, verbose bool) appDetail {
	out := appDetail{
		ProductID: s.ProductID, Name: s.Name, Version: s.Version, Vendor: s.Vendor, Devices: s.Devices,
		CVEs: int64(len(s.Vulnerabilities)),
	}
	list := []cve{}
	for i := range s.Vulnerabilities {
		v := &s.Vulnerabilities[i]
		*out.counter(v.Levels[posture.ScoreOpswat])++
		if len(list) < maxAppCVEs {
			list = append(list, renderAppCVE(v))
		}
	}
	if verbose {
		out.List = &list
	}
	return out
}

// counter gives the place where vulnerabilities of a level are counted.
func (a *appDetail) counter(l posture.Level) *int {
	switch l {
	case posture.LevelCritical:
		return &a.Critical
	case posture.LevelHigh:
		return &a.Important
	case posture.LevelMedium:
		return &a.Moderate
	case posture.LevelLow:
		return &a.Low
	default:
		return &a.Unknown
	}
}

// appCategories are the ids of the device_info list, with two for what it has none for.
var appCategories = []spelling[posture.Category]{
	{word: "anti-malware", means: posture.Antimalware},
	{word: "firewall", means: posture.Firewall},
	{word: "encryption", means: posture.Encryption},
	{word: "patch_management", means: posture.PatchManagement},
	{word: "anti-phishing", means: posture.Antiphishing},
	{word: "backup", means: posture.Backup},
	{word: "hard_drive", means: posture.HardDrive},
	{word: "instant_messenger", means: posture.InstantMessenger},
	{word: "cleaner_optimizer", means: posture.CleanerOptimizer},
	{word: "developer_tool", means: posture.DeveloperTool},
	{word: "cloud_storage", means: posture.CloudStorage},
	{word: "public_file_sharing", means: posture.PublicFileSharing},
	{word: "remote_control", means: posture.RemoteControl},
	{word: "recording_web_meeting", means: posture.RecordingWebMeeting},
	{word: "uninstaller", means: posture.Uninstaller},
	{word: "toolbars", means: posture.Toolbars},
	{word: "media_player", means: posture.MediaPlayer},
	{word: "vpn_client", means: posture.VPNClient},
	{word: "unclassified_pua", means: posture.UnclassifiedUnwanted},
	{word: "system_security", means: posture.SystemSecurity},
	{word: "browser", means: posture.Browser},
	{word: "virtual_machine", means: posture.VirtualMachine},
	{word: "data_loss_prevention", means: posture.DataLossPrevention},
	{word: "other", means: ""},
}

// appCategory gives the id and the name of a product's category.
func appCategory(s *device.Software) (id, name string) {
	if id = wordFor(appCategories, s.Category); id == "" {
		return wordFor(appCategories, ""), otherLabel
	}
	return id, categoryLabel(s.Category)
}
