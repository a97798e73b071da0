"""Derive a key with too little memory, and look for secrets in the error: the limit is the whole process's.

Usage: ``python -m workers.little_memory``; prints the error's class and message, and how many secrets it shows.
"""

from __future__ import annotations

import resource
import sys

from canaries import PASSPHRASE, found_in, shown_by
from zorivest_async import ConfigurationError, KdfProfile, derive_key

assert sys.platform != "win32", "Windows has no limit on the memory of a process"


def main() -> None:
    """Derive it, and tell of the error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1, hard))
    try:
        derive_key(PASSPHRASE, bytes(16), KdfProfile.STRONG)
    except ConfigurationError as error:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        print(f"{type(error).__name__}: {error}", len(found_in(shown_by(error))), sep="\n")


if __name__ == "__main__":
    main()
