-- Receipts of pushed requests; see storage/receipts.py.

CREATE TABLE receipt (
    key text COLLATE "C" PRIMARY KEY, body_sha256 text NOT NULL, received_at bigint NOT NULL, answer bytea NOT NULL,
    checksum bigint NOT NULL
);
CREATE INDEX receipt_age ON receipt (received_at);
