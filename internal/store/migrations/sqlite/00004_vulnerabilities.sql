-- +goose Up
-- What being right about vulnerabilities is made of: the catalogue that feeds fill, the keys that products are looked up by,
-- risks that somebody accepted, and storage that devices share.

-- The catalogue.

-- Keys of products.

-- What a product is looked up by in the catalogue, on any machine that has it: whom a new feed concerns follows from this.
CREATE TABLE product_keys (
	account_id INTEGER NOT NULL,
	product_id INTEGER NOT NULL,
	space      TEXT NOT NULL,
	name       TEXT NOT NULL,
	by_vendor  INTEGER NOT NULL,
	PRIMARY KEY (account_id, product_id, space, name, by_vendor),
	FOREIGN KEY (account_id, product_id) REFERENCES products (account_id, id)
) WITHOUT ROWID;
CREATE INDEX product_keys_key ON product_keys (account_id, space, name);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('product_keys', 'product_keys', '100000 10000 2 1 1 1'),
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

SELECT 1;
