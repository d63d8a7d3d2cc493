"""What the CA keeps on disk: certificates, encrypted keys, secrets, and what the operator writes in YAML."""
