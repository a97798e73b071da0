"""An aggregate that the library does not have: notes on trades, registered as a contributor would declare it.

``python -m workers.notes FOLDER`` takes a plaintext journal with notes through all that goes through the registry, and
prints what came of it. Importing this module adds the table to the declared schema, so no test imports it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, create_engine
from sqlalchemy.orm import Mapped, mapped_column

from zorivest_async import KdfProfile, Vault
from zorivest_async.database.aggregates import AGGREGATES, Aggregate
from zorivest_async.database.mapping import Codec, RowMapper
from zorivest_async.database.models import Base
from zorivest_async.database.types import TagList
from zorivest_async.domain.entity import Entity
from zorivest_async.domain.validation import Flag, Identifier, Size, Tags, Text, Timestamp
from zorivest_async.transfer.journal import export_journal, import_journal

PASSPHRASE = "correct horse"


@dataclass(frozen=True, slots=True)
class Note(Entity):
    """A note on a trade, or on none."""

    text: Text
    written_at: Timestamp
    trade_id: Identifier | None = None
    pinned: Flag = False
    labels: Tags = ()
    mood: Text = "calm"
    id: Size | None = field(default=None, compare=False)


class NoteModel(Base):
    """Notes; the mood is stored as a number, which only a codec of its own tells."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    text: Mapped[str]
    written_at: Mapped[dt.datetime]
    trade_id: Mapped[str | None] = mapped_column(ForeignKey("trades.exec_id"))
    pinned: Mapped[bool | None] = mapped_column(default=False)
    labels: Mapped[tuple[str, ...] | None] = mapped_column(TagList)
    feeling: Mapped[int] = mapped_column(default=0)

    __table_args__ = (CheckConstraint("feeling IN (0, 1)", name="feeling"),)


_MOODS = {0: "calm", 1: "angry"}
_MOOD = Codec(_MOODS.__getitem__, [*_MOODS.values()].index)
_TABLE: Any = NoteModel.__table__

AGGREGATES.register(
    Aggregate(
        RowMapper(
            Note,
            _TABLE,
            renamed={"mood": "feeling"},
            codecs={"mood": _MOOD},
        ),
        lambda n: {"text": f"note {n}", "written_at": dt.datetime(2024, 3, 8, 12, n, tzinfo=dt.UTC), "mood": "angry"},
    )
)


def make_plaintext(path: Path) -> None:
    """Make a plaintext journal: a trade, a note on it and two that leave something out."""
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    noon = "2024-03-08 12:00:00.000000"
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(
            "INSERT INTO trades (exec_id, time, instrument, action, quantity, price, account_id, commission, "
            "realized_pnl) VALUES ('T1', ?, 'SPY', 'BOT', 1, 2, 'U1', 0, 0)",
            (noon,),
        )
        raw.executemany(
            "INSERT INTO notes (id, text, written_at, trade_id, pinned, labels, feeling) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (3, "on a trade", noon, "T1", 1, '["a"]', 0),
                (5, "on none", noon, None, None, "b, c", 1),
                (7, "on a trade that is gone", noon, "gone", 0, None, 0),
            ],
        )


async def main(folder: Path) -> None:
    """Adopt, export and import, and print the notes and what was noted about them."""
    report = await Vault.adopt(
        folder / "plain.db", folder / "one.vault", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST
    )
    async with Vault.open(folder / "one.vault", passphrase=PASSPHRASE) as vault:
        counts = await export_journal(vault, folder / "exported")
        adopted = await _notes(vault)
    async with Vault.open(folder / "two.vault", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        imported = await import_journal(vault, folder / "exported")
        again = await _notes(vault)
    found = {
        "adopted": report.tables["notes"].stored,
        "notes": sorted(f"{n.column}: {n.what}" for n in report.notes if n.table == "notes" and n.keys),
        "exported": counts["notes"],
        "imported": [entry.key for entry in imported.inserted if str(entry.row).startswith("notes")],
        "ids": [note.id for note in again],
        "same": again == adopted,
        "rows": [[note.text, note.trade_id, note.pinned, note.labels, note.mood] for note in again],
    }
    print(json.dumps(found))


async def _notes(vault: Vault) -> list[Note]:
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.rows.page(Note)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    make_plaintext(place / "plain.db")
    asyncio.run(main(place))
