"""``python -m zorivest_async`` is the program ``zorivest``."""

import sys

from zorivest_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
