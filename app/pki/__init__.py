"""What things are: X.509 objects and the rules about them. No web, SQL, files, clock or randomness."""
