package vuln

import "strings"

// Many agents leave out the epoch of RPM packages, since tools for people do. Read as 0 it would make such a package older
// than every fix, for good: a fifth of the packages of AlmaLinux have one. Where all fixes of a package have the same epoch, an
// installed version that tells none, or 0, has that one too. Where they differ it is 0.

// commonEpoch gives the epoch other than 0 that all fixes have, "" where there is none.
func commonEpoch(targets []*target) string {
	common := ""
	for _, t := range targets {
		for _, edges := range t.ranges {
			for _, e := range edges {
				if e.kind != fixed {
					continue
				}
				epoch, _, told := strings.Cut(e.version, ":")
				if !told || epoch == "0" || common != "" && common != epoch {
					return ""
				}
				common = epoch
			}
		}
	}
	return common
}

// withEpoch gives a version the epoch that its package has, where it tells none.
func (g *Group) withEpoch(space, version string) string {
	told := strings.TrimPrefix(version, "0:")
	if g.epoch == "" || !isRPM(space) || strings.Contains(told, ":") {
		return version
	}
	return g.epoch + ":" + told
}
