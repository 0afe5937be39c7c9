package category

import "muster/internal/posture"

// onLinux has names of packages (dpkg, rpm, apk), snaps, and identifiers of flatpaks. Only packages with the product itself
// count: not its libraries, plug-ins and data. What comes with every desktop, or serves those who administer the machine, is
// left out: an SSH server is no remote control that somebody installed.
var onLinux = names{
	posture.RemoteControl: {
		"teamviewer", "teamviewer-host", "anydesk", "com.anydesk.anydesk", "rustdesk", "com.rustdesk.rustdesk", "x11vnc",
		"tigervnc-standalone-server", "tigervnc-scraping-server", "tigervnc-server", "tightvncserver",
		"realvnc-vnc-server", "realvnc-connect", "vnc4server", "turbovnc", "xrdp", "x2goserver", "nomachine",
		"nomachine-enterprise-client", "chrome-remote-desktop", "splashtop-streamer", "dwagent", "dwservice", "meshagent",
		"meshcentral", "logmein-hamachi", "aeroadmin", "supremo", "parsec", "com.parsecgaming.parsec", "sunshine",
		"dev.lizardbyte.app.sunshine", "connectwisecontrol", "screenconnect", "bomgar", "remoteit", "guacd", "ammyy",
	},
	posture.CloudStorage: {
		"dropbox", "nautilus-dropbox", "caja-dropbox", "com.dropbox.client", "nextcloud-desktop", "nextcloud-client",
		"com.nextcloud.desktopclient.nextcloud", "owncloud-client", "org.owncloud.owncloud", "onedrive", "onedriver",
		"megasync", "nz.mega.megasync", "pcloud", "seafile-gui", "seafile-client", "seadrive-gui", "insync", "odrive",
		"google-drive-ocamlfuse", "grive", "tresorit", "spideroakone", "rclone", "syncthing", "syncthing-gtk",
		"me.kozec.syncthingtk", "resilio-sync", "yandex-disk", "box-sync", "koofr", "filen-desktop", "proton-drive",
		"celeste", "maestral",
	},
	posture.PublicFileSharing: {
		"transmission-gtk", "transmission-qt", "transmission-cli", "transmission-daemon",
		"com.transmissionbt.transmission", "qbittorrent", "qbittorrent-nox", "org.qbittorrent.qbittorrent", "deluge",
		"deluge-gtk", "deluged", "org.deluge_torrent.deluge", "ktorrent", "org.kde.ktorrent", "rtorrent", "aria2",
		"fragments", "de.haeckerfelix.fragments", "tixati", "vuze", "biglybt", "amule", "amule-daemon", "mldonkey-server",
		"nicotine", "org.nicotine_plus.nicotine", "eiskaltdcpp-qt", "linuxdcpp", "gtk-gnutella", "frostwire", "utorrent",
		"popcorntime", "webtorrent-desktop", "io.webtorrent.webtorrent", "picotorrent", "soulseekqt",
	},
	posture.InstantMessenger: {
		"telegram-desktop", "org.telegram.desktop", "signal-desktop", "org.signal.signal", "discord",
		"com.discordapp.discord", "slack", "slack-desktop", "com.slack.slack", "pidgin", "im.pidgin.pidgin3",
		"skypeforlinux", "skype", "com.skype.client", "element-desktop", "im.riot.riot", "whatsapp-for-linux",
		"whatsdesk", "viber", "com.viber.viber", "wire-desktop", "com.wire.wiredesktop", "gajim", "org.gajim.gajim",
		"dino-im", "im.dino.dino", "psi", "psi-plus", "hexchat", "io.github.hexchat", "weechat", "weechat-curses",
		"irssi", "konversation", "empathy", "kopete", "mattermost-desktop", "com.mattermost.desktop", "rocketchat",
		"chat.rocket.rocketchat", "threema-desktop", "ch.threema.threema-web-desktop", "session-desktop", "jami",
		"net.jami.jami", "teams", "teams-for-linux", "com.github.ismaelmartinez.teams_for_linux", "zulip",
		"org.zulip.zulip", "fractal", "org.gnome.fractal", "nheko", "keybase", "caprine", "com.sindresorhus.caprine",
		"linphone", "polari", "wechat", "com.tencent.wechat", "linuxqq",
	},
	posture.RecordingWebMeeting: {
		"zoom", "zoom-client", "us.zoom.zoom", "webex", "jitsi-meet", "org.jitsi.jitsi-meet", "jitsi", "bluejeans",
		"obs-studio", "com.obsproject.studio", "simplescreenrecorder", "recordmydesktop", "kazam", "vokoscreen",
		"vokoscreen-ng", "peek", "gtk-recordmydesktop", "green-recorder", "kooha", "io.github.seadve.kooha", "byzanz",
	},
	posture.MediaPlayer: {
		"vlc", "vlc-bin", "org.videolan.vlc", "mpv", "io.mpv.mpv", "smplayer", "info.smplayer.smplayer", "mplayer",
		"mplayer-gui", "totem", "org.gnome.totem", "celluloid", "io.github.celluloid_player.celluloid", "kaffeine",
		"dragonplayer", "rhythmbox", "org.gnome.rhythmbox3", "clementine", "strawberry", "amarok", "audacious", "banshee",
		"deadbeef", "parole", "xine-ui", "spotify", "spotify-client", "com.spotify.client", "kodi", "tv.kodi.kodi",
		"plexmediaplayer", "tv.plex.plexdesktop", "elisa", "org.kde.elisa", "haruna", "org.kde.haruna", "quodlibet",
		"lollypop", "cmus", "moc", "sayonara", "exaile", "freetube", "io.freetubeapp.freetube", "stremio",
		"com.stremio.stremio",
	},
	posture.VPNClient: {
		"openvpn", "openvpn3", "openvpn3-client", "wireguard-tools", "openconnect", "vpnc", "network-manager-openvpn",
		"strongswan", "libreswan", "nordvpn", "expressvpn", "protonvpn", "proton-vpn-gnome-desktop", "proton-vpn-gtk-app",
		"com.protonvpn.www", "mullvad-vpn", "net.mullvad.mullvadvpn", "surfshark", "com.surfshark.surfshark",
		"private-internet-access", "piavpn", "tailscale", "zerotier-one", "cloudflare-warp", "globalprotect",
		"forticlient", "forticlient-vpn", "openfortivpn", "cisco-anyconnect", "cisco-secure-client", "anyconnect",
		"pulsesecure", "ivanti-secure-access-client", "snx", "windscribe", "windscribe-cli", "softether-vpnclient",
		"hotspotshield", "tunnelbear", "cyberghostvpn", "ivpn", "netbird", "twingate", "openvpn-as-client", "tor",
		"torbrowser-launcher",
	},
	posture.Browser: {
		"firefox", "firefox-esr", "firefox-bin", "org.mozilla.firefox", "chromium", "chromium-browser",
		"org.chromium.chromium", "google-chrome-stable", "google-chrome-beta", "google-chrome-unstable",
		"com.google.chrome", "microsoft-edge-stable", "microsoft-edge-beta", "microsoft-edge-dev", "com.microsoft.edge",
		"brave-browser", "brave", "com.brave.browser", "opera", "opera-stable", "com.opera.opera", "vivaldi",
		"vivaldi-stable", "com.vivaldi.vivaldi", "epiphany-browser", "epiphany", "org.gnome.epiphany", "falkon",
		"org.kde.falkon", "konqueror", "midori", "qutebrowser", "org.qutebrowser.qutebrowser", "librewolf",
		"io.gitlab.librewolf-community", "waterfox", "net.waterfox.waterfox", "palemoon", "tor-browser",
		"org.torproject.torbrowser-launcher", "lynx", "w3m", "links", "links2", "elinks", "dillo", "netsurf-gtk",
		"seamonkey", "yandex-browser-stable", "zen-browser", "app.zen_browser.zen", "ungoogled-chromium",
	},
	posture.Backup: {
		"deja-dup", "org.gnome.dejadup", "duplicity", "duplicati", "borgbackup", "borgmatic", "vorta",
		"com.borgbase.vorta", "restic", "bacula-fd", "bacula-client", "bareos-filedaemon", "bareos-fd", "amanda-client",
		"backuppc", "timeshift", "backintime-qt", "backintime-common", "rsnapshot", "burp", "urbackup-client",
		"proxmox-backup-client", "veeam", "veeam-agent", "veeamsnap", "snapper", "kopia", "kopia-ui", "io.kopia.kopiaui",
		"crashplan", "code42", "tivsm-ba", "acronis", "acronis-backup", "nakivo", "rdiff-backup", "luckybackup",
		"pika-backup", "org.gnome.world.pikabackup", "storix", "commvault",
	},
	posture.CleanerOptimizer: {
		"bleachbit", "org.bleachbit.bleachbit", "stacer", "sweeper", "org.kde.sweeper", "ubuntu-cleaner", "fslint",
		"czkawka-gui", "com.github.qarmin.czkawka", "preload", "gconf-cleaner",
	},
	posture.DeveloperTool: {
		"gcc", "g++", "clang", "build-essential", "gdb", "lldb", "cmake", "code", "code-insiders", "codium",
		"com.visualstudio.code", "com.vscodium.codium", "sublime-text", "com.sublimetext.three", "eclipse",
		"org.eclipse.java", "android-studio", "com.google.androidstudio", "intellij-idea-community",
		"intellij-idea-ultimate", "com.jetbrains.intellij-idea-community", "pycharm-community", "pycharm-professional",
		"com.jetbrains.pycharm-community", "goland", "clion", "webstorm", "phpstorm", "rider", "netbeans",
		"apache-netbeans", "geany", "kdevelop", "qtcreator", "codeblocks", "monodevelop", "anjuta", "gnome-builder",
		"org.gnome.builder", "ghidra", "radare2", "cutter", "wireshark", "org.wireshark.wireshark", "nmap", "zenmap",
		"postman", "com.getpostman.postman", "insomnia", "rest.insomnia.insomnia", "golang-go", "rustc", "arduino",
		"cc.arduino.arduinoide", "atom", "zed", "cursor",
	},
	posture.VirtualMachine: {
		"virtualbox", "virtualbox-qt", "qemu-system-x86", "qemu-system-arm", "qemu-kvm", "qemu", "virt-manager",
		"org.virt_manager.virt-manager", "gnome-boxes", "org.gnome.boxes", "libvirt-daemon", "vmware-workstation",
		"vmware-player", "multipass", "aqemu", "quickemu", "lxd", "incus", "xen-hypervisor", "bochs", "dosbox", "wine",
		"org.winehq.wine", "anbox", "waydroid", "docker-ce", "docker.io", "podman",
	},
	posture.PatchManagement: {
		"unattended-upgrades", "dnf-automatic", "yum-cron", "landscape-client", "salt-minion", "puppet-agent", "puppet",
		"chef", "cfengine-community", "cfengine-nova", "rudder-agent", "bes-agent", "besagent", "spacewalk-client-tools",
		"katello-agent", "manageengine-uems-agent", "automox", "amagent", "insights-client",
	},
	posture.DataLossPrevention: {
		"endpoint-protector", "epp-client", "forcepoint-dlp-endpoint", "safetica", "mcafee-dlp", "symantec-dlp-agent",
	},
}
