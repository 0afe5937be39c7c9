#!/usr/bin/env python3
"""What is truly vulnerable on AlmaLinux: brute force over the advisories, with rpm's own comparison.

    oracle_rpm.py ADVISORIES.tar.xz < packages > findings

Each line read is a JSON object: {"n": 7, "release": "8", "name": "nodejs", "evr": "1:16.1-2.el8", "module": "nodejs:16", "arch": "x86_64"};
"module" is empty for a package of no module. Each line written is a finding: {"n": 7, "id": "ALSA-…", "cves": [...], "fixed": "…"}.

It shares no code with Muster, and knows no index, no sorting and no short cut: every advisory that names a package is compared
with it. What it holds to be true, and why:

1.  An advisory names packages as they are installed (gupnp, gupnp-devel), not their sources; names are compared as they are.
2.  The release is that of the machine. A fix for AlmaLinux 9 says nothing of a package on AlmaLinux 8, whatever their versions are:
    the two are built from different sources with different back-ports. An advisory for several releases lists each.
3.  A package is vulnerable while it is older than the fix by rpm's order, in which the epoch comes first and counts as 0 where there
    is none: but see 8. Nothing is looked up upstream: a fix that was back-ported to an older upstream version is a fix.
4.  Of a package that an advisory lists several times for one release, the lowest version counts. Advisories list what was
    built for them, for several architectures and module builds, and sometimes what was rebuilt later (…el8_5.12 and …el8_5.13, …el8_4.alma and
    ….alma.plus): every one of these builds is an update that brings the fix, so whoever has the lowest has it.
5.  Architectures play no part: the feed names none, and all architectures of a build are made from one source. A source package (src, nosrc)
    lies on the machine as an archive; what does not run is not vulnerable.
6.  A module stream is a line of its own. An advisory for nodejs:16 concerns packages of nodejs:16 and neither nodejs:18 nor a
    package of no module, and an advisory for ordinary packages concerns no package of a module. The title says the stream. Where it names a
    module without its stream, it was looked up: see OPEN.
7.  ALBA and ALEA are bug fixes and enhancements. Without a CVE they are no vulnerability: an old package that lacks a
    feature is not a hole. The few that do name a CVE mend it, and count. ALSA counts always, also where the feed forgot the CVEs.
8.  A package whose epoch is not told, or 0, while every advisory for it in this release has one and the same other epoch, has that epoch:
    an epoch never falls, so there is no such package with 0, and agents leave the epoch out as rpm does when it prints names for people.
    Else every openssl of AlmaLinux would be older than every fix, for good.
"""
import json
import sys
import tarfile

import rpm

# Security advisories whose title leaves the stream open. Which it is follows from the versions they bring.
OPEN = {
    "ALSA-2024:4235": "389-ds:1.4",            # 389-ds-base 1.4.3; AlmaLinux 8 has no other stream
    "ALSA-2024:4237": "go-toolset:rhel8",      # the only stream
    "ALSA-2024:4499": "ruby:2.5",              # ruby 2.5.9
    "ALSA-2024:4246": "container-tools:rhel8",  # podman 4.9.4; the numbered streams end at 4.0
    "ALSA-2024:4367": "pki-core:10.6",         # the only stream
    "ALSA-2023:5989": "varnish:6",             # varnish 6.0.8
    "ALSA-2024:1690": "varnish:6",             # varnish 6.0.13
}


def evr(text):
    epoch, rest = text.split(":", 1) if ":" in text else ("0", text)
    version, release = rest.rsplit("-", 1)
    return epoch, version, release


def of_module(version_and_release):
    return ".module_el" in version_and_release or ".module+el" in version_and_release


def streams(advisory):
    """The streams in a title: every word with a colon inside it. httpd:2.4/mod_http2 says which package of the stream the update
    is about; all that the advisory lists was built with it, and the feed gives no leave to take some for safe."""
    if advisory["id"] in OPEN:
        return {OPEN[advisory["id"]]}
    words = advisory["summary"].replace(",", " ").split()
    return {w.split("/")[0] for w in words if ":" in w.strip(":")}


def vulnerability(advisory):
    cves = sorted({r for r in advisory.get("related", []) if r.startswith("CVE-")})
    return cves, advisory["id"].startswith("ALSA-") or bool(cves)


def read(path):
    """Advisories by release and package: (id, cves, streams or None, fix)."""
    known, seen = {}, set()
    with tarfile.open(path) as tar:
        for member in tar:
            if not member.name.endswith(".json"):
                continue
            advisory = json.load(tar.extractfile(member))
            if advisory["id"] in seen:  # the same file lies in the folder of each release
                continue
            seen.add(advisory["id"])
            cves, counts = vulnerability(advisory)
            if "withdrawn" in advisory or not counts:
                continue
            lowest = {}
            for affected in advisory["affected"]:
                ecosystem, name = affected["package"]["ecosystem"], affected["package"]["name"]
                for affected_range in affected["ranges"]:
                    start, end = affected_range["events"]
                    assert start == {"introduced": "0"} and list(end) == ["fixed"], advisory["id"]
                    key = ecosystem.removeprefix("AlmaLinux:"), name, of_module(end["fixed"])
                    if key not in lowest or rpm.labelCompare(evr(end["fixed"]), evr(lowest[key])) < 0:
                        lowest[key] = end["fixed"]
            for (release, name, modular), fix in lowest.items():
                assert not modular or streams(advisory), f"{advisory['id']} names no stream: look it up for OPEN"
                entry = advisory["id"], cves, streams(advisory) if modular else None, fix, evr(fix)
                known.setdefault((release, name), []).append(entry)
    return known


def main():
    known = read(sys.argv[1])
    compare = rpm.labelCompare
    for line in sys.stdin:
        package = json.loads(line)
        if package["arch"] in ("src", "nosrc"):
            continue
        version, module = evr(package["evr"]), package["module"]
        advisories = known.get((package["release"], package["name"]), ())
        epochs = {fixed[0] for *_, fixed in advisories}
        if version[0] == "0" and len(epochs) == 1:
            version = (*epochs, *version[1:])
        for advisory, cves, concerned, fix, fixed in advisories:
            if (concerned is None) != (module == "") or concerned is not None and module not in concerned:
                continue
            if compare(version, fixed) < 0:
                print(json.dumps({"n": package["n"], "id": advisory, "cves": cves, "fixed": fix}))


main()
