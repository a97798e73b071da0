"""PostgreSQL as a backend: many journals in the database of a server, over asyncpg."""
