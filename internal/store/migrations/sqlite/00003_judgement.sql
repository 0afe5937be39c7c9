-- +goose Up
-- What judging is made of: policies with all their versions, groups that have one each, the settings of an account, the
-- life of a device, long runs over many devices, and what other systems are told.

-- settings is JSON: see identity.Settings. The revisions of this and other tables count changes, for callers that must
-- not overwrite each other's.
ALTER TABLE accounts ADD COLUMN settings TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN settings_revision INTEGER NOT NULL DEFAULT 1;
-- The shortest time after which anything removes a device, in milliseconds; below 0 while not all devices know of it.
ALTER TABLE accounts ADD COLUMN removing INTEGER NOT NULL DEFAULT 0;

-- Policy 1 is the one that every account has from its first moment. join_rule says which devices join by themselves,
-- join_order in which order groups are asked. remove_unseen is in milliseconds; 0 leaves it to the account.
ALTER TABLE device_groups ADD COLUMN policy_id INTEGER NOT NULL DEFAULT 1;
ALTER TABLE device_groups ADD COLUMN join_rule TEXT NOT NULL DEFAULT '';
ALTER TABLE device_groups ADD COLUMN join_order INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_groups ADD COLUMN remove_unseen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_groups ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

-- next_change_at is the earliest of all that time may do to a device. verdict_change_at is when its verdict changes
-- whatever happens, silence how many milliseconds without a report change it; 0 is never. failing_since is when it began
-- not to be fit, for grace. hold is JSON about a quarantine, or empty. verdict_flags is 1 where another linked user could
-- change the verdict, plus 2 where silence did. pinned is 1 where somebody chose the group of the device.
ALTER TABLE devices ADD COLUMN exempt_by TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN hold TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN verdict_change_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN silence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN failing_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN verdict_flags INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
-- merged_into is the device that one that is gone went up in.
ALTER TABLE devices ADD COLUMN merged_into TEXT NOT NULL DEFAULT '';
CREATE INDEX devices_conflict ON devices (account_id, hardware_id, id) WHERE lifecycle = 0 AND conflict = 1;
-- Until now no device came to another group than the default one but by choice.
UPDATE devices SET pinned = 1 WHERE group_id <> 1;
-- remove_at is when to look whether a device is to leave by itself; 0 is never.
ALTER TABLE devices ADD COLUMN remove_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX devices_remove ON devices (account_id, remove_at) WHERE remove_at > 0;
-- For what is known of devices that are gone, which is kept for some time.
CREATE INDEX devices_gone ON devices (account_id, status_at) WHERE lifecycle <> 0;

-- When the last report came, also one that said nothing new.
ALTER TABLE device_seen ADD COLUMN reported_at INTEGER NOT NULL DEFAULT 0;

-- version is the current one; deleted_at is 0 while the policy exists. Versions are never changed nor removed.
CREATE TABLE policies (
	account_id  INTEGER NOT NULL REFERENCES accounts (id),
	id          INTEGER NOT NULL,
	name        TEXT    NOT NULL,
	version     INTEGER NOT NULL,
	created_at  INTEGER NOT NULL,
	modified_at INTEGER NOT NULL,
	deleted_at  INTEGER NOT NULL,
	PRIMARY KEY (account_id, id)
) WITHOUT ROWID;

CREATE TABLE policy_versions (
	account_id INTEGER NOT NULL,
	policy_id  INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	document   TEXT    NOT NULL,
	at         INTEGER NOT NULL,
	author     TEXT    NOT NULL,
	note       TEXT    NOT NULL,
	PRIMARY KEY (account_id, policy_id, version),
	FOREIGN KEY (account_id, policy_id) REFERENCES policies (account_id, id)
);

-- Work over many devices that takes its time: judging anew, trying a policy. params and result are JSON, position is
-- where it goes on.
CREATE TABLE runs (
	account_id INTEGER NOT NULL REFERENCES accounts (id),
	id         TEXT    NOT NULL,
	kind       TEXT    NOT NULL,
	state      INTEGER NOT NULL,
	params     TEXT    NOT NULL,
	position   TEXT    NOT NULL,
	total      INTEGER NOT NULL,
	done       INTEGER NOT NULL,
	changed    INTEGER NOT NULL,
	failed     INTEGER NOT NULL,
	result     TEXT    NOT NULL,
	message    TEXT    NOT NULL,
	actor      TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	started_at INTEGER NOT NULL,
	ended_at   INTEGER NOT NULL,
	PRIMARY KEY (account_id, id)
);
CREATE INDEX runs_open ON runs (state, id) WHERE state < 2;
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at > 0;

-- Codes that agents register with, beside the one of the account. A code is looked up before anyone knows whose it is.
CREATE TABLE registration_codes (
	account_id INTEGER NOT NULL REFERENCES accounts (id),
	id         TEXT    NOT NULL,
	code       TEXT    NOT NULL UNIQUE,
	name       TEXT    NOT NULL,
	group_id   INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL,
	max_uses   INTEGER NOT NULL,
	uses       INTEGER NOT NULL,
	PRIMARY KEY (account_id, id)
) WITHOUT ROWID;

CREATE TABLE operators (
	account_id  INTEGER NOT NULL REFERENCES accounts (id),
	id          TEXT    NOT NULL,
	email       TEXT    NOT NULL,
	name        TEXT    NOT NULL,
	role        TEXT    NOT NULL,
	created_at  INTEGER NOT NULL,
	modified_at INTEGER NOT NULL,
	disabled_at INTEGER NOT NULL,
	revision    INTEGER NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, email)
) WITHOUT ROWID;

-- Hardware ids that somebody said identify no machine.
CREATE TABLE shared_hardware (
	account_id  INTEGER NOT NULL REFERENCES accounts (id),
	hardware_id TEXT    NOT NULL,
	at          INTEGER NOT NULL,
	actor       TEXT    NOT NULL,
	PRIMARY KEY (account_id, hardware_id)
) WITHOUT ROWID;

-- topics is a set of bits: see webhook.Topics. credential is the API key, or the signing secret, as it is sent or signed
-- with. failures, retry_at, delivered_at and last_error are how it goes; lease_holder is which server delivers to it.
CREATE TABLE webhooks (
	account_id   INTEGER NOT NULL REFERENCES accounts (id),
	id           TEXT    NOT NULL,
	name         TEXT    NOT NULL,
	url          TEXT    NOT NULL,
	form         TEXT    NOT NULL,
	credential   TEXT    NOT NULL,
	topics       INTEGER NOT NULL,
	enabled      INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	modified_at  INTEGER NOT NULL,
	revision     INTEGER NOT NULL,
	failures     INTEGER NOT NULL,
	retry_at     INTEGER NOT NULL,
	delivered_at INTEGER NOT NULL,
	last_error   TEXT    NOT NULL,
	lease_holder TEXT    NOT NULL,
	lease_until  INTEGER NOT NULL,
	PRIMARY KEY (account_id, id)
) WITHOUT ROWID;

-- What a webhook has still to be told: a row is written with the event, and removed once it is delivered. The ids of
-- events are in the order of a device's changes.
CREATE TABLE webhook_pending (
	account_id  INTEGER NOT NULL,
	webhook_id  TEXT    NOT NULL,
	device_id   TEXT    NOT NULL,
	event_id    TEXT    NOT NULL,
	kind        TEXT    NOT NULL,
	status_from INTEGER NOT NULL,
	status_to   INTEGER NOT NULL,
	at          INTEGER NOT NULL,
	detail      TEXT    NOT NULL,
	attempts    INTEGER NOT NULL,
	retry_at    INTEGER NOT NULL,
	PRIMARY KEY (account_id, webhook_id, device_id, event_id)
) WITHOUT ROWID;
CREATE INDEX webhook_pending_retry ON webhook_pending (account_id, webhook_id, retry_at, event_id);

-- One row for each request; events is 0 for a test.
CREATE TABLE webhook_deliveries (
	account_id  INTEGER NOT NULL,
	webhook_id  TEXT    NOT NULL,
	id          TEXT    NOT NULL,
	at          INTEGER NOT NULL,
	attempt     INTEGER NOT NULL,
	events      INTEGER NOT NULL,
	first_event TEXT    NOT NULL,
	last_event  TEXT    NOT NULL,
	device_id   TEXT    NOT NULL,
	status_code INTEGER NOT NULL,
	took        INTEGER NOT NULL,
	error       TEXT    NOT NULL,
	PRIMARY KEY (account_id, webhook_id, id)
) WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('devices', 'devices_remove', '1000000 100000 10'),
	('devices', 'devices_gone', '100000 10000 1'),
	('policies', 'policies', '1000 100 1'),
	('policy_versions', 'sqlite_autoindex_policy_versions_1', '10000 1000 10 1'),
	('device_groups', 'device_groups', '1000 100 1'),
	('devices', 'devices_conflict', '100 10 2 1'),
	('runs', 'sqlite_autoindex_runs_1', '10000 1000 1'),
	('runs', 'runs_open', '10 5 1'),
	('runs', 'runs_ended', '10000 2'),
	('registration_codes', 'registration_codes', '1000 100 1'),
	('operators', 'operators', '1000 100 1'),
	('shared_hardware', 'shared_hardware', '100 10 1'),
	('webhooks', 'webhooks', '100 10 1'),
	('webhook_pending', 'webhook_pending', '1000000 100000 50000 2 1'),
	('webhook_pending', 'webhook_pending_retry', '1000000 100000 50000 2 1'),
	('webhook_deliveries', 'webhook_deliveries', '1000000 100000 50000 1');
ANALYZE sqlite_schema;
