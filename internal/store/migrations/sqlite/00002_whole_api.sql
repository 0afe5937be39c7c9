-- +goose Up
-- What the whole compatible API asks for: lists by any filter, software and vulnerabilities with their counts, commands
-- to agents, and the record of events as logs.

ALTER TABLE accounts ADD COLUMN cross_domain_enabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN cross_domain_port INTEGER NOT NULL DEFAULT 11369;

ALTER TABLE device_groups ADD COLUMN domain_name TEXT NOT NULL DEFAULT '';
ALTER TABLE device_groups ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE device_groups ADD COLUMN auto_join INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_groups ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_groups ADD COLUMN modified_at INTEGER NOT NULL DEFAULT 0;

-- profile is JSON that lists show and no query asks for. status_at is when the status last changed.
ALTER TABLE devices ADD COLUMN profile TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN vulnerabilities INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN linked_id TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN status_at INTEGER NOT NULL DEFAULT 0;
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
	account_id INTEGER NOT NULL,
	list       TEXT    NOT NULL,
	number     INTEGER NOT NULL,
	position   BLOB    NOT NULL,
	noted_at   INTEGER NOT NULL,
	PRIMARY KEY (account_id, list, number)
) WITHOUT ROWID;
CREATE INDEX list_pages_noted ON list_pages (noted_at);

-- The words by which a live device is searched for, in lower case.
CREATE TABLE device_words (
	account_id INTEGER NOT NULL,
	word       TEXT    NOT NULL,
	device_id  TEXT    NOT NULL,
	PRIMARY KEY (account_id, word, device_id)
) WITHOUT ROWID;
CREATE INDEX device_words_device ON device_words (account_id, device_id, word);

-- What a live device has of the things below: see store/facets.go for how a facet is numbered. device_reports.facets
-- holds the same for one device.
CREATE TABLE device_facets (
	account_id INTEGER NOT NULL,
	facet      INTEGER NOT NULL,
	device_id  TEXT    NOT NULL,
	PRIMARY KEY (account_id, facet, device_id)
) WITHOUT ROWID;
ALTER TABLE device_reports ADD COLUMN facets BLOB NOT NULL DEFAULT x'';

-- The things themselves. Rows are never removed; devices is how many live devices have them. catalogue is the version of
-- the vulnerability catalogue that said the rest; found are the ids of the vulnerabilities of a version, packed.
CREATE TABLE products (
	account_id INTEGER NOT NULL REFERENCES accounts (id),
	id         INTEGER NOT NULL,
	name       TEXT    NOT NULL,
	vendor     TEXT    NOT NULL,
	ecosystem  TEXT    NOT NULL,
	category   TEXT    NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, name, vendor, ecosystem)
);

CREATE TABLE product_versions (
	account_id   INTEGER NOT NULL,
	id           INTEGER NOT NULL,
	product_id   INTEGER NOT NULL,
	version      TEXT    NOT NULL,
	devices      INTEGER NOT NULL,
	cves         INTEGER NOT NULL,
	level_opswat INTEGER NOT NULL,
	level_cvss2  INTEGER NOT NULL,
	level_cvss3  INTEGER NOT NULL,
	catalogue    TEXT    NOT NULL,
	found        BLOB    NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, product_id, version),
	FOREIGN KEY (account_id, product_id) REFERENCES products (account_id, id)
);

CREATE TABLE vulnerabilities (
	account_id   INTEGER NOT NULL REFERENCES accounts (id),
	id           INTEGER NOT NULL,
	cve          TEXT    NOT NULL,
	devices      INTEGER NOT NULL,
	kev          INTEGER NOT NULL,
	score_opswat REAL    NOT NULL,
	score_cvss2  REAL    NOT NULL,
	score_cvss3  REAL    NOT NULL,
	level_opswat INTEGER NOT NULL,
	level_cvss2  INTEGER NOT NULL,
	level_cvss3  INTEGER NOT NULL,
	catalogue    TEXT    NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, cve)
);

CREATE TABLE patches (
	account_id  INTEGER NOT NULL REFERENCES accounts (id),
	id          INTEGER NOT NULL,
	kb          TEXT    NOT NULL,
	title       TEXT    NOT NULL,
	product     TEXT    NOT NULL,
	vendor      TEXT    NOT NULL,
	severity    TEXT    NOT NULL,
	category    TEXT    NOT NULL,
	released_at INTEGER NOT NULL,
	devices     INTEGER NOT NULL,
	PRIMARY KEY (account_id, id),
	UNIQUE (account_id, kb, title)
);

-- The next id of the things above.
CREATE TABLE account_sequences (
	account_id INTEGER NOT NULL REFERENCES accounts (id),
	name       TEXT    NOT NULL,
	next       INTEGER NOT NULL,
	PRIMARY KEY (account_id, name)
) WITHOUT ROWID;

CREATE TABLE device_commands (
	account_id   INTEGER NOT NULL,
	id           TEXT    NOT NULL,
	device_id    TEXT    NOT NULL,
	kind         TEXT    NOT NULL,
	params       TEXT    NOT NULL,
	state        INTEGER NOT NULL,
	actor        TEXT    NOT NULL,
	created_at   INTEGER NOT NULL,
	delivered_at INTEGER NOT NULL,
	ended_at     INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	message      TEXT    NOT NULL,
	output       BLOB    NOT NULL,
	PRIMARY KEY (account_id, id)
);
CREATE INDEX device_commands_device ON device_commands (account_id, device_id, id);
-- Those that wait for their agent: every server watches them, of all accounts.
CREATE INDEX device_commands_open ON device_commands (expires_at, account_id, device_id) WHERE state < 2;
CREATE INDEX device_commands_ended ON device_commands (ended_at) WHERE state >= 2;

-- previous_at is when the status of the device had changed before, for events that are a change of status.
ALTER TABLE events ADD COLUMN previous_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN detail TEXT NOT NULL DEFAULT '';
CREATE INDEX events_kind ON events (account_id, kind, id);

CREATE TABLE access_activities (
	account_id    INTEGER NOT NULL REFERENCES accounts (id),
	id            TEXT    NOT NULL,
	at            INTEGER NOT NULL,
	action        TEXT    NOT NULL,
	device_id     TEXT    NOT NULL,
	device_name   TEXT    NOT NULL,
	device_status INTEGER NOT NULL,
	device_group  TEXT    NOT NULL,
	app_user      TEXT    NOT NULL,
	access_rule   TEXT    NOT NULL,
	app_name      TEXT    NOT NULL,
	PRIMARY KEY (account_id, id)
) WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('devices', 'devices_live', '1000000 100000 1'),
	('devices', 'devices_status', '1000000 100000 10000 1'),
	('devices', 'devices_severity', '1000000 100000 30000 1'),
	('devices', 'devices_os', '1000000 100000 20000 1'),
	('devices', 'devices_type', '1000000 100000 15000 1'),
	('devices', 'devices_group', '1000000 100000 10000 1'),
	('devices', 'devices_level', '1000000 100000 20000 1'),
	('devices', 'devices_host_name', '1000000 100000 1 1'),
	('devices', 'devices_issues', '1000000 100000 10000 1'),
	('devices', 'devices_linked_id', '100000 10000 1'),
	('device_words', 'device_words', '6000000 600000 10 1'),
	('device_words', 'device_words_device', '6000000 600000 6 1'),
	('device_facets', 'device_facets', '80000000 8000000 10000 1'),
	('products', 'sqlite_autoindex_products_1', '50000 5000 1'),
	('products', 'sqlite_autoindex_products_2', '50000 5000 3 2 1'),
	('product_versions', 'sqlite_autoindex_product_versions_1', '200000 20000 1'),
	('product_versions', 'sqlite_autoindex_product_versions_2', '200000 20000 4 1'),
	('vulnerabilities', 'sqlite_autoindex_vulnerabilities_1', '50000 5000 1'),
	('vulnerabilities', 'sqlite_autoindex_vulnerabilities_2', '50000 5000 1'),
	('patches', 'sqlite_autoindex_patches_1', '10000 1000 1'),
	('patches', 'sqlite_autoindex_patches_2', '10000 1000 1 1'),
	('device_commands', 'sqlite_autoindex_device_commands_1', '100000 10000 1'),
	('device_commands', 'device_commands_device', '100000 10000 5 1'),
	('device_commands', 'device_commands_open', '10000 10 2 1'),
	('device_commands', 'device_commands_ended', '100000 2'),
	('events', 'events', '10000000 1000000 1'),
	('events', 'events_kind', '10000000 1000000 50000 1'),
	('list_pages', 'list_pages', '10000 1000 50 1'),
	('list_pages', 'list_pages_noted', '10000 10'),
	('devices', 'devices_agent', '1000000 100000 10000 5000'),
	('access_activities', 'access_activities', '1000000 100000 1');
ANALYZE sqlite_schema;
