-- What an end entity's certificates get beside its subject, as EJBCA writes it: 'dNSName=a.example, iPAddress=192.0.2.1',
-- '2030-12-31 23:59:59+00:00' or days:hours:minutes from the signing. Empty: none.
ALTER TABLE end_entities ADD COLUMN subject_alt_name TEXT NOT NULL DEFAULT '';
ALTER TABLE end_entities ADD COLUMN start_time TEXT NOT NULL DEFAULT '';
ALTER TABLE end_entities ADD COLUMN end_time TEXT NOT NULL DEFAULT '';
