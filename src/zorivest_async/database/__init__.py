"""Everything that knows SQL: the dialect, connections, models, repositories and the unit of work."""
