package policy

import (
	"time"

	"muster/internal/posture"
)

// Areas that ask for one product which does all that the policy asks of its kind.

var antiphishingArea = area{judge: judgeProducts, checks: []definition{
	{
		id: "antiphishing_installed", category: posture.Antiphishing, title: "Protection against phishing is installed",
		product: anyProduct, remedy: advice{"": "Install the protection against phishing of your organisation."},
	},
	{
		id: "antiphishing_enabled", category: posture.Antiphishing, title: "Protection against phishing is switched on",
		product: asks(enabled, "%s", "switched on"),
		remedy: advice{
			"":              "Switch the protection against phishing on in the settings of the browser or program.",
			posture.Windows: "Open Windows Security, App & browser control, Reputation-based protection, and switch it on.",
		},
	},
}}

var backupArea = area{judge: judgeProducts, checks: []definition{
	{
		id: "backup_installed", category: posture.Backup, title: "A backup program is installed",
		product: anyProduct, remedy: backupAdvice,
	},
	{
		id: "backup_recent", category: posture.Backup, title: "There is a recent backup",
		params: []string{"max_age"}, needs: []string{"max_age"},
		product: aged(func(a *posture.Application) time.Time { return a.LastBackup }, "last backup by %s", "for a backup"),
		remedy:  backupAdvice,
	},
}}

var backupAdvice = advice{
	"":            "Set the backup program of your organisation up and let it make a backup.",
	posture.MacOS: "Open System Settings, General, Time Machine, choose a disk and make a backup.",
}

var patchAgentArea = area{judge: judgeProducts, checks: []definition{
	{
		id: "patch_agent_installed", category: posture.PatchManagement, title: "A patch-management agent is installed",
		product: anyProduct, remedy: advice{"": "Install the patch-management agent of your organisation."},
	},
	{
		id: "patch_agent_running", category: posture.PatchManagement, title: "The patch-management agent is running",
		product: asks(running, "%s", "running"), explains: true,
		remedy: advice{"": "Start the patch-management agent; if it does not stay on, reinstall it."},
	},
	{
		id: "patch_agent_enabled", category: posture.PatchManagement, title: "The patch-management agent is switched on",
		product: asks(enabled, "%s", "switched on"),
		remedy:  advice{"": "Switch automatic updates on in the settings of the patch-management agent."},
	},
}}

var lossPreventionArea = area{judge: judgeProducts, checks: []definition{
	{
		id: "dlp_installed", category: posture.DataLossPrevention, title: "Data-loss prevention is installed",
		product: anyProduct, remedy: advice{"": "Install the data-loss prevention of your organisation."},
	},
	{
		id: "dlp_running", category: posture.DataLossPrevention, title: "Data-loss prevention is running",
		product: asks(running, "%s", "running"), explains: true,
		remedy: advice{"": "Start the data-loss prevention program; if it does not stay on, reinstall it."},
	},
}}
