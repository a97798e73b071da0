"""Hostile vault files, as an enemy without the key makes them: pages and sidecars changed, cut, moved and made up."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from hypothesis import strategies as st

from fuzzing.target import Edit, Target, edit, edits, run
from fuzzing.vaults import KEY, folder, left_beside, seed, use
from workers.truth import read_all
from zorivest_async import Vault, VaultError, ZorivestError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["VAULT_FILES"]

PAGE_BYTES: Final = 4096

_JOURNAL_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
"""https://sqlite.org/fileformat2.html#the_rollback_journal"""


@dataclass(frozen=True, slots=True)
class HostileVault:
    """A vault's files and what is done with them.

    Attributes:
        pages: Changes of whole pages: what, which one, and another one.
        changes: Changes of single bytes.
        wal: ``None`` or changes of the seed's WAL.
        wal_checksums: Its checksums are made right again.
        journal: A rollback journal that lies beside it.
        action: What is done with it.
    """

    pages: tuple[tuple[Literal["swap", "copy", "zero", "drop"], int, int], ...]
    changes: list[Edit]
    wal: list[Edit] | None
    wal_checksums: bool
    journal: bytes
    action: Literal["use", "read", "restore", "restore over"]

    @property
    def is_whole(self) -> bool:
        """Whether it is the seed, but for what SQLite must leave alone."""
        return not self.pages and not self.changes and not self.wal and not self.journal


@st.composite
def _journals(draw: st.DrawFn) -> bytes:
    """Draw a rollback journal: noise, or a header and pages, with the name of another journal behind them."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=64))
    records, nonce, pages = draw(st.integers(0, 2**32 - 1)), 7, draw(st.integers(0, 100))
    sector = draw(st.sampled_from([0, 1, 32, 512, 4096, 65536, 2**31]))
    size = draw(st.sampled_from([512, 1024, 4096, 65536]))
    header = _JOURNAL_MAGIC + struct.pack(">IIIII", records, nonce, pages, sector, size)
    body = b"".join(
        struct.pack(">I", number) + bytes(PAGE_BYTES) + struct.pack(">I", nonce)
        for number in draw(st.lists(st.integers(0, 100), max_size=3))
    )
    name = draw(st.sampled_from([b"", b"other-mj", b"/dev/stdin"]))
    trailer = name + struct.pack(">II", len(name), sum(name)) + _JOURNAL_MAGIC if name else b""
    return edit(header.ljust(512, b"\0") + body + trailer, draw(edits(2)))


_PAGE_CHANGES: Final = st.tuples(
    st.sampled_from(["swap", "copy", "zero", "drop"]), st.integers(0, 3) | st.integers(0, 99), st.integers(0, 99)
)

_INPUTS: Final = st.builds(
    HostileVault,
    pages=st.lists(_PAGE_CHANGES, max_size=2).map(tuple),
    changes=edits(3),
    wal=st.none() | edits(4),
    wal_checksums=st.booleans(),
    journal=st.just(b"") | _journals(),
    action=st.sampled_from(["use", "read", "restore", "restore over"]),
)


def _changed_pages(data: bytes, changes: Any) -> bytes:
    pages = [data[start : start + PAGE_BYTES] for start in range(0, len(data), PAGE_BYTES)]
    for what, first, second in changes:
        a, b = first % len(pages), second % len(pages)
        match what:
            case "swap":
                pages[a], pages[b] = pages[b], pages[a]
            case "copy":
                pages[a] = pages[b]
            case "zero":
                pages[a] = bytes(PAGE_BYTES)
            case _ if len(pages) > 1:
                del pages[a]
            case _:
                pass
    return b"".join(pages)


def with_checksums(wal: bytes) -> bytes:
    """Return a WAL whose header and frames have the checksums that SQLite expects: no key is needed for them."""
    header = bytearray(wal[:32])
    if len(header) < 32:
        return wal
    order: Literal["<", ">"] = ">" if header[3] & 1 else "<"
    sums = _sum((0, 0), bytes(header[:24]), order)
    header[24:32] = struct.pack(">II", *sums)
    salts, frames = bytes(header[16:24]), [bytes(header)]
    for start in range(32, len(wal) - 24 - PAGE_BYTES + 1, 24 + PAGE_BYTES):
        head, page = wal[start : start + 8], wal[start + 24 : start + 24 + PAGE_BYTES]
        sums = _sum(_sum(sums, head, order), page, order)
        frames.append(head + salts + struct.pack(">II", *sums) + page)
    return b"".join(frames)


def _sum(sums: tuple[int, int], data: bytes, order: Literal["<", ">"]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for a, b in zip(words[::2], words[1::2], strict=True):
        first = (first + a + second) & 0xFFFFFFFF
        second = (second + b + first) & 0xFFFFFFFF
    return first, second


def _lay_out(hostile: HostileVault, path: Path) -> None:
    made = seed()
    path.write_bytes(edit(_changed_pages(made.vault, hostile.pages), hostile.changes))
    if hostile.wal is not None:
        wal = edit(made.wal, hostile.wal)
        path.with_name(path.name + "-wal").write_bytes(with_checksums(wal) if hostile.wal_checksums else wal)
    if hostile.journal:
        path.with_name(path.name + "-journal").write_bytes(hostile.journal)


def _check(hostile: HostileVault) -> str:
    seed()
    with folder() as place:
        bystander = place / "other-mj"
        bystander.write_bytes(b"of another program")
        path = place / "hostile.vault"
        _lay_out(hostile, path)
        os.chdir(place)  # so that a relative name leads to the bystander
        ending = run(_ACTIONS[hostile.action](hostile, path))
        assert bystander.read_bytes() == b"of another program"
        bystander.unlink()
        os.chdir("/")
        left = left_beside(path, place / "restored")
        assert not left, left
        return ending


async def _use(_hostile: HostileVault, path: Path) -> str:
    return "taken" if await use(path) else "refused"


async def _read(hostile: HostileVault, path: Path) -> str:
    """Read what the vault held, or an error: never anything else."""
    try:
        async with Vault.open(path, key=KEY, create=False) as vault:
            try:
                found = await read_all(vault)
            except ZorivestError:
                assert not hostile.is_whole
                return "refused"
            if not (hostile.wal and hostile.wal_checksums):  # which replays older pages as it likes
                assert found in (seed().before, seed().after)
            return "taken"
    except VaultError:
        assert not hostile.is_whole
        return "refused"


async def _restore(hostile: HostileVault, path: Path) -> str:
    return await _restored(hostile, path)


async def _restore_over(hostile: HostileVault, path: Path) -> str:
    """Restore in the place of a vault, which stays as it was where the backup is refused."""
    place = path.with_name("restored")
    place.write_bytes(seed().vault)
    ending = await _restored(hostile, path)
    if ending == "refused":
        assert place.read_bytes() == seed().vault
    return ending


async def _restored(hostile: HostileVault, path: Path) -> str:
    before = path.read_bytes()
    try:
        await Vault.restore(path, path.with_name("restored"), key=KEY)
    except VaultError:
        assert not hostile.is_whole
        return "refused"
    finally:
        assert path.read_bytes() == before
    async with Vault.open(path.with_name("restored"), key=KEY, create=False) as vault:
        assert (await vault.verify()).ok
        await read_all(vault)
    return "taken"


_ACTIONS: Final = {"use": _use, "read": _read, "restore": _restore, "restore over": _restore_over}

VAULT_FILES: Final = Target(_INPUTS, _check)
