-- +goose Up
-- What being right about vulnerabilities is made of: the catalogue that feeds fill, the keys that products are looked up by,
-- risks that somebody accepted, and storage that devices share.

-- The catalogue. It belongs to no account. Each row of an entry says in which generation it was added and removed: readers see
-- the generation that this row names, an import stages the next. next_… are the numbers to give out; first_staged is the
-- first entry that is not part of a generation yet. reached is the generation that the work over devices has reached, purged
-- the last whose removed rows are gone. import_… say who imports, until when he may, and from what.
CREATE TABLE catalogue (
	id             BIGINT PRIMARY KEY,
	generation     BIGINT NOT NULL,
	reached        BIGINT NOT NULL,
	purged         BIGINT NOT NULL,
	next_feed      BIGINT NOT NULL,
	next_key       BIGINT NOT NULL,
	next_entry     BIGINT NOT NULL,
	next_fact      BIGINT NOT NULL,
	first_staged   BIGINT NOT NULL,
	import_holder  TEXT COLLATE "C" NOT NULL,
	import_until   BIGINT NOT NULL,
	import_input   TEXT COLLATE "C" NOT NULL
);

-- Since when there is a generation, and which entries came with it.
CREATE TABLE catalogue_generations (
	generation  BIGINT PRIMARY KEY,
	at          BIGINT NOT NULL,
	first_entry BIGINT NOT NULL,
	next_entry  BIGINT NOT NULL
);

-- imported_at is 0 while the first import of a feed is under way. gone is the generation that removed it, or 0.
CREATE TABLE catalogue_feeds (
	id          BIGINT PRIMARY KEY,
	name        TEXT COLLATE "C" NOT NULL UNIQUE,
	format      TEXT COLLATE "C" NOT NULL,
	as_of       BIGINT NOT NULL,
	imported_at BIGINT NOT NULL,
	entries     BIGINT NOT NULL,
	source      TEXT COLLATE "C" NOT NULL,
	input       TEXT COLLATE "C" NOT NULL,
	gone        BIGINT NOT NULL
);

-- What things are looked up by: a package or application, or, in no space, a CVE or another id. Rows stay.
CREATE TABLE catalogue_keys (
	id        BIGINT PRIMARY KEY,
	space     TEXT COLLATE "C" NOT NULL,
	name      TEXT COLLATE "C" NOT NULL,
	by_vendor SMALLINT NOT NULL,
	UNIQUE (space, name, by_vendor)
);

-- One version of an entry of a feed, with the facts from first_fact on. replaces is the version before it, heir is 1 where
-- another took its place.
CREATE TABLE catalogue_entries (
	id         BIGINT PRIMARY KEY,
	feed_id    INTEGER NOT NULL,
	name       TEXT COLLATE "C" NOT NULL,
	modified   BIGINT NOT NULL,
	digest     BYTEA NOT NULL,
	added      INTEGER NOT NULL,
	removed    INTEGER NOT NULL,
	replaces   BIGINT NOT NULL,
	heir       SMALLINT NOT NULL,
	first_fact BIGINT NOT NULL,
	facts      INTEGER NOT NULL
);
CREATE UNIQUE INDEX catalogue_entries_current ON catalogue_entries (feed_id, name) WHERE removed = 0;
CREATE INDEX catalogue_entries_removed ON catalogue_entries (removed, id) WHERE removed > 0;

-- What an entry says, under all the keys that it says it under: keys holds their numbers with the ranks.
CREATE TABLE catalogue_facts (
	id       BIGINT PRIMARY KEY,
	entry_id BIGINT NOT NULL,
	keys     BYTEA NOT NULL,
	data     BYTEA NOT NULL
);

CREATE TABLE catalogue_lookup (
	key_id  INTEGER NOT NULL,
	fact_id BIGINT NOT NULL,
	rank    SMALLINT NOT NULL,
	PRIMARY KEY (key_id, fact_id)
);

-- Keys of products.

-- The generation of the catalogue that all devices of an account have been matched with.
ALTER TABLE accounts ADD COLUMN matched_generation BIGINT NOT NULL DEFAULT 0;

-- What a product is looked up by in the catalogue, on any machine that has it: whom a new feed concerns follows from this.
-- other_version is 1 where the versions compared may be others than those installed.
CREATE TABLE product_keys (
	account_id BIGINT NOT NULL,
	product_id BIGINT NOT NULL,
	space      TEXT NOT NULL,
	name       TEXT NOT NULL,
	by_vendor  SMALLINT NOT NULL,
	other_version SMALLINT NOT NULL,
	PRIMARY KEY (account_id, product_id, space, name, by_vendor, other_version),
	FOREIGN KEY (account_id, product_id) REFERENCES products (account_id, id)
);
CREATE INDEX product_keys_key ON product_keys (account_id, space, name);

-- Accepted risks.

-- risk_revision counts the changes of what an account says of vulnerabilities: verdicts are stored by what holds.
ALTER TABLE accounts ADD COLUMN risk_revision BIGINT NOT NULL DEFAULT 0;
-- accepted is on how many live devices it does not count: see devices.
ALTER TABLE vulnerabilities ADD COLUMN accepted BIGINT NOT NULL DEFAULT 0;

-- What an account says of vulnerabilities: see package risk. Rows are never removed; of an entry only its end changes.
-- aliases and versions are lists as JSON, or empty. 0 and '' are any group and device, until_at 0 is no end, revoked_at 0 is
-- not revoked. document to stated_at are those of VEX statements.
CREATE TABLE accepted_risks (
	account_id     BIGINT  NOT NULL REFERENCES accounts (id),
	id             TEXT    NOT NULL,
	source         TEXT    NOT NULL,
	vulnerability  TEXT    NOT NULL,
	aliases        TEXT    NOT NULL,
	product        TEXT    NOT NULL,
	ecosystem      TEXT    NOT NULL,
	versions       TEXT    NOT NULL,
	group_id       BIGINT  NOT NULL,
	device_id      TEXT    NOT NULL,
	reason         TEXT    NOT NULL,
	author         TEXT    NOT NULL,
	created_at     BIGINT  NOT NULL,
	until_at       BIGINT  NOT NULL,
	revoked_at     BIGINT  NOT NULL,
	revoked_by     TEXT    NOT NULL,
	revoked_reason TEXT    NOT NULL,
	document       TEXT    NOT NULL,
	statement      TEXT    NOT NULL,
	status         TEXT    NOT NULL,
	justification  TEXT    NOT NULL,
	stated_at      BIGINT  NOT NULL,
	PRIMARY KEY (account_id, id)
);
CREATE INDEX accepted_risks_active ON accepted_risks (account_id, id) WHERE revoked_at = 0;
CREATE INDEX accepted_risks_vulnerability ON accepted_risks (account_id, vulnerability, id);

-- Shared storage.

-- What the reports and verdicts of several devices have in common: see store/bases.go. content is compressed, and holds a set
-- of facets and a text. Bases never change. retired_at is since when nobody may begin to use one, 0 while all may.
CREATE TABLE report_bases (
	account_id BIGINT NOT NULL REFERENCES accounts (id),
	id         BIGINT NOT NULL,
	kind       TEXT NOT NULL,
	marks      BYTEA NOT NULL,
	content    BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	retired_at BIGINT NOT NULL,
	PRIMARY KEY (account_id, id)
);
-- The verdict, compressed; verdict is empty then.
ALTER TABLE device_reports ADD COLUMN packed_verdict BYTEA NOT NULL DEFAULT '';
-- What is compressed already is not compressed again.
ALTER TABLE device_reports ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE device_reports ALTER COLUMN packed_verdict SET STORAGE EXTERNAL;
ALTER TABLE report_bases ALTER COLUMN content SET STORAGE EXTERNAL;

-- Where a device stands among those that enrolled before and after it: see store/places.go; 0 for nowhere yet.
ALTER TABLE device_reports ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
CREATE INDEX device_reports_place ON device_reports (account_id, place, device_id) WHERE place > 0;

-- Devices that enrolled one after the other: those whose ids begin at first_id, up to the next chunk. last_id is the last of them,
-- slots how many places were given.
CREATE TABLE device_chunks (
	account_id BIGINT NOT NULL,
	first_id   TEXT COLLATE "C" NOT NULL,
	last_id    TEXT COLLATE "C" NOT NULL,
	chunk      BIGINT NOT NULL,
	slots      BIGINT NOT NULL,
	PRIMARY KEY (account_id, first_id)
);

-- Which devices of a chunk have a facet: n of them, by their slots. It takes the place of device_facets. The row of facet 0 is for
-- locking.
CREATE TABLE facet_chunks (
	account_id BIGINT NOT NULL,
	facet      BIGINT NOT NULL,
	chunk      BIGINT NOT NULL,
	n          BIGINT NOT NULL,
	members    BYTEA NOT NULL,
	PRIMARY KEY (account_id, facet, chunk)
);

-- Lists are read in the order of an index. listed is 1 while a device has it; the names are those of the product.
ALTER TABLE product_versions ADD COLUMN listed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE product_versions ADD COLUMN name TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE product_versions ADD COLUMN vendor TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE product_versions ADD COLUMN ecosystem TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE product_versions ADD COLUMN category TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX product_versions_name ON product_versions (account_id, listed, name, vendor, ecosystem, version, level_opswat, category);
CREATE INDEX product_versions_vendor ON product_versions (account_id, listed, vendor, name, ecosystem, version, level_opswat, category);
CREATE INDEX product_versions_version ON product_versions (account_id, listed, version, name, vendor, ecosystem, level_opswat, category);
CREATE INDEX product_versions_category ON product_versions (account_id, listed, category, name, vendor, ecosystem, version, level_opswat);
CREATE INDEX product_versions_level ON product_versions (account_id, listed, level_opswat, name, vendor, ecosystem, version, category);
CREATE INDEX product_versions_cves ON product_versions (account_id, listed, cves, name, vendor, ecosystem, version, level_opswat, category);
CREATE INDEX product_versions_product ON product_versions (account_id, listed, product_id, name, vendor, ecosystem, version, level_opswat, category);

ALTER TABLE vulnerabilities ADD COLUMN listed BIGINT NOT NULL DEFAULT 0;
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
	value BIGINT NOT NULL
);
-- Where there are devices, servers of that version may serve on for a while.
INSERT INTO storage_state (name, value) SELECT 'shared_from', CASE WHEN EXISTS (SELECT 1 FROM devices)
	THEN CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT) + 86400000 ELSE 0 END;
INSERT INTO storage_state (name, value) SELECT 'postings', CASE WHEN EXISTS (SELECT 1 FROM devices) THEN 0 ELSE 1 END;

SELECT 1;
