"""${message.rstrip(".")}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = "${up_revision}"
down_revision = ${'"%s"' % down_revision if down_revision else None}


def upgrade() -> None:
    """Upgrade from the version before."""
    ${upgrades if upgrades else "pass"}
