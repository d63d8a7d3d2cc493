-- One row for each CRL a CA was asked to sign; pending until the signed list is stored. Numbers only grow.
CREATE TABLE revocation_lists (
    ca_name     TEXT NOT NULL,
    number      INTEGER NOT NULL,
    state       TEXT NOT NULL,     -- pending (may be signed), issued
    revision    INTEGER NOT NULL,  -- of the CA's revocations, as this list shows them
    tbs_sha256  TEXT NOT NULL UNIQUE,
    crl         TEXT,              -- DER as base64, of the newest issued list alone
    this_update TEXT NOT NULL,
    next_update TEXT NOT NULL,
    PRIMARY KEY (ca_name, number)
);

-- Counts every revocation, hold and release of a CA, so that a list can be seen to be behind.
CREATE TABLE revocation_revisions (
    ca_name  TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
);

CREATE INDEX certificates_by_revocation ON certificates (ca_name, revocation_reason);
