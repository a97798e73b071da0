"""Entry point of ``python -m benchmarks``."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_EXTRA = ("advanced_alchemy", "matplotlib", "pyvips")


def _main() -> int:
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        sys.stderr.write(f"{', '.join(missing)} missing: pip install 'zorivest-async[bench]'\n")
        return 2
    from benchmarks.command import main  # noqa: PLC0415 - it imports what may be missing

    return main()


if __name__ == "__main__":
    sys.exit(_main())
