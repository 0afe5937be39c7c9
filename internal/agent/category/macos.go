package category

import "muster/internal/posture"

// onMacOS has the names of bundles, without .app, and identifiers of those whose name says too little.
var onMacOS = names{
	posture.RemoteControl: {
		"teamviewer", "teamviewerhost", "teamviewer host", "anydesk", "rustdesk", "vnc server", "realvnc connect",
		"vnc connect", "splashtop streamer", "logmein client", "logmein", "gotoassist", "screenconnect client*",
		"connectwisecontrol-*", "chromeremotedesktophost", "chrome remote desktop host uninstaller", "supremo",
		"zoho assist", "zohoassist", "parsec", "nomachine", "dwagent", "meshagent", "remotepc", "remotepchost", "bomgar",
		"beyondtrust support client", "jump desktop connect", "sunshine",
	},
	posture.CloudStorage: {
		"dropbox", "onedrive", "google drive", "backup and sync", "box", "box drive", "box sync", "megasync", "mega",
		"nextcloud", "owncloud", "pcloud drive", "sync", "spideroakone", "tresorit", "resilio sync", "seafile client",
		"seafile", "syncthing", "creative cloud", "yandex.disk", "egnyte connect", "egnyte", "proton drive", "icedrive",
		"idrive", "filen", "maestral", "citrix files",
	},
	posture.PublicFileSharing: {
		"transmission", "utorrent", "utorrent web", "bittorrent", "bittorrent web", "qbittorrent", "deluge", "vuze",
		"biglybt", "folx", "frostwire", "soulseekqt", "nicotine+", "webtorrent", "popcorn-time", "popcorn time", "amule",
		"shareaza", "tixati", "free download manager",
	},
	posture.InstantMessenger: {
		"telegram", "telegram lite", "telegram desktop", "signal", "discord", "slack", "skype", "skype for business",
		"microsoft teams", "microsoft teams classic", "whatsapp", "viber", "element", "wire", "adium", "line", "wechat",
		"qq", "mattermost", "rocket.chat", "threema", "zulip", "jami", "messenger", "cisco jabber", "kakaotalk", "zalo",
		"session", "keybase", "franz", "ferdium", "beeper", "beeper desktop", "textual", "psi",
	},
	posture.RecordingWebMeeting: {
		"zoom.us", "zoom", "us.zoom.xos", "webex", "cisco webex meetings", "webex meetings", "gotomeeting", "goto",
		"bluejeans", "jitsi meet", "ringcentral", "ringcentral meetings", "obs", "camtasia", "snagit", "loom",
		"screenflow", "cleanshot x", "streamlabs desktop", "ecamm live", "dialpad", "kap",
	},
	posture.MediaPlayer: {
		"vlc", "iina", "mpv", "elmedia player", "elmedia video player", "movist pro", "movist", "infuse", "5kplayer",
		"realplayer", "realplayer downloader", "mplayerx", "smplayer", "spotify", "kodi", "plex", "plex media player",
		"jellyfin media player", "swinsian", "vox", "deezer", "tidal", "stremio", "cog", "divx player",
	},
	posture.VPNClient: {
		"openvpn connect", "tunnelblick", "viscosity", "wireguard", "nordvpn", "nordlayer", "expressvpn", "protonvpn",
		"proton vpn", "mullvad vpn", "surfshark", "private internet access", "cyberghost vpn", "tunnelbear", "windscribe",
		"hotspot shield", "ipvanish vpn", "ipvanish", "tailscale", "zerotier", "zerotier one", "cloudflare warp",
		"globalprotect", "forticlient", "forticlientvpn", "cisco anyconnect secure mobility client",
		"cisco secure client", "pulse secure", "ivanti secure access", "endpoint security vpn",
		"sonicwall mobile connect", "shimo", "ivpn", "netbird", "twingate", "big-ip edge client", "sophos connect",
		"psiphon", "logmein hamachi",
	},
	posture.Browser: {
		"google chrome", "google chrome beta", "google chrome dev", "google chrome canary", "microsoft edge",
		"microsoft edge beta", "microsoft edge dev", "firefox", "firefox developer edition", "firefox nightly",
		"brave browser", "opera", "opera gx", "vivaldi", "tor browser", "safari", "safari technology preview", "chromium",
		"waterfox", "librewolf", "orion", "arc", "dia", "duckduckgo", "yandex", "maxthon", "seamonkey", "omniweb", "icab",
		"zen", "zen browser", "floorp", "palemoon", "pale moon",
	},
	posture.CleanerOptimizer: {
		"cleanmymac", "cleanmymac x", "cleanmymac-mas", "ccleaner", "mackeeper", "maccleaner pro", "drcleaner",
		"dr. cleaner", "cleaner one pro", "cleaner one", "onyx", "cocktail", "macbooster", "daisydisk", "disk drill",
		"avast cleanup premium", "avast cleanup", "avg tuneup", "advanced mac cleaner", "mac cleaner",
		"washing machine x9", "ccleaner pro", "bleachbit", "memory clean", "buhocleaner",
	},
	posture.Uninstaller: {
		"appcleaner", "app cleaner & uninstaller", "appzapper", "appdelete", "uninstallpkg", "pearcleaner", "trashme",
		"osx uninstaller",
	},
	posture.DeveloperTool: {
		"xcode", "xcode-beta", "visual studio code", "visual studio code insiders", "visual studio", "vscodium",
		"android studio", "intellij idea", "intellij idea ce", "pycharm", "pycharm ce", "goland", "webstorm", "clion",
		"phpstorm", "rider", "jetbrains toolbox", "eclipse", "netbeans", "apache netbeans", "sublime text", "bbedit",
		"nova", "github desktop", "sourcetree", "fork", "tower", "docker", "docker desktop", "postman", "insomnia",
		"wireshark", "charles", "proxyman", "ghidra", "hopper disassembler", "arduino ide", "arduino", "cmake", "iterm",
		"cursor", "zed", "unity hub", "burp suite community edition", "burp suite professional",
	},
	posture.VirtualMachine: {
		"virtualbox", "vmware fusion", "parallels desktop", "utm", "bluestacks", "bluestacks air", "genymotion",
		"noxappplayer", "multipass", "crossover", "orbstack", "rancher desktop", "podman desktop", "virtualbuddy",
		"viable", "qemu",
	},
	posture.Backup: {
		"carbon copy cloner", "superduper!", "backblaze", "carbonite", "crashplan", "code42", "arq", "arq 7",
		"acronis true image", "acronis cyber protect home office", "acronis cyber protect agent", "chronosync",
		"chronoagent", "get backup pro", "duplicati", "vorta", "kopiaui", "druva insync", "insync", "veeam agent for mac",
		"idrive backup", "mac backup guru", "urbackup client",
	},
	posture.PatchManagement: {
		"munki", "managed software center", "managed software centre", "self service", "jamf", "automox", "bigfix agent",
		"besagent", "kandji self service", "kandji", "addigy", "mosyle manager", "nudge", "patch my pc", "ninjarmmagent",
		"ninjarmm", "manageengine uems agent", "tanium client", "workspace one intelligent hub", "intelligent hub",
	},
	posture.DataLossPrevention: {
		"endpoint protector", "endpoint protector client", "epp client", "forcepoint dlp endpoint", "forcepoint endpoint",
		"digital guardian", "symantec dlp", "safetica", "code42-aat", "teramind",
	},
	posture.UnclassifiedUnwanted: {
		"advanced mac tuneup", "mac auto fixer", "maccleanup pro", "search marquis", "spigot", "genieo", "installmac",
		"omnikey", "smart mac booster", "searchpulse", "onelaunch", "weknow", "mughthesec",
	},
}
