"""Run a PostgreSQL server until the test run that asked for it has ended.

Usage: ``python -m workers.server PROGRAMS FOLDER NAME``; see ``servers.keep``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from servers import keep

if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
