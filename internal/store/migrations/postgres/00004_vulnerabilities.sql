-- +goose Up
-- What being right about vulnerabilities is made of: the catalogue that feeds fill, the keys that products are looked up by,
-- risks that somebody accepted, and storage that devices share.

-- The catalogue.

-- Keys of products.

-- What a product is looked up by in the catalogue, on any machine that has it: whom a new feed concerns follows from this.
CREATE TABLE product_keys (
	account_id BIGINT NOT NULL,
	product_id BIGINT NOT NULL,
	space      TEXT NOT NULL,
	name       TEXT NOT NULL,
	by_vendor  SMALLINT NOT NULL,
	PRIMARY KEY (account_id, product_id, space, name, by_vendor),
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

SELECT 1;
