-- /metrics counts certificates and end entities at each scrape: from these alone, without reading the rows.
CREATE INDEX certificates_by_kind ON certificates (
    certificate_type, ca_name, certificate_profile, state, revocation_reason
);
CREATE INDEX end_entities_by_status ON end_entities (status);
