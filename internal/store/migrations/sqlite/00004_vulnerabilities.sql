-- +goose Up
-- What being right about vulnerabilities is made of: the catalogue that feeds fill, the keys that products are looked up by,
-- risks that somebody accepted, and storage that devices share.

-- The catalogue. It belongs to no account. Each row of an entry says in which generation it was added and removed: readers see
-- the generation that this row names, an import stages the next. next_… are the numbers to give out; first_staged is the
-- first entry that is not part of a generation yet. reached is the generation that the work over devices has reached, purged
-- the last whose removed rows are gone. import_… say who imports, until when he may, and from what.
CREATE TABLE catalogue (
	id             INTEGER PRIMARY KEY,
	generation     INTEGER NOT NULL,
	reached        INTEGER NOT NULL,
	purged         INTEGER NOT NULL,
	next_feed      INTEGER NOT NULL,
	next_key       INTEGER NOT NULL,
	next_entry     INTEGER NOT NULL,
	next_fact      INTEGER NOT NULL,
	first_staged   INTEGER NOT NULL,
	import_holder  TEXT    NOT NULL,
	import_until   INTEGER NOT NULL,
	import_input   TEXT    NOT NULL
);

-- Since when there is a generation, and which entries came with it.
CREATE TABLE catalogue_generations (
	generation  INTEGER PRIMARY KEY,
	at          INTEGER NOT NULL,
	first_entry INTEGER NOT NULL,
	next_entry  INTEGER NOT NULL
);

-- imported_at is 0 while the first import of a feed is under way. gone is the generation that removed it, or 0.
CREATE TABLE catalogue_feeds (
	id          INTEGER PRIMARY KEY,
	name        TEXT    NOT NULL UNIQUE,
	format      TEXT    NOT NULL,
	as_of       INTEGER NOT NULL,
	imported_at INTEGER NOT NULL,
	entries     INTEGER NOT NULL,
	source      TEXT    NOT NULL,
	input       TEXT    NOT NULL,
	gone        INTEGER NOT NULL
);

-- What things are looked up by: a package or application, or, in no space, a CVE or another id. Rows stay.
CREATE TABLE catalogue_keys (
	id        INTEGER PRIMARY KEY,
	space     TEXT    NOT NULL,
	name      TEXT    NOT NULL,
	by_vendor INTEGER NOT NULL,
	UNIQUE (space, name, by_vendor)
);

-- One version of an entry of a feed, with the facts from first_fact on. replaces is the version before it, heir is 1 where
-- another took its place.
CREATE TABLE catalogue_entries (
	id         INTEGER PRIMARY KEY,
	feed_id    INTEGER NOT NULL,
	name       TEXT    NOT NULL,
	modified   INTEGER NOT NULL,
	digest     BLOB    NOT NULL,
	added      INTEGER NOT NULL,
	removed    INTEGER NOT NULL,
	replaces   INTEGER NOT NULL,
	heir       INTEGER NOT NULL,
	first_fact INTEGER NOT NULL,
	facts      INTEGER NOT NULL
);
CREATE UNIQUE INDEX catalogue_entries_current ON catalogue_entries (feed_id, name) WHERE removed = 0;
CREATE INDEX catalogue_entries_removed ON catalogue_entries (removed, id) WHERE removed > 0;

-- What an entry says, under all the keys that it says it under: keys holds their numbers with the ranks.
CREATE TABLE catalogue_facts (
	id       INTEGER PRIMARY KEY,
	entry_id INTEGER NOT NULL,
	keys     BLOB    NOT NULL,
	data     BLOB    NOT NULL
);

CREATE TABLE catalogue_lookup (
	key_id  INTEGER NOT NULL,
	fact_id INTEGER NOT NULL,
	rank    INTEGER NOT NULL,
	PRIMARY KEY (key_id, fact_id)
) WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('catalogue', NULL, '1'),
	('catalogue_generations', NULL, '100'),
	('catalogue_feeds', 'sqlite_autoindex_catalogue_feeds_1', '20 1'),
	('catalogue_keys', 'sqlite_autoindex_catalogue_keys_1', '1000000 2000 1 1'),
	('catalogue_entries', 'catalogue_entries_current', '1000000 50000 1'),
	('catalogue_entries', 'catalogue_entries_removed', '300000 100000 1'),
	('catalogue_facts', NULL, '3000000'),
	('catalogue_lookup', 'catalogue_lookup', '4000000 4 1');
ANALYZE sqlite_schema;

-- Keys of products.

-- The generation of the catalogue that all devices of an account have been matched with.
ALTER TABLE accounts ADD COLUMN matched_generation INTEGER NOT NULL DEFAULT 0;

-- What a product is looked up by in the catalogue, on any machine that has it: whom a new feed concerns follows from this.
-- other_version is 1 where the versions compared may be others than those installed.
CREATE TABLE product_keys (
	account_id INTEGER NOT NULL,
	product_id INTEGER NOT NULL,
	space      TEXT NOT NULL,
	name       TEXT NOT NULL,
	by_vendor  INTEGER NOT NULL,
	other_version INTEGER NOT NULL,
	PRIMARY KEY (account_id, product_id, space, name, by_vendor, other_version),
	FOREIGN KEY (account_id, product_id) REFERENCES products (account_id, id)
) WITHOUT ROWID;
CREATE INDEX product_keys_key ON product_keys (account_id, space, name);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('product_keys', 'product_keys', '100000 10000 2 1 1 1 1'),
	('product_keys', 'product_keys_key', '100000 10000 200 2');
ANALYZE sqlite_schema;

-- Accepted risks.

-- risk_revision counts the changes of what an account says of vulnerabilities: verdicts are stored by what holds.
ALTER TABLE accounts ADD COLUMN risk_revision INTEGER NOT NULL DEFAULT 0;
-- accepted is on how many live devices it does not count: see devices.
ALTER TABLE vulnerabilities ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;

-- What an account says of vulnerabilities: see package risk. Rows are never removed; of an entry only its end changes.
-- aliases and versions are lists as JSON, or empty. 0 and '' are any group and device, until_at 0 is no end, revoked_at 0 is
-- not revoked. document to stated_at are those of VEX statements.
CREATE TABLE accepted_risks (
	account_id     INTEGER NOT NULL REFERENCES accounts (id),
	id             TEXT    NOT NULL,
	source         TEXT    NOT NULL,
	vulnerability  TEXT    NOT NULL,
	aliases        TEXT    NOT NULL,
	product        TEXT    NOT NULL,
	ecosystem      TEXT    NOT NULL,
	versions       TEXT    NOT NULL,
	group_id       INTEGER NOT NULL,
	device_id      TEXT    NOT NULL,
	reason         TEXT    NOT NULL,
	author         TEXT    NOT NULL,
	created_at     INTEGER NOT NULL,
	until_at       INTEGER NOT NULL,
	revoked_at     INTEGER NOT NULL,
	revoked_by     TEXT    NOT NULL,
	revoked_reason TEXT    NOT NULL,
	document       TEXT    NOT NULL,
	statement      TEXT    NOT NULL,
	status         TEXT    NOT NULL,
	justification  TEXT    NOT NULL,
	stated_at      INTEGER NOT NULL,
	PRIMARY KEY (account_id, id)
);
CREATE INDEX accepted_risks_active ON accepted_risks (account_id, id) WHERE revoked_at = 0;
CREATE INDEX accepted_risks_vulnerability ON accepted_risks (account_id, vulnerability, id);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('accepted_risks', 'sqlite_autoindex_accepted_risks_1', '20000 2000 1'),
	('accepted_risks', 'accepted_risks_active', '10000 1000 1'),
	('accepted_risks', 'accepted_risks_vulnerability', '20000 2000 2 1');

-- Shared storage.

-- What the reports and verdicts of several devices have in common: see store/bases.go. content is compressed, and holds a set
-- of facets and a text. Bases never change. retired_at is since when nobody may begin to use one, 0 while all may.
CREATE TABLE report_bases (
	account_id INTEGER NOT NULL REFERENCES accounts (id),
	id         INTEGER NOT NULL,
	kind       TEXT NOT NULL,
	marks      BLOB NOT NULL,
	content    BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	retired_at INTEGER NOT NULL,
	PRIMARY KEY (account_id, id)
);
-- The verdict, compressed; verdict is empty then.
ALTER TABLE device_reports ADD COLUMN packed_verdict BLOB NOT NULL DEFAULT x'';

-- Where a device stands among those that enrolled before and after it: see store/places.go; 0 for nowhere yet.
ALTER TABLE device_reports ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
CREATE INDEX device_reports_place ON device_reports (account_id, place, device_id) WHERE place > 0;

-- Devices that enrolled one after the other: those whose ids begin at first_id, up to the next chunk. last_id is the last of them,
-- slots how many places were given.
CREATE TABLE device_chunks (
	account_id INTEGER NOT NULL,
	first_id   TEXT NOT NULL,
	last_id    TEXT NOT NULL,
	chunk      INTEGER NOT NULL,
	slots      INTEGER NOT NULL,
	PRIMARY KEY (account_id, first_id)
) WITHOUT ROWID;

-- Which devices of a chunk have a facet: n of them, by their slots. It takes the place of device_facets. The row of facet 0 is for
-- locking.
CREATE TABLE facet_chunks (
	account_id INTEGER NOT NULL,
	facet      INTEGER NOT NULL,
	chunk      INTEGER NOT NULL,
	n          INTEGER NOT NULL,
	members    BLOB NOT NULL,
	PRIMARY KEY (account_id, facet, chunk)
) WITHOUT ROWID;

-- Lists are read in the order of an index. listed is 1 while a device has it; the names are those of the product.
ALTER TABLE product_versions ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE product_versions ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE product_versions ADD COLUMN vendor TEXT NOT NULL DEFAULT '';
ALTER TABLE product_versions ADD COLUMN ecosystem TEXT NOT NULL DEFAULT '';
ALTER TABLE product_versions ADD COLUMN category TEXT NOT NULL DEFAULT '';
CREATE INDEX product_versions_name ON product_versions (account_id, listed, name, vendor, ecosystem, version, level_opswat, category);
CREATE INDEX product_versions_vendor ON product_versions (account_id, listed, vendor, name, ecosystem, version, level_opswat, category);
CREATE INDEX product_versions_version ON product_versions (account_id, listed, version, name, vendor, ecosystem, level_opswat, category);
CREATE INDEX product_versions_category ON product_versions (account_id, listed, category, name, vendor, ecosystem, version, level_opswat);
CREATE INDEX product_versions_level ON product_versions (account_id, listed, level_opswat, name, vendor, ecosystem, version, category);
CREATE INDEX product_versions_cves ON product_versions (account_id, listed, cves, name, vendor, ecosystem, version, level_opswat, category);
CREATE INDEX product_versions_product ON product_versions (account_id, listed, product_id, name, vendor, ecosystem, version, level_opswat, category);

ALTER TABLE vulnerabilities ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX vulnerabilities_cve ON vulnerabilities (account_id, listed, cve, level_opswat, level_cvss2, level_cvss3, kev);
CREATE INDEX vulnerabilities_opswat ON vulnerabilities (account_id, listed, score_opswat, cve, level_opswat, kev);
CREATE INDEX vulnerabilities_cvss2 ON vulnerabilities (account_id, listed, score_cvss2, cve, level_cvss2, kev);
CREATE INDEX vulnerabilities_cvss3 ON vulnerabilities (account_id, listed, score_cvss3, cve, level_cvss3, kev);
CREATE INDEX vulnerabilities_level_opswat ON vulnerabilities (account_id, listed, level_opswat, cve, kev);
CREATE INDEX vulnerabilities_level_cvss2 ON vulnerabilities (account_id, listed, level_cvss2, cve, kev);
CREATE INDEX vulnerabilities_level_cvss3 ON vulnerabilities (account_id, listed, level_cvss3, cve, kev);

-- How far storage has come. shared_from is from when on (in milliseconds) reports are stored as the previous version cannot
-- read them. postings is since when facet_chunks holds all devices and
-- lists are ready, 0 is not yet.
CREATE TABLE storage_state (
	name  TEXT NOT NULL PRIMARY KEY,
	value INTEGER NOT NULL
);
-- There is one server, and it is this one.
INSERT INTO storage_state (name, value) VALUES ('shared_from', 0);
INSERT INTO storage_state (name, value) SELECT 'postings', CASE WHEN EXISTS (SELECT 1 FROM devices) THEN 0 ELSE 1 END;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('product_versions', 'product_versions_name', '200000 20000 15000 3 3 3 1 1 1'),
	('product_versions', 'product_versions_vendor', '200000 20000 15000 500 3 3 1 1 1'),
	('product_versions', 'product_versions_version', '200000 20000 15000 5 1 1 1 1 1'),
	('product_versions', 'product_versions_category', '200000 20000 15000 5000 3 3 3 1 1'),
	('product_versions', 'product_versions_level', '200000 20000 15000 5000 3 3 3 1 1'),
	('product_versions', 'product_versions_cves', '200000 20000 15000 1000 3 3 3 1 1 1'),
	('product_versions', 'product_versions_product', '200000 20000 15000 4 4 4 4 1 1 1'),
	('vulnerabilities', 'vulnerabilities_cve', '50000 5000 4000 1 1 1 1 1'),
	('vulnerabilities', 'vulnerabilities_opswat', '50000 5000 4000 50 1 1 1'),
	('vulnerabilities', 'vulnerabilities_cvss2', '50000 5000 4000 50 1 1 1'),
	('vulnerabilities', 'vulnerabilities_cvss3', '50000 5000 4000 50 1 1 1'),
	('vulnerabilities', 'vulnerabilities_level_opswat', '50000 5000 4000 1000 1 1'),
	('vulnerabilities', 'vulnerabilities_level_cvss2', '50000 5000 4000 1000 1 1'),
	('vulnerabilities', 'vulnerabilities_level_cvss3', '50000 5000 4000 1000 1 1'),
	('device_reports', 'device_reports_place', '1000000 100000 1 1'),
	('device_chunks', 'device_chunks', '1000 100 1'),
	('facet_chunks', 'facet_chunks', '5000000 500000 100 1'),
	('report_bases', 'sqlite_autoindex_report_bases_1', '500 50 1');
ANALYZE sqlite_schema;

SELECT 1;
