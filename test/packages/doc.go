// Package packages makes the packages of the agent and installs, upgrades and removes them on a machine of their own with
// systemd, from which the agent reports to a real server.
package packages
