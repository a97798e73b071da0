"""Alembic environment of PostgreSQL: it prints the SQL of revisions."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Print the statements, to be run in one transaction."""
    context.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},  # otherwise each percent sign would be printed twice
        output_buffer=context.config.output_buffer,
        version_table="zorivest_version",  # Alembic's own name may be another program's in the same schema
    )
    context.run_migrations()


run()
