"""Start of the program ``zorivest``, which does not import the database for its help and its version.

An import of any part of ``zorivest_async`` imports all of the library first, which takes half a second. The program
imports the package without its contents, and these when a command first uses one of them.
"""

from zorivest_async_program.start import main

__all__ = ["main"]
