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

-- Shared storage.

SELECT 1;
