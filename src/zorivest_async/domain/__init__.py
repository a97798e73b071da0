"""Domain: entities, enums, queries, settings and their validation. It does not know SQL."""
