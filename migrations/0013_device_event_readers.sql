-- Who may still enrol with a password that everyone knows, and what the readers of dojot's device events tell the server:
-- they may be other processes, in other containers, and /metrics and /ready are the server's.

-- 1: the password is dojot's. Of those that were there before, the ones whose verifier is not stretched may have it; the
-- others of these have a random one. Both are counted until the password is spent, which errs on the loud side.
ALTER TABLE end_entities ADD COLUMN public_password INTEGER NOT NULL DEFAULT 0;
UPDATE end_entities SET public_password = 1 WHERE password_verifier LIKE 'ca1$h$%';

CREATE INDEX end_entities_by_public_password ON end_entities (
    end_entity_profile, armed_at, status, claimed_by, public_password
)
WHERE public_password = 1 AND claimed_by IS NULL AND status IN (10, 11, 30, 70);

CREATE TABLE event_readers (
    reader       TEXT PRIMARY KEY,  -- of one process, made anew at each start
    seen_at      TEXT NOT NULL,
    caught_up_at TEXT NOT NULL,     -- when it last had nothing left to read; its start, before that
    trouble      TEXT NOT NULL,     -- why it has something left now; empty: it has not
    lag          INTEGER NOT NULL,  -- messages that are not applied yet
    tenants      INTEGER NOT NULL,
    synced_at    TEXT,              -- end of its last complete comparison with device-manager, and what that found:
    not_in_dojot INTEGER NOT NULL,
    revoked_here INTEGER NOT NULL,
    shared_names INTEGER NOT NULL
);

-- Totals over all readers there ever were.
CREATE TABLE event_counts (
    kind   TEXT NOT NULL,  -- message, skipped, sync
    label  TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, label)
);
