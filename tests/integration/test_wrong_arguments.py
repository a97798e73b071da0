"""Arguments of the wrong type or an impossible value: one error of the library at every door, and nothing is made."""

from __future__ import annotations

import asyncio
import inspect
import math
from typing import TYPE_CHECKING, Any

import pytest

from zorivest_async import (
    ConfigurationError,
    KdfProfile,
    Vault,
    create_encrypted_connection,
    create_vault_engine,
    derive_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

PASSPHRASE = "correct horse battery staple"
KEY = bytes(32)
CHEAPEST = KdfProfile.CHEAPEST

PATHS: dict[str, Any] = {
    "None": None,
    "a number": 5,
    "bytes": b"journal.vault",
    "a NUL": "a\0b",
    "a lone surrogate": "\ud800.vault",
}
SECRETS: dict[str, Any] = {"a number": 5, "bytes": b"passphrase", "nothing": None, "empty": "", "a list": ["a"]}
KEYS: dict[str, Any] = {"a text": "k" * 32, "too short": b"k" * 31, "too long": b"k" * 33, "an array": bytearray(32)}
PROFILES: dict[str, Any] = {"its name": "strong", "its number": 2, "nothing": None}
TIMEOUTS: dict[str, Any] = {"None": None, "a text": "5", "negative": -1, "not a number": math.nan, "a truth": True}
COUNTS: dict[str, Any] = {"none": 0, "a text": "4", "a half": 1.5, "a truth": True}
CALLBACKS: dict[str, Any] = {"a text": "print", "a number": 3}


async def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """Call something and await what it returns, where that can be awaited."""
    result = function(*arguments, **options)
    if inspect.isawaitable(result):
        opened = await result
        if opened is not None:
            await opened.aclose()


def with_vault(name: str) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return a door that is a method of an open vault."""

    async def use(*arguments: Any, **options: Any) -> None:
        async with Vault.open("open.vault", key=KEY) as vault:
            await getattr(vault, name)(*arguments, **options)

    return use


DOORS: dict[str, Callable[[Any], Coroutine[Any, Any, None]]] = {
    "Vault.open path": lambda path: call(Vault.open, path, key=KEY),
    "Vault.restore backup": lambda path: call(Vault.restore, path, "new.vault", key=KEY),
    "Vault.restore path": lambda path: call(Vault.restore, "backup.vault", path, key=KEY),
    "Vault.adopt plaintext_path": lambda path: call(Vault.adopt, path, "new.vault", key=KEY),
    "Vault.adopt path": lambda path: call(Vault.adopt, "plain.db", path, key=KEY),
    "create_encrypted_connection path": lambda path: call(create_encrypted_connection, path, PASSPHRASE),
    "create_vault_engine path": lambda path: call(create_vault_engine, path, KEY),
    "Vault.backup destination": with_vault("backup"),
    "Vault.open passphrase": lambda words: call(Vault.open, "new.vault", passphrase=words, profile=CHEAPEST),
    "Vault.restore passphrase": lambda words: call(Vault.restore, "backup.vault", "new.vault", passphrase=words),
    "Vault.adopt passphrase": lambda words: call(Vault.adopt, "plain.db", "new.vault", passphrase=words),
    "create_encrypted_connection passphrase": lambda words: call(create_encrypted_connection, "new.vault", words),
    "Vault.rekey passphrase": lambda words: with_vault("rekey")(words, profile=CHEAPEST),
    "derive_key passphrase": lambda words: call(derive_key, words, bytes(16), CHEAPEST),
    "Vault.open key": lambda key: call(Vault.open, "new.vault", key=key),
    "Vault.restore key": lambda key: call(Vault.restore, "backup.vault", "new.vault", key=key),
    "Vault.adopt key": lambda key: call(Vault.adopt, "plain.db", "new.vault", key=key),
    "create_vault_engine key": lambda key: call(create_vault_engine, "new.vault", key),
    "derive_key salt": lambda salt: call(derive_key, PASSPHRASE, salt, CHEAPEST),
    "Vault.open profile": lambda profile: call(Vault.open, "new.vault", passphrase=PASSPHRASE, profile=profile),
    "Vault.adopt profile": lambda profile: call(Vault.adopt, "plain.db", "n.vault", passphrase="p", profile=profile),
    "create_encrypted_connection profile": lambda profile: call(
        create_encrypted_connection, "new.vault", PASSPHRASE, profile=profile
    ),
    "derive_key profile": lambda profile: call(derive_key, PASSPHRASE, bytes(16), profile),
    "Vault.open busy_timeout_s": lambda timeout: call(Vault.open, "new.vault", key=KEY, busy_timeout_s=timeout),
    "Vault.in_memory busy_timeout_s": lambda timeout: call(Vault.in_memory, busy_timeout_s=timeout),
    "create_vault_engine busy_timeout_s": lambda timeout: call(
        create_vault_engine, "new.vault", KEY, busy_timeout_s=timeout
    ),
    "Vault.open readers": lambda count: call(Vault.open, "new.vault", key=KEY, readers=count),
    "create_vault_engine pool_size": lambda count: call(create_vault_engine, "new.vault", KEY, pool_size=count),
    "Vault.open images": lambda policy: call(Vault.open, "new.vault", key=KEY, images=policy),
    "Vault.in_memory images": lambda policy: call(Vault.in_memory, images=policy),
    "Vault.adopt images": lambda policy: call(Vault.adopt, "plain.db", "new.vault", key=KEY, images=policy),
    "Vault.open progress": lambda progress: call(Vault.open, "new.vault", key=KEY, progress=progress),
    "Vault.restore progress": lambda progress: call(Vault.restore, "b.vault", "n.vault", key=KEY, progress=progress),
    "Vault.adopt progress": lambda progress: call(Vault.adopt, "plain.db", "new.vault", key=KEY, progress=progress),
    "Vault.backup progress": lambda progress: with_vault("backup")("copy.vault", progress=progress),
    "Vault.rekey progress": lambda progress: with_vault("rekey")("new", profile=CHEAPEST, progress=progress),
    "Vault.verify progress": lambda progress: with_vault("verify")(progress=progress),
    "Vault.open durability": lambda durability: call(Vault.open, "new.vault", key=KEY, durability=durability),
    "create_vault_engine durability": lambda durability: call(
        create_vault_engine, "new.vault", KEY, durability=durability
    ),
}
"""Each public function with one of its arguments open."""

VALUES: dict[str, dict[str, Any]] = {
    "path": PATHS,
    "backup": PATHS,
    "plaintext_path": PATHS,
    "destination": PATHS,
    "passphrase": SECRETS,
    "key": KEYS,
    "salt": {"nothing": None, "a text": "0123456789abcdef", "too short": b"short"},
    "profile": PROFILES,
    "busy_timeout_s": TIMEOUTS,
    "readers": COUNTS,
    "pool_size": {name: value for name, value in COUNTS.items() if value is not None},
    "images": {"a number": 5, "a text": "small"},
    "progress": CALLBACKS,
    "durability": {"another word": "none", "a truth": True, "a list": ["full"]},
}


@pytest.mark.parametrize(
    ("door", "value"),
    [
        pytest.param(door, value, id=f"{door} is {name}")
        for door in DOORS
        for name, value in VALUES[door.rpartition(" ")[2]].items()
    ],
)
def test_a_wrong_argument_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str, value: Any) -> None:
    """It is a ConfigurationError that says what is wrong, and shows no secret; no file is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(DOORS[door](value))
    if isinstance(value, str | bytes) and len(value) > 8:
        assert str(value) not in str(caught.value)
    assert [file for file in tmp_path.iterdir() if not file.name.startswith("open.vault")] == []
