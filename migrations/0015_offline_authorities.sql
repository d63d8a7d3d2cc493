-- CAs whose key is kept elsewhere: made by a ceremony (midca init --root-out), and never on this machine since.
CREATE TABLE offline_authorities (
    ca_name TEXT PRIMARY KEY,
    since   TEXT NOT NULL
);
