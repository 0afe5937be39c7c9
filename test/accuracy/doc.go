// Package accuracy measures whether what Muster finds is true: it makes machines out of real feeds, sends their reports the way that
// agents do, and compares the findings with oracles that share no code with Muster. docs/accuracy.md says what came of it.
//
// The feeds are not part of the repository. Without them the tests are skipped, and say so.
package accuracy
