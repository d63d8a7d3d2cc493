-- What an operator looks for among a million rows, without reading all of them: the newest, those that end soonest, a
-- serial by its beginning, end entities of a state in the order of their names.

CREATE INDEX certificates_by_creation ON certificates (created_at);
CREATE INDEX certificates_by_end ON certificates (not_after);
CREATE INDEX certificates_by_serial ON certificates (serial);
DROP INDEX end_entities_by_status;
CREATE INDEX end_entities_by_status ON end_entities (status, username);
