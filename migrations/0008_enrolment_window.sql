-- When the enrolment password was set. modified_at moves with every enrolment, and a window that begins there would never
-- end for a password that signs more than once. For what is there it is the best that is known.
ALTER TABLE end_entities ADD COLUMN armed_at TEXT NOT NULL DEFAULT '';
UPDATE end_entities SET armed_at = modified_at;
