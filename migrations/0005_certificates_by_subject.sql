CREATE INDEX certificates_by_subject ON certificates (ca_name, subject_dn);
