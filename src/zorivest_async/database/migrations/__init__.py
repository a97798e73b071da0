"""Migrations: upgrades of the schema of vaults that older releases wrote.

Revision ``0007`` leads to ``PRAGMA user_version = 7``; that number, in the vault, is the only record of its version. A
new vault is made from the models directly. Alembic is imported only for an upgrade, and by developers' commands.
"""
