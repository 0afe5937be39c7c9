package policy

import "muster/internal/posture"

var firewallArea = area{judge: judgeProducts, checks: []definition{
	{
		id: "firewall_installed", category: posture.Firewall, title: "A firewall is installed",
		fact:    "firewall",
		product: anyProduct, remedy: firewallAdvice,
	},
	{
		id: "firewall_running", category: posture.Firewall, title: "The firewall is running",
		fact: "firewall", part: "running",
		product: asks(running, "%s", "running"), explains: true, remedy: firewallAdvice,
	},
	{
		id: "firewall_enabled", category: posture.Firewall, title: "The firewall is switched on",
		fact: "firewall", part: "enabled",
		product: asks(enabled, "%s", "switched on"), remedy: firewallAdvice,
	},
}}

var firewallAdvice = advice{
	"":              "Switch the firewall on.",
	posture.Windows: "Open Windows Security, Firewall & network protection, and switch the firewall on for every kind of network.",
	posture.MacOS:   "Open System Settings, Network, Firewall, and switch it on.",
	posture.Linux:   "Install and start a firewall, for example with `sudo ufw enable` or `sudo systemctl enable --now firewalld`.",
}
