-- Lists of distribution points, partitions and deltas beside the one list of a CA, and certificates that take the place
-- of earlier ones.

ALTER TABLE certificates ADD COLUMN crl_partition INTEGER;  -- of the list its distribution point names, if partitioned
ALTER TABLE certificates ADD COLUMN supersedes INTEGER NOT NULL DEFAULT 0;  -- 1: once issued, those before it are revoked
ALTER TABLE certificates ADD COLUMN revocation_revision INTEGER NOT NULL DEFAULT 0;  -- of the CA, at its last change

UPDATE certificates SET revocation_revision = coalesce(
    (SELECT revision FROM revocation_revisions WHERE revocation_revisions.ca_name = certificates.ca_name), 1)
WHERE revocation_reason >= 0;

DROP INDEX certificates_by_revocation;
CREATE INDEX certificates_by_revision ON certificates (ca_name, revocation_revision, serial)
    WHERE revocation_revision > 0;
CREATE INDEX certificates_by_partition ON certificates (ca_name, crl_partition) WHERE crl_partition IS NOT NULL;

ALTER TABLE revocation_lists RENAME TO revocation_lists_of_one_scope;

-- One row for each CRL a CA was asked to sign; pending until the signed list is stored. Numbers only grow, over all
-- scopes of a CA; lists that are issued together have the same one. A list that was signed and not handed out (see
-- padding) has the number of the one that was.
CREATE TABLE revocation_lists (
    ca_name     TEXT NOT NULL,
    scope       TEXT NOT NULL,     -- all, point (a distribution point's), point~N (of partition N)
    kind        TEXT NOT NULL,     -- complete, delta
    number      INTEGER NOT NULL,
    state       TEXT NOT NULL,     -- pending (may be signed), issued
    revision    INTEGER NOT NULL,  -- of the CA's revocations, as this list shows them
    tbs_sha256  TEXT PRIMARY KEY,
    crl         TEXT,              -- DER as base64, of the newest issued list alone
    about       TEXT NOT NULL,     -- hash of what it says of itself beside entries, number and dates; another is due
    octets      INTEGER NOT NULL,  -- the size of the signed list, also when its bytes are dropped; 0 until signed
    this_update TEXT NOT NULL,
    next_update TEXT NOT NULL
);

INSERT INTO revocation_lists (ca_name, scope, kind, number, state, revision, tbs_sha256, crl, about, octets,
    this_update, next_update)
SELECT ca_name, 'all', 'complete', number, state, revision, tbs_sha256, crl, '', coalesce(length(crl) / 4 * 3, 0),
    this_update, next_update
FROM revocation_lists_of_one_scope;

DROP TABLE revocation_lists_of_one_scope;

CREATE INDEX revocation_lists_by_number ON revocation_lists (ca_name, number);
CREATE UNIQUE INDEX revocation_lists_issued ON revocation_lists (ca_name, scope, kind, number) WHERE state = 'issued';
CREATE UNIQUE INDEX revocation_lists_newest ON revocation_lists (ca_name, scope, kind) WHERE crl IS NOT NULL;
