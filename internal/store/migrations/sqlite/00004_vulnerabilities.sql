-- +goose Up
-- What being right about vulnerabilities is made of: the catalogue that feeds fill, the keys that products are looked up by,
-- risks that somebody accepted, and storage that devices share.

-- The catalogue.

-- Keys of products.

-- Accepted risks.

-- Shared storage.

SELECT 1;
