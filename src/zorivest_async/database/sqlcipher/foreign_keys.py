"""Foreign keys of SQLite's schema, a user's own among them; SQLite only says "FOREIGN KEY constraint failed"."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from zorivest_async.database.backend import ForeignKey

if TYPE_CHECKING:
    from zorivest_async.database.backend import Channel

__all__ = ["foreign_keys"]

_REFUSING_ACTIONS: Final = ("NO ACTION", "RESTRICT")

# A key without a column of the parent refers to its primary key (https://sqlite.org/foreignkeys.html).
_KEYS: Final = """
SELECT child.name, reference.id, reference."table", reference.on_delete, reference."from",
    coalesce(
        reference."to", (SELECT name FROM pragma_table_info(reference."table") WHERE pk = reference.seq + 1)
    )
FROM sqlite_master AS child JOIN pragma_foreign_key_list(child.name) AS reference
WHERE child.type = 'table' AND child.sql NOT LIKE 'CREATE VIRTUAL%'
ORDER BY child.name, reference.id, reference.seq
"""


async def foreign_keys(channel: Channel) -> list[ForeignKey]:
    """Return the foreign keys of the schema, except those to a missing table, which cannot be queried."""
    keys: list[ForeignKey] = []
    for (child, _), parts in groupby((await channel.send(_KEYS, ())).rows, lambda row: row[:2]):
        references = list(parts)
        _, _, parent, on_delete, *_ = references[0]
        if all(to is not None for *_, to in references):
            columns = tuple((own, to) for *_, own, to in references)
            keys.append(ForeignKey(child, parent, on_delete in _REFUSING_ACTIONS, columns))
    return keys
