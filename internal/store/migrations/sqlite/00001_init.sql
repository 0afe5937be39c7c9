-- +goose Up
-- Times are milliseconds since 1970 UTC; 0 means never. Small numbers stand for the words in package posture.

CREATE TABLE accounts (
	id                INTEGER NOT NULL PRIMARY KEY,
	name              TEXT    NOT NULL UNIQUE,
	email             TEXT    NOT NULL,
	last_login_at     INTEGER NOT NULL,
	created_at        INTEGER NOT NULL,
	devices_allowed   INTEGER NOT NULL,
	license_key       TEXT    NOT NULL UNIQUE,
	registration_code TEXT    NOT NULL UNIQUE
);

CREATE TABLE device_groups (
	account_id INTEGER NOT NULL REFERENCES accounts (id),
	id         INTEGER NOT NULL,
	name       TEXT    NOT NULL,
	PRIMARY KEY (account_id, id)
) WITHOUT ROWID;

-- One row holds all counts of one group, so that reading an account's counts is reading a row or a few.
CREATE TABLE device_counts (
	account_id INTEGER NOT NULL,
	group_id   INTEGER NOT NULL,
	status_unknown INTEGER NOT NULL DEFAULT 0, status_installed INTEGER NOT NULL DEFAULT 0,
	status_pending INTEGER NOT NULL DEFAULT 0, status_compliant INTEGER NOT NULL DEFAULT 0,
	status_non_compliant INTEGER NOT NULL DEFAULT 0, status_in_grace INTEGER NOT NULL DEFAULT 0,
	status_exempted INTEGER NOT NULL DEFAULT 0, status_quarantined INTEGER NOT NULL DEFAULT 0,
	status_out_of_licence INTEGER NOT NULL DEFAULT 0, status_ignored INTEGER NOT NULL DEFAULT 0,
	severity_none INTEGER NOT NULL DEFAULT 0, severity_warning INTEGER NOT NULL DEFAULT 0,
	severity_critical INTEGER NOT NULL DEFAULT 0,
	opswat_unknown INTEGER NOT NULL DEFAULT 0, opswat_low INTEGER NOT NULL DEFAULT 0,
	opswat_medium INTEGER NOT NULL DEFAULT 0, opswat_high INTEGER NOT NULL DEFAULT 0,
	opswat_critical INTEGER NOT NULL DEFAULT 0,
	cvss2_unknown INTEGER NOT NULL DEFAULT 0, cvss2_low INTEGER NOT NULL DEFAULT 0,
	cvss2_medium INTEGER NOT NULL DEFAULT 0, cvss2_high INTEGER NOT NULL DEFAULT 0,
	cvss2_critical INTEGER NOT NULL DEFAULT 0,
	cvss3_unknown INTEGER NOT NULL DEFAULT 0, cvss3_low INTEGER NOT NULL DEFAULT 0,
	cvss3_medium INTEGER NOT NULL DEFAULT 0, cvss3_high INTEGER NOT NULL DEFAULT 0,
	cvss3_critical INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (account_id, group_id),
	FOREIGN KEY (account_id, group_id) REFERENCES device_groups (account_id, id)
) WITHOUT ROWID;

CREATE TABLE applications (
	account_id  INTEGER NOT NULL REFERENCES accounts (id),
	client_id   TEXT    NOT NULL UNIQUE,
	name        TEXT    NOT NULL,
	permission  TEXT    NOT NULL,
	rate_limit  INTEGER NOT NULL,
	secret_hash BLOB    NOT NULL,
	created_at  INTEGER NOT NULL,
	revoked_at  INTEGER NOT NULL,
	PRIMARY KEY (account_id, client_id)
) WITHOUT ROWID;

-- A token is looked up before anyone knows whose it is: the one table whose key is not led by the account.
CREATE TABLE tokens (
	hash       BLOB    NOT NULL PRIMARY KEY,
	account_id INTEGER NOT NULL,
	client_id  TEXT    NOT NULL,
	kind       INTEGER NOT NULL,
	permission TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tokens_client ON tokens (account_id, client_id);
CREATE INDEX tokens_expiry ON tokens (expires_at);

CREATE TABLE devices (
	account_id     INTEGER NOT NULL REFERENCES accounts (id),
	id             TEXT    NOT NULL,
	lifecycle      INTEGER NOT NULL,
	group_id       INTEGER NOT NULL,
	status         INTEGER NOT NULL,
	judged         INTEGER NOT NULL,
	severity       INTEGER NOT NULL,
	level_opswat   INTEGER NOT NULL,
	level_cvss2    INTEGER NOT NULL,
	level_cvss3    INTEGER NOT NULL,
	managed        INTEGER NOT NULL,
	conflict       INTEGER NOT NULL,
	hardware_id    TEXT    NOT NULL,
	serial         TEXT    NOT NULL,
	name           TEXT    NOT NULL,
	host_name      TEXT    NOT NULL,
	user_identity  TEXT    NOT NULL,
	device_type    TEXT    NOT NULL,
	os_family      TEXT    NOT NULL,
	os_name        TEXT    NOT NULL,
	os_version     TEXT    NOT NULL,
	issues_critical INTEGER NOT NULL,
	issues_warning INTEGER NOT NULL,
	agent_type     TEXT    NOT NULL,
	agent_version  TEXT    NOT NULL,
	enrolled_at    INTEGER NOT NULL,
	reported_at    INTEGER NOT NULL,
	next_change_at INTEGER NOT NULL,
	judge          TEXT    NOT NULL,
	digest         BLOB    NOT NULL,
	credentials    BLOB    NOT NULL,
	exempted       INTEGER NOT NULL,
	exempt_since   INTEGER NOT NULL,
	exempt_until   INTEGER NOT NULL,
	exempt_reason  TEXT    NOT NULL,
	link_username  TEXT    NOT NULL,
	link_group     TEXT    NOT NULL,
	PRIMARY KEY (account_id, id)
);
CREATE INDEX devices_hardware_id ON devices (account_id, hardware_id) WHERE hardware_id <> '';
-- For what only time changes: definitions that grow old, exemptions that end.
CREATE INDEX devices_next_change ON devices (account_id, next_change_at) WHERE next_change_at > 0;
CREATE INDEX devices_serial ON devices (account_id, serial) WHERE serial <> '';
CREATE INDEX devices_credentials ON devices (account_id, credentials) WHERE length(credentials) > 0;

-- Apart from devices because every ping changes it and nothing else.
CREATE TABLE device_seen (
	account_id INTEGER NOT NULL,
	device_id  TEXT    NOT NULL,
	seen_at    INTEGER NOT NULL,
	PRIMARY KEY (account_id, device_id)
) WITHOUT ROWID;

CREATE TABLE device_adapters (
	account_id INTEGER NOT NULL,
	mac        INTEGER NOT NULL,
	device_id  TEXT    NOT NULL,
	first_at   INTEGER NOT NULL,
	last_at    INTEGER NOT NULL,
	is_current INTEGER NOT NULL,
	PRIMARY KEY (account_id, mac, device_id),
	FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, id)
) WITHOUT ROWID;
CREATE INDEX device_adapters_device ON device_adapters (account_id, device_id);

-- body is the report as received, compressed with zstd; verdict is JSON.
CREATE TABLE device_reports (
	account_id  INTEGER NOT NULL,
	device_id   TEXT    NOT NULL,
	received_at INTEGER NOT NULL,
	body        BLOB    NOT NULL,
	verdict     TEXT    NOT NULL,
	PRIMARY KEY (account_id, device_id),
	FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, id)
);

CREATE TABLE events (
	account_id  INTEGER NOT NULL,
	id          TEXT    NOT NULL,
	at          INTEGER NOT NULL,
	kind        TEXT    NOT NULL,
	device_id   TEXT    NOT NULL,
	status_from INTEGER NOT NULL,
	status_to   INTEGER NOT NULL,
	PRIMARY KEY (account_id, id)
) WITHOUT ROWID;

-- What every server must forget. Rows are short-lived.
CREATE TABLE device_revocations (
	account_id INTEGER NOT NULL,
	device_id  TEXT    NOT NULL,
	at         INTEGER NOT NULL
);
CREATE INDEX device_revocations_at ON device_revocations (at);

CREATE TABLE rate_windows (
	account_id INTEGER NOT NULL,
	bucket     TEXT    NOT NULL,
	started_at INTEGER NOT NULL,
	used       INTEGER NOT NULL,
	PRIMARY KEY (account_id, bucket)
) WITHOUT ROWID;

-- Periodic work that only one server may do at a time.
CREATE TABLE leases (
	name       TEXT    NOT NULL PRIMARY KEY,
	holder     TEXT    NOT NULL,
	expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Without statistics SQLite takes an account to be a handful of rows, and reads all of its devices rather than use an
-- index. These say what matters: accounts are few and large, devices have a row or two in each table.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('accounts', NULL, '10'),
	('devices', 'sqlite_autoindex_devices_1', '1000000 100000 1'),
	('devices', 'devices_hardware_id', '1000000 100000 1'),
	('devices', 'devices_serial', '1000000 100000 1'),
	('devices', 'devices_next_change', '1000000 100000 10'),
	('devices', 'devices_credentials', '1000000 100000 1'),
	('device_seen', 'device_seen', '1000000 100000 1'),
	('device_adapters', 'device_adapters', '2000000 200000 1 1'),
	('device_adapters', 'device_adapters_device', '2000000 200000 2'),
	('device_reports', 'sqlite_autoindex_device_reports_1', '1000000 100000 1');
ANALYZE sqlite_schema;
