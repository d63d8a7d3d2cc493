-- What a revocation list needs of a certificate, from this index alone: a list of a million entries reads a million rows.
-- "<> 0" because SQLite takes "> 0" for the place to begin at, and reads every page from there.

DROP INDEX certificates_by_revision;
CREATE INDEX certificates_by_revision ON certificates (
    ca_name, revocation_revision, serial, not_after, revoked_at, revocation_reason, crl_partition
) WHERE revocation_revision <> 0;
