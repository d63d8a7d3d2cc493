-- What a token is good for: all end entities or those of one tenant, and client certificates in the place of tokens.
ALTER TABLE access_tokens ADD COLUMN tenant TEXT;  -- NULL: all end entities
ALTER TABLE access_tokens ADD COLUMN credential TEXT NOT NULL DEFAULT 'token';  -- or certificate: the hash is of its DER
