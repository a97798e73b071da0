"""Migrations of PostgreSQL's schema, as SQL: its first revision makes version 4, later ones have a vault's numbers.

A revision only sends statements and reads nothing, so that ``zorivest server upgrade`` runs the text that
``zorivest server sql`` prints. Sealed data has no key on the server, so no revision could change it there anyway.
"""
