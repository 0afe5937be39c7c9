-- +goose Up
-- What the whole compatible API asks for: lists by any filter, software and vulnerabilities with their counts, commands
-- to agents, and the record of events as logs.

ALTER TABLE accounts ADD COLUMN cross_domain_enabled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN cross_domain_port BIGINT NOT NULL DEFAULT 11369;

ALTER TABLE device_groups ADD COLUMN domain_name TEXT NOT NULL DEFAULT '';
ALTER TABLE device_groups ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE device_groups ADD COLUMN auto_join BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device_groups ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device_groups ADD COLUMN modified_at BIGINT NOT NULL DEFAULT 0;

-- profile is JSON that lists show and no query asks for. status_at is when the status last changed.
ALTER TABLE devices ADD COLUMN profile TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN vulnerabilities BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN linked_id TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN status_at BIGINT NOT NULL DEFAULT 0;
-- Sorting by it must give the same order as on SQLite, whatever the locale of the database.
ALTER TABLE devices ALTER COLUMN host_name TYPE TEXT COLLATE "C";
-- For pages by number: passing over a device is an entry of this index, without its row.
CREATE INDEX devices_live ON devices (account_id, id) WHERE lifecycle = 0;
CREATE INDEX devices_status ON devices (account_id, status, id) WHERE lifecycle = 0;
CREATE INDEX devices_severity ON devices (account_id, severity, id) WHERE lifecycle = 0;
CREATE INDEX devices_os ON devices (account_id, os_family, id) WHERE lifecycle = 0;
CREATE INDEX devices_type ON devices (account_id, device_type, id) WHERE lifecycle = 0;
CREATE INDEX devices_group ON devices (account_id, group_id, id) WHERE lifecycle = 0;
CREATE INDEX devices_level ON devices (account_id, level_opswat, id) WHERE lifecycle = 0;
CREATE INDEX devices_host_name ON devices (account_id, host_name, id) WHERE lifecycle = 0;
CREATE INDEX devices_issues ON devices (account_id, (issues_critical + issues_warning), id) WHERE lifecycle = 0;
CREATE INDEX devices_agent ON devices (account_id, agent_version, os_family) WHERE lifecycle = 0 AND managed = 1;
CREATE INDEX devices_linked_id ON devices (account_id, linked_id) WHERE linked_id <> '';

-- Where the pages of lists begin, for walks that go from one server to another. Rows are short-lived.
CREATE TABLE list_pages (
	account_id BIGINT NOT NULL,
	list       TEXT    NOT NULL,
	number     BIGINT NOT NULL,
	position   BYTEA   NOT NULL,
	noted_at   BIGINT NOT NULL,
	PRIMARY KEY (account_id, list, number)
);
CREATE INDEX list_pages_noted ON list_pages (noted_at);

-- The words by which a live device is searched for, in lower case.
CREATE TABLE device_words (
	account_id BIGINT NOT NULL,
	word       TEXT COLLATE "C" NOT NULL,
	device_id  TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (account_id, word, device_id)
);
CREATE INDEX device_words_device ON device_words (account_id, device_id, word);

-- What a live device has of the things below: see store/facets.go for how a facet is numbered. device_reports.facets
-- holds the same for one device.
CREATE TABLE device_facets (
	account_id BIGINT NOT NULL,
	facet      BIGINT NOT NULL,
	device_id  TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (account_id, facet, device_id)
);
ALTER TABLE device_reports ADD COLUMN facets BYTEA NOT NULL DEFAULT '';

-- The things themselves. Rows are never removed; devices is how many live devices have them. catalogue is the version of
-- the vulnerability catalogue that said the rest; found are the ids of the vulnerabilities of a version, packed.
CREATE TABLE products (
	account_id BIGINT NOT NULL REFERENCES accounts (id),
	id         BIGINT NOT NULL,
	name       TEXT COLLATE "C" NOT NULL,
	vendor     TEXT COLLATE "C" NOT NULL,
	ecosystem  TEXT COLLATE "C" NOT NULL,
	category   TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, name, vendor, ecosystem)
);

CREATE TABLE product_versions (
	account_id   BIGINT NOT NULL,
	id           BIGINT NOT NULL,
	product_id   BIGINT NOT NULL,
	version      TEXT COLLATE "C" NOT NULL,
	devices      BIGINT NOT NULL,
	cves         BIGINT NOT NULL,
	level_opswat BIGINT NOT NULL,
	level_cvss2  BIGINT NOT NULL,
	level_cvss3  BIGINT NOT NULL,
	catalogue    TEXT    NOT NULL,
	found        BYTEA    NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, product_id, version),
	FOREIGN KEY (account_id, product_id) REFERENCES products (account_id, id)
);

CREATE TABLE vulnerabilities (
	account_id   BIGINT NOT NULL REFERENCES accounts (id),
	id           BIGINT NOT NULL,
	cve          TEXT COLLATE "C" NOT NULL,
	devices      BIGINT NOT NULL,
	kev          BIGINT NOT NULL,
	score_opswat DOUBLE PRECISION    NOT NULL,
	score_cvss2  DOUBLE PRECISION    NOT NULL,
	score_cvss3  DOUBLE PRECISION    NOT NULL,
	level_opswat BIGINT NOT NULL,
	level_cvss2  BIGINT NOT NULL,
	level_cvss3  BIGINT NOT NULL,
	catalogue    TEXT    NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, cve)
);

CREATE TABLE patches (
	account_id  BIGINT NOT NULL REFERENCES accounts (id),
	id          BIGINT NOT NULL,
	kb          TEXT COLLATE "C" NOT NULL,
	title       TEXT COLLATE "C" NOT NULL,
	product     TEXT    NOT NULL,
	vendor      TEXT COLLATE "C" NOT NULL,
	severity    TEXT    NOT NULL,
	category    TEXT COLLATE "C" NOT NULL,
	released_at BIGINT NOT NULL,
	devices     BIGINT NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, kb, title)
);

-- The next id of the things above.
CREATE TABLE account_sequences (
	account_id BIGINT NOT NULL REFERENCES accounts (id),
	name       TEXT    NOT NULL,
	next       BIGINT NOT NULL,
	PRIMARY KEY (account_id, name)
);

CREATE TABLE device_commands (
	account_id   BIGINT NOT NULL,
	id           TEXT COLLATE "C" NOT NULL,
	device_id    TEXT COLLATE "C" NOT NULL,
	kind         TEXT    NOT NULL,
	params       TEXT    NOT NULL,
	state        BIGINT NOT NULL,
	actor        TEXT    NOT NULL,
	created_at   BIGINT NOT NULL,
	delivered_at BIGINT NOT NULL,
	ended_at     BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	message      TEXT    NOT NULL,
	output       BYTEA    NOT NULL,
	PRIMARY KEY (account_id, id)
);
CREATE INDEX device_commands_device ON device_commands (account_id, device_id, id);
-- Those that wait for their agent: every server watches them, of all accounts.
CREATE INDEX device_commands_open ON device_commands (expires_at, account_id, device_id) WHERE state < 2;
CREATE INDEX device_commands_ended ON device_commands (ended_at) WHERE state >= 2;

-- previous_at is when the status of the device had changed before, for events that are a change of status.
ALTER TABLE events ADD COLUMN previous_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN detail TEXT NOT NULL DEFAULT '';
CREATE INDEX events_kind ON events (account_id, kind, id);

-- What is searched has the "C" collation: lower case is then that of ASCII alone, as on SQLite.
CREATE TABLE access_activities (
	account_id    BIGINT NOT NULL REFERENCES accounts (id),
	id            TEXT COLLATE "C" NOT NULL,
	at            BIGINT NOT NULL,
	action        TEXT    NOT NULL,
	device_id     TEXT COLLATE "C" NOT NULL,
	device_name   TEXT COLLATE "C" NOT NULL,
	device_status BIGINT NOT NULL,
	device_group  TEXT    NOT NULL,
	app_user      TEXT COLLATE "C" NOT NULL,
	access_rule   TEXT COLLATE "C" NOT NULL,
	app_name      TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (account_id, id)
);
