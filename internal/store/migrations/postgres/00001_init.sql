-- +goose Up
-- Times are milliseconds since 1970 UTC; 0 means never. Small numbers stand for the words in package posture.

CREATE TABLE accounts (
	id                BIGINT NOT NULL PRIMARY KEY,
	name              TEXT    NOT NULL UNIQUE,
	email             TEXT    NOT NULL,
	last_login_at     BIGINT NOT NULL,
	created_at        BIGINT NOT NULL,
	devices_allowed   BIGINT NOT NULL,
	license_key       TEXT    NOT NULL UNIQUE,
	registration_code TEXT    NOT NULL UNIQUE
);

CREATE TABLE device_groups (
	account_id BIGINT NOT NULL REFERENCES accounts (id),
	id         BIGINT NOT NULL,
	name       TEXT    NOT NULL,
	PRIMARY KEY (account_id, id)
);

-- One row holds all counts of one group, so that reading an account's counts is reading a row or a few.
CREATE TABLE device_counts (
	account_id BIGINT NOT NULL,
	group_id   BIGINT NOT NULL,
	status_unknown BIGINT NOT NULL DEFAULT 0, status_installed BIGINT NOT NULL DEFAULT 0,
	status_pending BIGINT NOT NULL DEFAULT 0, status_compliant BIGINT NOT NULL DEFAULT 0,
	status_non_compliant BIGINT NOT NULL DEFAULT 0, status_in_grace BIGINT NOT NULL DEFAULT 0,
	status_exempted BIGINT NOT NULL DEFAULT 0, status_quarantined BIGINT NOT NULL DEFAULT 0,
	status_out_of_licence BIGINT NOT NULL DEFAULT 0, status_ignored BIGINT NOT NULL DEFAULT 0,
	severity_none BIGINT NOT NULL DEFAULT 0, severity_warning BIGINT NOT NULL DEFAULT 0,
	severity_critical BIGINT NOT NULL DEFAULT 0,
	opswat_unknown BIGINT NOT NULL DEFAULT 0, opswat_low BIGINT NOT NULL DEFAULT 0,
	opswat_medium BIGINT NOT NULL DEFAULT 0, opswat_high BIGINT NOT NULL DEFAULT 0,
	opswat_critical BIGINT NOT NULL DEFAULT 0,
	cvss2_unknown BIGINT NOT NULL DEFAULT 0, cvss2_low BIGINT NOT NULL DEFAULT 0,
	cvss2_medium BIGINT NOT NULL DEFAULT 0, cvss2_high BIGINT NOT NULL DEFAULT 0,
	cvss2_critical BIGINT NOT NULL DEFAULT 0,
	cvss3_unknown BIGINT NOT NULL DEFAULT 0, cvss3_low BIGINT NOT NULL DEFAULT 0,
	cvss3_medium BIGINT NOT NULL DEFAULT 0, cvss3_high BIGINT NOT NULL DEFAULT 0,
	cvss3_critical BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (account_id, group_id),
	FOREIGN KEY (account_id, group_id) REFERENCES device_groups (account_id, id)
) WITH (fillfactor = 10);

CREATE TABLE applications (
	account_id  BIGINT NOT NULL REFERENCES accounts (id),
	client_id   TEXT    NOT NULL UNIQUE,
	name        TEXT    NOT NULL,
	permission  TEXT    NOT NULL,
	rate_limit  BIGINT NOT NULL,
	secret_hash BYTEA   NOT NULL,
	created_at  BIGINT NOT NULL,
	revoked_at  BIGINT NOT NULL,
	PRIMARY KEY (account_id, client_id)
);

-- A token is looked up before anyone knows whose it is: the one table whose key is not led by the account.
CREATE TABLE tokens (
	hash       BYTEA   NOT NULL PRIMARY KEY,
	account_id BIGINT NOT NULL,
	client_id  TEXT    NOT NULL,
	kind       SMALLINT NOT NULL,
	permission TEXT    NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX tokens_client ON tokens (account_id, client_id);
CREATE INDEX tokens_expiry ON tokens (expires_at);

CREATE TABLE devices (
	account_id     BIGINT NOT NULL REFERENCES accounts (id),
	id             TEXT COLLATE "C" NOT NULL,
	lifecycle      SMALLINT NOT NULL,
	group_id       BIGINT NOT NULL,
	status         SMALLINT NOT NULL,
	judged         SMALLINT NOT NULL,
	severity       SMALLINT NOT NULL,
	level_opswat   SMALLINT NOT NULL,
	level_cvss2    SMALLINT NOT NULL,
	level_cvss3    SMALLINT NOT NULL,
	managed        SMALLINT NOT NULL,
	conflict       SMALLINT NOT NULL,
	hardware_id    TEXT    NOT NULL,
	serial         TEXT    NOT NULL,
	name           TEXT    NOT NULL,
	host_name      TEXT    NOT NULL,
	user_identity  TEXT    NOT NULL,
	device_type    TEXT    NOT NULL,
	os_family      TEXT    NOT NULL,
	os_name        TEXT    NOT NULL,
	os_version     TEXT    NOT NULL,
	issues_critical BIGINT NOT NULL,
	issues_warning BIGINT NOT NULL,
	agent_type     TEXT    NOT NULL,
	agent_version  TEXT    NOT NULL,
	enrolled_at    BIGINT NOT NULL,
	reported_at    BIGINT NOT NULL,
	next_change_at BIGINT NOT NULL,
	judge          TEXT    NOT NULL,
	digest         BYTEA   NOT NULL,
	credentials    BYTEA   NOT NULL,
	exempted       SMALLINT NOT NULL,
	exempt_since   BIGINT NOT NULL,
	exempt_until   BIGINT NOT NULL,
	exempt_reason  TEXT    NOT NULL,
	link_username  TEXT    NOT NULL,
	link_group     TEXT    NOT NULL,
	PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);
CREATE INDEX devices_hardware_id ON devices (account_id, hardware_id) WHERE hardware_id <> '';
-- For what only time changes: definitions that grow old, exemptions that end.
CREATE INDEX devices_next_change ON devices (account_id, next_change_at) WHERE next_change_at > 0;
CREATE INDEX devices_serial ON devices (account_id, serial) WHERE serial <> '';
CREATE INDEX devices_credentials ON devices (account_id, credentials) WHERE length(credentials) > 0;

-- Apart from devices because every ping changes it and nothing else.
CREATE TABLE device_seen (
	account_id BIGINT NOT NULL,
	device_id  TEXT COLLATE "C" NOT NULL,
	seen_at    BIGINT NOT NULL,
	PRIMARY KEY (account_id, device_id)
) WITH (fillfactor = 50);

CREATE TABLE device_adapters (
	account_id BIGINT NOT NULL,
	mac        BIGINT NOT NULL,
	device_id  TEXT COLLATE "C" NOT NULL,
	first_at   BIGINT NOT NULL,
	last_at    BIGINT NOT NULL,
	is_current SMALLINT NOT NULL,
	PRIMARY KEY (account_id, mac, device_id),
	FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, id)
);
CREATE INDEX device_adapters_device ON device_adapters (account_id, device_id);

-- body is the report as received, compressed with zstd; verdict is JSON.
CREATE TABLE device_reports (
	account_id  BIGINT NOT NULL,
	device_id   TEXT COLLATE "C" NOT NULL,
	received_at BIGINT NOT NULL,
	body        BYTEA   NOT NULL,
	verdict     TEXT    NOT NULL,
	PRIMARY KEY (account_id, device_id),
	FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, id)
);

CREATE TABLE events (
	account_id  BIGINT NOT NULL,
	id          TEXT COLLATE "C" NOT NULL,
	at          BIGINT NOT NULL,
	kind        TEXT    NOT NULL,
	device_id   TEXT COLLATE "C" NOT NULL,
	status_from SMALLINT NOT NULL,
	status_to   SMALLINT NOT NULL,
	PRIMARY KEY (account_id, id)
);

-- What every server must forget. Rows are short-lived.
CREATE TABLE device_revocations (
	account_id BIGINT NOT NULL,
	device_id  TEXT COLLATE "C" NOT NULL,
	at         BIGINT NOT NULL
);
CREATE INDEX device_revocations_at ON device_revocations (at);

-- Lost at a crash, which only opens the windows anew.
CREATE UNLOGGED TABLE rate_windows (
	account_id BIGINT NOT NULL,
	bucket     TEXT    NOT NULL,
	started_at BIGINT NOT NULL,
	used       BIGINT NOT NULL,
	PRIMARY KEY (account_id, bucket)
);

-- Periodic work that only one server may do at a time.
CREATE TABLE leases (
	name       TEXT    NOT NULL PRIMARY KEY,
	holder     TEXT    NOT NULL,
	expires_at BIGINT NOT NULL
);
