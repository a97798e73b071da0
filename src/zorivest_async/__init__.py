"""A trading journal in one encrypted file, for code that awaits."""
