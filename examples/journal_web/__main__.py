"""``python -m examples.journal_web journal.vault``: serve a journal to this machine alone."""

import argparse
import asyncio
import gc
import getpass
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn

from examples.journal_web.app import create_app
from examples.journal_web.sample import add_sample
from zorivest_async import KdfProfile, Vault
from zorivest_async.integrations.web import Login


def ask_for_passphrase(path: str) -> str:
    """Ask for the passphrase; twice where it is that of a new vault, which a slip would lock for good."""
    passphrase = getpass.getpass("Passphrase: ")
    if not Path(path).exists() and getpass.getpass("Again, as this vault is new: ") != passphrase:
        raise SystemExit("the two passphrases differ")
    return passphrase


def listen(port: int) -> socket.socket:
    """Take a port before the server starts, so that the address that it prints has the right one."""
    # Named as TCP, as asyncio looks for before it sets TCP_NODELAY; without that each answer takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        raise SystemExit(f"port {port} cannot be used: {error.strerror}") from None
    return listening


def main() -> None:
    """Ask for the passphrase, unless ``ZORIVEST_PASSPHRASE`` has it, and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m examples.journal_web", description=__doc__)
    parser.add_argument("path", help="the vault; it is made where there is none")
    parser.add_argument("--port", type=int, default=8000, help="0 for any free one (default: 8000)")
    parser.add_argument("--sample", action="store_true", help="add a few invented trades with charts")
    parser.add_argument("--cheapest", action="store_true", help=argparse.SUPPRESS)  # for tests
    arguments = parser.parse_args()
    passphrase = os.environ.get("ZORIVEST_PASSPHRASE") or ask_for_passphrase(arguments.path)
    profile = KdfProfile.CHEAPEST if arguments.cheapest else KdfProfile.DEFAULT

    @asynccontextmanager
    async def open_vault() -> AsyncGenerator[Vault]:
        async with Vault.open(arguments.path, passphrase=passphrase, profile=profile) as vault:
            if arguments.sample:
                await add_sample(vault)
            # What was imported stays: the collector would look through it again and again, for 60 ms each time.
            gc.collect()
            gc.freeze()
            yield vault

    listening = listen(arguments.port)
    login = Login(f"http://127.0.0.1:{listening.getsockname()[1]}")
    config = uvicorn.Config(create_app(open_vault, login), log_level="warning")
    with suppress(KeyboardInterrupt):  # which uvicorn raises again once it has ended in order
        asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main()
