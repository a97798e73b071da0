"""One module per version of the schema; once released, it never changes."""
