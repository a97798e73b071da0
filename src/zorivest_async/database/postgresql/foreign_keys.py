"""Foreign keys of a server's schema, as its catalog lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from zorivest_async.database.backend import ForeignKey
from zorivest_async.database.postgresql.schema import JOURNAL_ID

if TYPE_CHECKING:
    from zorivest_async.database.backend import Channel

__all__ = ["foreign_keys"]

# The actions "a" and "r" refuse a deletion: no action, restrict.
_KEYS: Final = """
SELECT child.relname::text, parent.relname::text, reference.confdeltype IN ('a', 'r'),
    array_agg(own.attname::text ORDER BY place.n), array_agg(their.attname::text ORDER BY place.n),
    bool_and(their.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype))
        FILTER (WHERE their.attname <> 'journal_id')
FROM pg_constraint AS reference
JOIN pg_class AS child ON child.oid = reference.conrelid
JOIN pg_class AS parent ON parent.oid = reference.confrelid
CROSS JOIN unnest(reference.conkey, reference.confkey) WITH ORDINALITY AS place(own, their, n)
JOIN pg_attribute AS own ON own.attrelid = child.oid AND own.attnum = place.own
JOIN pg_attribute AS their ON their.attrelid = parent.oid AND their.attnum = place.their
WHERE reference.contype = 'f' AND reference.conparentid = 0 AND parent.relname <> 'journals'
GROUP BY reference.oid, reference.conname, child.relname, parent.relname, reference.confdeltype
ORDER BY child.relname, reference.conname
"""


async def foreign_keys(channel: Channel) -> list[ForeignKey]:
    """Return the foreign keys of the schema, without the journal's number."""
    keys: list[ForeignKey] = []
    for child, parent, refuses, own, their, is_number in (await channel.send(_KEYS, ())).rows:
        pairs = tuple(pair for pair in zip(own, their, strict=True) if pair[1] != JOURNAL_ID)
        keys.append(ForeignKey(child, parent, refuses, pairs, is_number=bool(is_number)))
    return keys
