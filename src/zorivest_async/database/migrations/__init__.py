"""The schema's history: how vaults that older releases wrote become what this one reads.

Revision ``0007`` leads to ``PRAGMA user_version = 7``; that number, in the vault, is the only record of its version. A
new vault is made from the models at once. Alembic is imported when there is something to upgrade, and by developers.
"""
