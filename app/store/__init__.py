"""What the CA remembers: SQL, and only here."""
