"""Plain values: enums, entities, filters and the ports that repositories implement. No SQLAlchemy below this line."""
