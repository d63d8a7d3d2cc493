-- Backups that were made of this database: how long ago the last one was.
CREATE TABLE backups (
    entry INTEGER PRIMARY KEY,  -- seq of the audit entry that tells of it
    at    TEXT NOT NULL
);

-- Restores that this database comes from, each told of by an audit entry, too.
CREATE TABLE restores (
    entry       INTEGER PRIMARY KEY,  -- seq of that audit entry; those before it came with the backup
    at          TEXT NOT NULL,
    verifier    TEXT NOT NULL,        -- public key of the audit log's checkpoints until then; another one signs since
    list_number INTEGER NOT NULL      -- no revocation list that was issued since has a number up to this
);
