-- Plain portable SQL: TEXT and INTEGER columns, natural keys, times as ISO 8601 TEXT in UTC, DER as base64 TEXT.

CREATE TABLE end_entities (
    username            TEXT PRIMARY KEY,
    status              INTEGER NOT NULL,  -- EJBCA's numbers: NEW 10, INPROCESS 30, GENERATED 40, REVOKED 50 ...
    subject_dn          TEXT NOT NULL,
    ca_name             TEXT NOT NULL,
    certificate_profile TEXT NOT NULL,
    end_entity_profile  TEXT NOT NULL,
    token_type          INTEGER NOT NULL,
    send_notification   INTEGER NOT NULL,
    password_verifier   TEXT,              -- NULL: nobody can enrol
    claimed_by          TEXT,              -- serial of the certificate that is being signed with the one-time password
    created_at          TEXT NOT NULL,
    modified_at         TEXT NOT NULL
);

CREATE INDEX end_entities_by_subject ON end_entities (ca_name, subject_dn);

-- Wrong passwords in a row. The key is an end entity's name or a bucket that unknown names share.
CREATE TABLE password_failures (
    subject       TEXT PRIMARY KEY,
    failures      INTEGER NOT NULL,
    blocked_until TEXT NOT NULL
);

CREATE TABLE certificates (
    ca_name             TEXT NOT NULL,
    serial              TEXT NOT NULL,     -- upper-case hex without leading zeros
    state               TEXT NOT NULL,     -- pending (may be signed), issued, orphan (given up and revoked)
    certificate_type    INTEGER NOT NULL,  -- EJBCA's numbers: end entity 1, sub CA 2, root CA 8
    username            TEXT NOT NULL,     -- the end entity, or the CA's own name
    subject_dn          TEXT NOT NULL,
    tbs                 TEXT,              -- the exact to-be-signed bytes, until the signed certificate is stored
    tbs_sha256          TEXT NOT NULL UNIQUE,
    certificate         TEXT,
    csr_sha256          TEXT,
    public_key_sha256   TEXT NOT NULL,
    certificate_profile TEXT NOT NULL,
    profile_sha256      TEXT NOT NULL,
    not_before          TEXT NOT NULL,
    not_after           TEXT NOT NULL,
    created_at          TEXT NOT NULL,
    revoked_at          TEXT,
    revocation_reason   INTEGER NOT NULL,  -- RFC 5280 5.3.1; -1: not revoked
    PRIMARY KEY (ca_name, serial)
);

CREATE INDEX certificates_by_username ON certificates (username, created_at);
CREATE INDEX certificates_by_public_key ON certificates (public_key_sha256);
CREATE INDEX certificates_by_state ON certificates (state);

CREATE TABLE access_tokens (
    name        TEXT PRIMARY KEY,
    role        TEXT NOT NULL,
    token_sha256 TEXT NOT NULL UNIQUE,     -- of a random 256-bit token, so a plain hash is enough
    created_at  TEXT NOT NULL,
    expires_at  TEXT,
    revoked_at  TEXT
);

-- What was done, by whom, in the order it was done. Each entry is canonical JSON; chain_sha256 is over the entry and
-- the chain before it.
CREATE TABLE audit_log (
    seq          INTEGER PRIMARY KEY,
    at           TEXT NOT NULL,
    entry        TEXT NOT NULL,
    chain_sha256 TEXT NOT NULL
);
