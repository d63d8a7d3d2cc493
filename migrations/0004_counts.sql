-- /metrics counts certificates and end entities at each scrape: from these alone, without reading the rows.

DROP INDEX certificates_by_state;
CREATE INDEX certificates_by_state ON certificates (
    state, certificate_type, ca_name, certificate_profile, revocation_reason
);
CREATE INDEX end_entities_by_status ON end_entities (status);
