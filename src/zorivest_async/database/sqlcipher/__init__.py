"""Backend for SQLCipher: the driver, its DB-API and dialect, connections, the pool, full-text search and BLOBs."""
