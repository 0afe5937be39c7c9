#!/usr/bin/env python3
"""What is truly vulnerable among Go modules: brute force over the entries, with an order of versions of its own.

    oracle_go.py GO-OSV.tar.xz < modules > findings

Each line read is {"n": 7, "module": "golang.org/x/net", "version": "v0.30.0", "os": "linux"}; each line written {"n": 7, "id": "GO-…"}.

It shares no code with Muster. What it holds to be true follows what govulncheck says of a module (its level 'module'; what a program
calls is not known here):

1.  A module is vulnerable in the versions that an entry's SEMVER ranges cover; the introduced version is in, the fixed one out. The standard
    library and the go command are the modules 'stdlib' and 'toolchain', whose versions are those of Go.
2.  Versions are ordered as SemVer 2 says: numbers as numbers, pre-releases before the release, part by part; what follows a + counts
    nothing (+incompatible). Pseudo-versions are pre-releases.
3.  The path is compared as it is: example.com/a and example.com/a/v2 are two modules.
4.  A withdrawn entry says nothing.
5.  Where every vulnerable package of a module is built for certain operating systems alone, a machine with another one is not
    vulnerable. If one of them is built everywhere, or no package is named, every machine is.
6.  An entry that names the module several times makes it vulnerable where one of them does.
7.  custom_ranges are releases of products whose modules are not tagged that way; govulncheck reads the SEMVER ranges alone, which
    then cover all versions.
"""
import functools
import json
import re
import sys
import tarfile

SEMVER = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$")


@functools.cache
def key(text):
    if text == "0":
        return (-1,)
    m = SEMVER.match(text)
    assert m, text
    numbers = tuple(int(g) for g in m.group(1, 2, 3))
    if not m.group(4):
        return numbers + ((1,),)
    parts = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in m.group(4).split(".")]
    return numbers + ((0, tuple(parts)),)


def covers(ranges, version):
    v = key(version)
    for r in ranges:
        if r["type"] != "SEMVER":
            continue
        state = False
        for event in sorted(r["events"], key=lambda e: key(next(iter(e.values())))):
            kind, at = next(iter(event.items()))
            if v >= key(at):
                state = kind == "introduced"
        if state:
            return True
    return False


def main():
    entries = []
    with tarfile.open(sys.argv[1]) as tar:
        for member in tar:
            if member.name.endswith(".json"):
                entries.append(json.load(tar.extractfile(member)))
    by_module = {}
    for entry in entries:
        if "withdrawn" in entry:
            continue
        for affected in entry["affected"]:
            by_module.setdefault(affected["package"]["name"], []).append((entry["id"], affected))
    for line in sys.stdin:
        module = json.loads(line)
        found = set()
        for name, affected in by_module.get(module["module"], ()):
            packages = affected.get("ecosystem_specific", {}).get("imports", [])
            if packages and all(p.get("goos") and module["os"] not in p["goos"] for p in packages):
                continue
            if covers(affected["ranges"], module["version"]):
                found.add(name)
        for name in sorted(found):
            print(json.dumps({"n": module["n"], "id": name}))


main()
