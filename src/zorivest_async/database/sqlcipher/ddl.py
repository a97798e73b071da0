"""Parser for the statements that SQLite stores in ``sqlite_master``: tokens, names, and the parts of definitions.

Two equivalent statements may differ in blanks, comments, case and quotes: for example, SQLite's own ``ALTER TABLE``
quotes names. Therefore statements are compared by their tokens (https://sqlite.org/lang.html).
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlcipher3 import dbapi2 as sqlcipher

__all__ = [
    "Key",
    "Part",
    "Schema",
    "SchemaObject",
    "TableDefinition",
    "fold",
    "quoted",
    "read_schema",
    "shown",
    "tokens_of",
]

_TOKEN: Final = re.compile(
    r"""
    (?P<space> [ \t\n\f\r]+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<literal> '(?:[^']|'')*' | [0-9][A-Za-z0-9_.]* )
    | (?P<name> "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] )
    | (?P<word> [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
    | (?P<mark> . )
    """,
    re.VERBOSE | re.DOTALL,
)

_KEYWORDS: Final = frozenset(
    """
    after always and as asc autoincrement before begin between cascade case cast check collate conflict constraint
    create current_date current_time current_timestamp default deferrable deferred delete desc each else end escape
    except exists fail for foreign from generated glob group having if ignore immediate in index initially insert
    instead intersect into is isnull join like limit match no not notnull null of on or order primary raise references
    regexp replace restrict rollback row select set table temp temporary then trigger union unique update using values
    view virtual when where with without
    """.split()  # noqa: SIM905 - a line for each word would be no clearer
)
"""Words that are keywords without quotes. ``"unique"`` in quotes is part of a column's type, and not a constraint."""

_ASCII_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_CONSTRAINTS: Final = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
"""Keywords that begin a table constraint, and not a column."""

_TYPES: Final = frozenset({"TABLE", "INDEX", "VIEW", "TRIGGER"})

_QUOTES: Final = frozenset("\"'`[")

_LONGEST_NAME: Final = 60
"""Maximum number of characters of a name in a message; a name itself may have a million."""

Key: TypeAlias = tuple[bool, str]
"""Identity of an object for SQLite: whether it is a trigger, as triggers have a namespace of their own, and its folded
name."""


def fold(name: str) -> str:
    """Return a name in the form that SQLite compares, which ignores the case of ASCII letters only."""
    return name.translate(_ASCII_LOWER)


def quoted(name: str) -> str:
    """Return a name in quotes, for a statement."""
    return '"' + name.replace('"', '""') + '"'


def shown(name: str) -> str:
    """Return a name in quotes, shortened, for a message."""
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}...")


def _scan(sql: str) -> Iterator[tuple[str, int, int]]:
    """Yield each token in the form that is compared, with its start and its end."""
    for match in _TOKEN.finditer(sql):
        text = match.group()
        if match.lastgroup == "name":
            text = '"' + fold(_unquoted(text))
        elif match.lastgroup == "word":
            word = fold(text)
            text = word.upper() if word in _KEYWORDS else '"' + word
        if match.lastgroup != "space":
            yield text, match.start(), match.end()


def _unquoted(name: str) -> str:
    mark = name[0]
    return name[1:-1] if mark == "[" else name[1:-1].replace(mark * 2, mark)


def tokens_of(sql: str) -> tuple[str, ...]:
    """Return the tokens of a statement: keywords in upper case, folded names after a quotation mark, literals."""
    return tuple(token for token, _, _ in _scan(sql))


@dataclass(frozen=True, slots=True)
class Part:
    """A column or a constraint in a table definition.

    Attributes:
        text: The original text.
        tokens: The tokens for comparison.
    """

    text: str
    tokens: tuple[str, ...]

    @property
    def is_constraint(self) -> bool:
        """Whether it is a table constraint, and not a column."""
        return self.tokens[0] in _CONSTRAINTS

    @property
    def column(self) -> str:
        """The folded name of the column."""
        token = self.tokens[0]
        return token[1:] if token.startswith('"') else fold(token.strip("'"))


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """Definition of a table: the parts of a ``CREATE TABLE`` statement.

    Attributes:
        columns: Columns by folded name, in order.
        constraints: Table constraints, in order.
        options: Tokens after the parentheses, such as ``WITHOUT``, ``"rowid``.
    """

    columns: dict[str, Part] = field(default_factory=dict[str, Part])
    constraints: list[Part] = field(default_factory=list[Part])
    options: tuple[str, ...] = ()

    @classmethod
    def of(cls, sql: str) -> TableDefinition:
        """Parse a statement; without parentheses, as for some virtual tables, the definition has no parts."""
        definition, part, depth, begin = cls(), list[str](), 0, 0
        scanned = list(_scan(sql))
        for number, (text, start, end) in enumerate(scanned):
            depth += (text == "(") - (text == ")")
            if depth == 1 and text == "(":
                part, begin = [], end
            elif (depth == 1 and text == ",") or (depth == 0 and text == ")"):
                definition._add(Part(sql[begin:start].strip(), tuple(part)))
                part, begin = [], end
                if depth == 0:
                    options = tuple(text for text, _, _ in scanned[number + 1 :])
                    return cls(definition.columns, definition.constraints, options)
            else:
                part.append(text)
        return definition

    def _add(self, part: Part) -> None:
        if part.tokens and part.is_constraint:
            self.constraints.append(part)
        elif part.tokens:
            self.columns[part.column] = part

    def statement(self, name: str, columns: list[Part], constraints: list[Part]) -> str:
        """Return a statement that creates a table of this definition with additional columns and constraints."""
        parts = [*self.columns.values(), *columns, *self.constraints, *constraints]
        # Each part has its own line, as it may end in a comment.
        body = "\n,\n".join(part.text for part in parts)
        options = " ".join(token.removeprefix('"') for token in self.options)
        return f"CREATE TABLE {quoted(name)} (\n{body}\n) {options}".rstrip()


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """An entry of ``sqlite_master``, parsed from its statement: SQLite does not read the other columns.

    Attributes:
        type: ``"table"``, ``"index"``, ``"view"``, ``"trigger"``, or ``"entry"`` for another kind of statement.
        name: The name.
        table: The table or view that a trigger or an index belongs to; for other objects, the name.
        sql: The statement.
    """

    type: str
    name: str
    table: str
    sql: str

    @classmethod
    def of(cls, sql: str) -> SchemaObject:
        """Parse a statement."""
        found = [(token, sql[start:end]) for token, start, end in _scan(sql)]
        heads = (number for number, (token, _) in enumerate(found[:4]) if token in _TYPES)
        number = next(heads, len(found))
        kind = found[number][0].lower() if number < len(found) else "entry"
        name, number = _name_at(found, number + 1)
        table = name
        if kind in ("trigger", "index"):
            ons = (place for place in range(number, len(found)) if found[place][0] == "ON")
            table, _ = _name_at(found, next(ons, len(found)) + 1)
        return cls(kind, name, table, sql)

    @property
    def key(self) -> Key:
        """The identity of the object."""
        return self.type == "trigger", fold(self.name)

    @property
    def shown(self) -> str:
        """The object's type and name for errors."""
        return f"the {self.type} {shown(self.name)}"

    @property
    def names(self) -> frozenset[str]:
        """Every folded name in the statement."""
        tokens = tokens_of(self.sql)
        # SQLite reads a string literal as a name where only a name is possible.
        return frozenset(
            fold(token.strip("'")) if token[0] == "'" else token[1:] for token in tokens if token[0] in _QUOTES
        )

    def is_same(self, other: SchemaObject) -> bool:
        """Return whether both statements are equivalent."""
        return self.sql == other.sql or tokens_of(self.sql) == tokens_of(other.sql)


def _name_at(found: list[tuple[str, str]], number: int) -> tuple[str, int]:
    """Return the name at a token, after ``IF NOT EXISTS`` and a schema, and the number of the token after it."""
    while number < len(found) and found[number][0] in ("IF", "NOT", "EXISTS"):
        number += 1
    if number + 2 < len(found) and found[number + 1][0] == ".":
        number += 2
    text = found[number][1] if number < len(found) else ""
    return (_unquoted(text) if text[:1] in _QUOTES else text), number + 1


Schema: TypeAlias = dict[Key, SchemaObject]
"""The objects of a database, in the order in which they were created."""


def read_schema(raw: sqlcipher.Connection) -> Schema:
    """Return the objects of a database, except the tables that SQLite creates itself."""
    rows = raw.execute("SELECT sql FROM main.sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    objects = [SchemaObject.of(sql) for (sql,) in rows]
    return {found.key: found for found in objects if not _is_of_sqlite(found)}


def _is_of_sqlite(found: SchemaObject) -> bool:
    return found.type == "table" and fold(found.name).startswith("sqlite_")
