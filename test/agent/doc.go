// Package agent is the proof of the agent: the real program on the machine at hand, what it reports compared with what
// independent programs say, and its reports judged by a real server.
package agent
