#!/usr/bin/env python3
"""Writes order/*.tsv: pairs of versions and what the ecosystem's own tool says of them.

Each line is `a <TAB> sign <TAB> b`, the sign being <, = or >. The tool is asked in both directions, and the script stops
where its two answers do not agree. The versions are put together from pieces by a generator with a fixed seed, beside a list
of corners written by hand. README.md says which tools, at which versions.

    ./generate.py [NAME...]     all of them, or those named: debian rpm pypi npm maven rubygems packagist
"""
import pathlib
import random
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PAIRS = 420  # of each ecosystem

CORNERS = {
    "debian": """
        1.0 1.0-0 1.0-1 1.0-1+b1 1.0-1+b2 1.0-1+b10 1.0-1.1 1.0-1~bpo12+1 1.0-1~deb12u1 1.0-1+deb12u1 1.0-1+deb12u10 1.0-1+deb11u9
        0:1.0-1 1:0.1 2:0 1.0~ 1.0~~ 1.0~rc1 1.0~rc1-1 1.0~rc10-1 1.0+git20240101 1.0+git20240101.abcdef 1.0+really0.9 1.0+dfsg-1
        1.0+dfsg1-1 1.0+ds-1 1.0a 1.0a-1 1.0.a 1.00 1.000000000000000000000000000001 1.99999999999999999999999999 1.0-1ubuntu1
        1.0-1ubuntu1.1 1.0-1ubuntu1.10 1.0-1ubuntu1~22.04.1 1.0-1ubuntu1+esm1 1.0-1ubuntu0.22.04.1 1.0-1build1 1.0-1-1 1.0-1-2
        1.0.0 1.0.0-0 1.0.0-00 10 9 09 1.0-a 1.0-1+rpi1 1.0-1.~ 1.0+ 1.0. 1.0-1+deb12u2~bpo11+1 5.6.1+really5.4.5-1 5.4.5-0.3 """,
    "rpm": """
        1.0-1.el8 1.0-1.el8_3 1.0-1.el8_10 1.0-1.el8_3.1 1.0-1.el8_3.2 1.0-1.el8_3.10 1.0-1.el8.alma 1.0-1.el8.alma.1 1.0-1.el8_4.alma.plus
        1.0-1.el9 1.0-1.el10 1.0-1.el10_2.alma.1 0:1.0-1.el8 1:0.5-1 2:0-0 1.0~rc1-1 1.0~rc2-1 1.0~~-1 1.0^git1-1 1.0^git2-1 1.0^-1
        1.0^20240101-1 1.0^20240101~rc-1 1.0.1-1 1.0~-1 1.0a-1 1.0b-1 1.0.a-1 1.0-1.module_el8.5.0+2613+1b78b731 1.0-1.module_el8.10.0+3837+1a0d4a66
        1.0-1.module_el8.6.0+2877+8e437bf5 1.0-1.module_el8.6.0+3137+d33c3efb 1.0-1.module_el8.6.0+2877+d33c3efb 1.0-1.module+el8.6.0+15294+1ff5a1a7
        1.0.el8-1 1.0_1-1 1.0+git-1 1.0+git20240101-1 1.00-1 1.0-01 1.99999999999999999999999-1 1.999999999999999999999999-1 9-1 10-1 010-1
        4.18.0-553.el8_10 4.18.0-553.16.1.el8_10 4.18.0-477.27.1.el8_8 32:9.11.36-16.el8_10.2 1.0-1.fc40 1.0-1.2 1.0-1a 1.0-1A 1.0-1_ 1.0-1._ """,
    "pypi": """
        1.0 1.0.0 1 1.0.dev1 1.0.dev0 1.0a1 1.0a1.dev1 1.0alpha1 1.0-alpha-1 1.0b1 1.0beta2 1.0rc1 1.0c1 1.0pre1 1.0.post1 1.0-1 1.0.post1.dev3
        1.0rev4 1.0+local 1.0+local.1 1.0+local.2 1.0+1 1.0+10 1.0+abc.10 1!0.1 1!1.0.dev1 v1.0 1.0.1 1.01 1.10 1.9 2024.1 1.0a 1.0.a 1.0_post_2
        1.0a1.post2 1.0RC1 1.0.0.0.1 99999999999999999999.1 1.0+ABC 1.0.post0 1.0.dev """,
    "npm": """
        1.0.0 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0-0 1.0.0-1 1.0.0-10 1.0.0-9a
        1.0.0+build 1.0.0+other 1.0.0-rc.1+build 1.0.1 1.1.0 1.10.0 1.9.0 2.0.0 10.0.0 v1.0.0 1.0.0--1 1.0.0-a-b 1.0.0-A 1.0.0-a 9007199254740991.0.0
        0.0.0 0.0.0-0 1.0.0-20240101.1 1.0.0-x.7.z.92 """,
    "maven": """
        1 1.0 1.0.0 1.0-alpha 1.0-alpha-1 1.0-alpha1 1.0-a1 1.0-beta 1.0-b2 1.0-milestone-1 1.0-m2 1.0-rc1 1.0-cr2 1.0-SNAPSHOT 1.0-ga 1.0-final
        1.0-release 1.0.Final 1.0-sp 1.0-sp1 1.0-1 1.0-jre 1.0-android 32.0.0-jre 32.0.0-android 1.0.RELEASE 1.0.1 1.0.10 1.0.9 1.0-xyz 1.0x 1.0.x
        2.0-beta9 2.14.1 99999999999999999999 1-0 1.0.0-0 1..0 1.0-RC1 1.0-Alpha 4.1.94.Final 4.1.100.Final 1.0-20240101.010203-1 """,
    "rubygems": """
        1 1.0 1.0.0 1.0.a 1.0.a.1 1.0.a.2 1.0.b 1.0.pre 1.0.pre.1 1.0.rc1 1.0.rc2 1.0.rc10 1.0.1 1.0.10 1.0.9 2.0.0 1.0-1 1.0.0.beta1 1.0.0.beta.2
        1.0.0.alpha 0.9 10.0 1.13.0 1.13.0.rc1 99999999999999999999.0 1.0.0.1 1.a 1.a.0 """,
    "packagist": """
        1.0 1.0.0 1.0.0.0 v1.0.0 1.0.0-dev 1.0.0-alpha 1.0.0-alpha1 1.0.0-alpha2 1.0.0-a1 1.0.0-beta1 1.0.0-b2 1.0.0-beta.3 1.0.0-RC1 1.0.0-rc2
        1.0.0-patch1 1.0.0-p2 1.0.0-pl3 1.0.1 1.0.10 1.0.9 1.1 1.10 2.0.0 10.0.0 1.0.0RC3 1.0.0-RC.4 1.0.0-stable """,
}

# What the generator puts together: a head, a few parts, a tail; an empty part may be drawn too.
PIECES = {
    "debian": (["", "", "", "0:", "1:", "2:"], ["", ".", ".", "+", "~", "-", "+deb12u", "~deb11u", "ubuntu", "+git", "a", "rc", "~bpo12+", "+b"],
               ["0", "1", "2", "9", "10", "007", "20240101"]),
    "rpm": (["", "", "", "0:", "1:", "3:"], ["", ".", ".", "_", "~", "^", "+", "a", ".el8_", ".el9.", "rc", "git", ".module_el8.5.0+"],
            ["0", "1", "2", "9", "10", "007", "20240101"]),
    "pypi": (["", "", "1!"], ["", ".", "."], ["0", "1", "2", "9", "10", "2024"]),
    "npm": ([""], ["."], ["0", "1", "2", "9", "10"]),
    "maven": ([""], [".", ".", "-"], ["0", "1", "2", "9", "10", "2024"]),
    "rubygems": ([""], ["", ".", "."], ["0", "1", "2", "9", "10", "a", "b", "rc1", "pre"]),
    "packagist": (["", "v"], ["."], ["0", "1", "2", "9", "10"]),
}
TAILS = {
    "rpm": ["-1", "-2", "-1.el8", "-1.el8_3", "-1.el9_4.1", "-0.1.rc1"],
    "pypi": ["", "", "a1", "b2", "rc1", ".dev1", ".post1", "rc1.dev2", "+local.1"],
    "maven": ["", "", "-alpha", "-alpha-1", "-beta1", "-rc2", "-RC10", ".Final", ".RELEASE", "-jre", "-SNAPSHOT", "-sp1", ".sp2"],
    "npm": ["", "", "-alpha", "-beta.2", "-beta.10", "-rc.1", "-0", "-1a"],
    "packagist": ["", "", "-alpha1", "-beta2", "-RC1", "-patch1", "-dev"],
}
THREE = ("npm", "packagist")  # versions with just three numbers


def build(name, rng):
    heads, joints, parts = PIECES[name]
    text = rng.choice(heads) + rng.choice([p for p in parts if p[0].isdigit()])
    for _ in range(2 if name in THREE else rng.randint(0, 4)):
        text += rng.choice(joints) + rng.choice(parts)
    return text + rng.choice(TAILS.get(name, [""]))


def relative(name, text, rng):
    """A version close to another, so that the difference lies late in the text and not at its first number."""
    _, joints, parts = PIECES[name]
    if name in THREE or name in ("pypi", "maven"):
        other = build(name, rng)
        return other if rng.random() < 0.4 else text + rng.choice(["", "0", "1", "2"])
    cut = rng.randint(1, len(text))
    return text[:cut] + rng.choice(joints) + rng.choice(parts) + (rng.choice(TAILS["rpm"]) if name == "rpm" and "-" not in text[:cut] else "")


def pairs(name):
    rng = random.Random("muster " + name)
    corners = CORNERS[name].split()
    out = [(a, b) for a, b in zip(corners, corners[1:])] + [(a, a) for a in corners[::7]]
    while len(out) < PAIRS // 2:
        out.append(tuple(rng.sample(corners, 2)))
    while len(out) < PAIRS:
        a = build(name, rng)
        out.append((a, relative(name, a, rng) if rng.random() < 0.7 else build(name, rng)))
    return list(dict.fromkeys(out))


# The tools. Each takes a list of pairs and answers -1, 0, 1, or None where one is no version to the tool.

def debian(all_pairs):
    def holds(a, op, b):
        p = subprocess.run(["dpkg", "--compare-versions", a, op, b], stderr=subprocess.PIPE, check=False)
        return None if p.stderr else p.returncode == 0
    for a, b in all_pairs:
        less, equal = holds(a, "lt", b), holds(a, "eq", b)
        yield None if less is None else -1 if less else 0 if equal else 1


def rpm(all_pairs):
    import rpm as tool

    def evr(text):
        epoch, colon, rest = text.partition(":")
        epoch, rest = (epoch, rest) if colon else ("0", text)
        version, _, release = rest.partition("-")
        return epoch, version, release
    for a, b in all_pairs:
        bad = any(t.count("-") != 1 or not t.split("-")[1] for t in (a, b))
        yield None if bad else tool.labelCompare(evr(a), evr(b))


def pypi(all_pairs):
    from packaging.version import InvalidVersion, Version
    for a, b in all_pairs:
        try:
            x, y = Version(a), Version(b)
        except InvalidVersion:
            yield None
            continue
        yield (x > y) - (x < y)


def by_program(command, source, all_pairs):
    text = "".join(f"{a}\t{b}\n" for a, b in all_pairs)
    out = subprocess.run(command + [source], input=text, capture_output=True, text=True, check=True).stdout.split()
    assert len(out) == len(all_pairs), (len(out), len(all_pairs))
    return [None if o == "x" else (int(o) > 0) - (int(o) < 0) for o in out]


def npm(all_pairs):
    return by_program(["node", "-e"], r"""
        const s = require('/usr/lib/node_modules/npm/node_modules/semver')
        for (const line of require('fs').readFileSync(0, 'utf8').trim().split('\n')) {
            const [a, b] = line.split('\t')
            console.log(s.valid(a) && s.valid(b) ? s.compare(a, b) : 'x')
        }""", all_pairs)


def rubygems(all_pairs):
    return by_program(["ruby", "-e"], r"""
        STDIN.each_line do |line|
            a, b = line.strip.split("\t")
            ok = Gem::Version.correct?(a) && Gem::Version.correct?(b)
            puts ok ? (Gem::Version.new(a) <=> Gem::Version.new(b)) : "x"
        end""", all_pairs)


def packagist(all_pairs):
    return by_program(["php", "-r"], r"""
        require '/usr/share/php/Composer/Semver/autoload.php';
        $parser = new Composer\Semver\VersionParser();
        while ($line = fgets(STDIN)) {
            [$a, $b] = explode("\t", trim($line));
            try { $a = $parser->normalize($a); $b = $parser->normalize($b); } catch (Exception $e) { echo "x\n"; continue; }
            echo Composer\Semver\Comparator::lessThan($a, $b) ? -1 : (Composer\Semver\Comparator::equalTo($a, $b) ? 0 : 1), "\n";
        }""", all_pairs)


def maven(all_pairs):
    # The library's own program prints, for a list of versions, how each compares with the one before it.
    jar = "/usr/share/java/maven-artifact-3.x.jar:/usr/share/java/commons-lang3.jar"
    args = [v for pair in all_pairs for v in pair]
    out = subprocess.run(["java", "-cp", jar, "org.apache.maven.artifact.versioning.ComparableVersion"] + args,
                         capture_output=True, text=True, check=True).stdout
    signs = [line.split()[1] for line in out.splitlines() if line.startswith("   ") and line.split()[1] in ("<", "==", ">")]
    assert len(signs) == len(args) - 1, (len(signs), len(args))
    return [{"<": -1, "==": 0, ">": 1}[s] for s in signs[::2]]


def write(name):
    tool = globals()[name]
    all_pairs = pairs(name)
    there = list(tool(all_pairs))
    back = list(tool([(b, a) for a, b in all_pairs]))
    with open(HERE / "order" / (name + ".tsv"), "w", encoding="utf-8") as f:
        for (a, b), x, y in zip(all_pairs, there, back):
            if x is None and y is None:
                continue
            if x != -y:
                sys.exit(f"{name}: the tool says {x} of {a} and {b}, and {y} the other way round")
            f.write(f"{a}\t{'<=>'[x + 1]}\t{b}\n")


for which in sys.argv[1:] or list(CORNERS):
    write(which)
