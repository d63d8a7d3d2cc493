-- Signed heads of the RFC 6962 tree over the audit log. The tree grows from the log itself when a checkpoint is written,
-- so entries that were there before this table are in it as well; their chain stays as it was.
CREATE TABLE audit_checkpoints (
    size INTEGER PRIMARY KEY,  -- entries it covers: those with seq up to this
    at   TEXT NOT NULL,
    edge TEXT NOT NULL,        -- hashes (hex, largest subtree first, blanks between) from which the tree goes on
    note TEXT NOT NULL         -- the signed note
);
