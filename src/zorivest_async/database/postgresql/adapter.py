"""Transactions of a connection to PostgreSQL, one after another, without SQLAlchemy."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from zorivest_async._finishing import start_unstoppable
from zorivest_async.database.backend import Loss, StatementResult
from zorivest_async.database.error_mapping import LOST
from zorivest_async.database.postgresql.failures import DRIVER_ERRORS, LOST_CONNECTION, is_lost, scrub
from zorivest_async.database.postgresql.outcome import RECENT, Commits, settle
from zorivest_async.database.postgresql.text import ServerText, is_reading, savepoint_of, unnested
from zorivest_async.errors import CommitOutcomeUnknownError, RepositoryError, VaultError, VaultUnreachableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asyncpg.prepared_stmt import PreparedStatement

    from zorivest_async.database.postgresql.keys import JournalKeys

__all__ = ["JournalSettings", "ServerTransaction"]

OWN: Final = "zorivest"
"""Savepoint that a refused statement is undone to."""

STATEMENTS: Final = 512
"""Maximum number of prepared statements of a connection."""

FAILURES: Final = (asyncio.CancelledError, *DRIVER_ERRORS, *LOST_CONNECTION)
"""What ends a statement without its result."""

ANSWER_SHARE: Final = 0.75
"""Share of the busy timeout that the answer to a COMMIT is waited for; in the rest its outcome is asked for."""

ROLLBACK_TIMEOUT_S: Final = 5.0
"""Maximum wait for the answer to a ROLLBACK; closing the connection rolls back, too."""

ENDED: Final = (
    "a statement has ended the transaction of the unit of work, which only uow.commit() and uow.rollback() may"
)


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """What every connection of an engine needs to know.

    Attributes:
        connect: Opens a connection; raises the library's errors.
        journal: The number of the journal.
        reads_only: Whether its transactions only read.
        busy_timeout_s: How long to wait for the journal's row, another lock or the answer to a COMMIT, in seconds.
        is_synced: Whether a commit is acknowledged only when it is on the server's disk.
        has_pooler: Whether each transaction may be on another connection of the server, as through pgbouncer.
        commits: The commits of the vault.
        keys: The keys of the journal.
    """

    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]]
    journal: int
    reads_only: bool
    busy_timeout_s: float
    is_synced: bool
    has_pooler: bool
    commits: Commits
    keys: JournalKeys = field(repr=False)


_TAKE_NUMBERS: Final = "SELECT zorivest_next_id($1::text, $2::bigint)"


class _State(Enum):
    """State of a transaction."""

    NONE = "none was announced"
    DUE = "announced; BEGIN is sent with the first statement"
    OPENING = "BEGIN was sent, and not answered yet, or its task was cancelled meanwhile"
    BEGUN = "BEGIN was answered"
    ABANDONED = "to be rolled back before the connection does anything else"


_SENT: Final = (_State.OPENING, _State.BEGUN)
"""States in which the server may have a transaction."""


class ServerTransaction:
    """The open or next transaction of a connection to a server.

    :meth:`begin` announces it. Its first statement is preceded by one message with ``BEGIN``, the journal's number and,
    if it writes, the update of the journal's row, which makes writers of a journal wait for one another. A lost
    connection is opened again there, as nothing was sent yet.

    A refused statement would abort the whole transaction. So the transaction of a unit of work has a savepoint, which a
    refused statement is undone to; a write that follows another write renews it first.

    Attributes:
        autocommit: Whether no transaction is opened.
        loss: What the transaction of the unit of work has lost; after any loss it must not be committed.
        number: Number of transactions that were opened.
        reads_only: Whether its transactions take no write lock.
        raw: The connection of asyncpg.
    """

    __slots__ = (
        "_before", "_dirty", "_held", "_on_reconnect", "_pending", "_prepared", "_savepoints", "_settings", "_state",
        "_token", "autocommit", "loss", "number", "raw", "reads_only",
    )  # fmt: skip

    def __init__(
        self,
        raw: asyncpg.Connection[Any],
        settings: JournalSettings,
        on_reconnect: Callable[[asyncpg.Connection[Any]], None],
    ) -> None:
        self.raw = raw
        self._settings = settings
        self._on_reconnect = on_reconnect
        self.reads_only = settings.reads_only
        self.autocommit = self._held = self._dirty = False
        self.loss = Loss.NONE
        self.number = 0
        self._state = _State.NONE
        self._before = ""
        self._savepoints = list[str]()
        self._prepared = dict[str, "PreparedStatement[Any]"]()
        self._pending: asyncio.Task[Any] | None = None
        self._token: uuid.UUID | None = None

    def begin(self, loop: asyncio.AbstractEventLoop | None = None, /, *_queues: object) -> None:
        """Announce a transaction, which the next statement opens, unless one was announced before.

        Args:
            loop: The event loop of the unit of work that it belongs to, and then only :meth:`committing` and
                :meth:`rolling_back` may end it; ``None`` if it belongs to none.
        """
        if loop is not None:
            self._held, self.loss = True, Loss.NONE
        if self._state is _State.ABANDONED:
            self._before, self._state = "ROLLBACK; ", _State.NONE
        if self._state is _State.NONE and not self.autocommit:
            self._state = _State.DUE

    @property
    def ended_elsewhere(self) -> bool:
        """Whether a statement, and neither the unit of work nor an error, has ended the transaction."""
        return self._held and self._state is _State.BEGUN and not (self.raw.is_closed() or self._is_open)

    @property
    def has_savepoints(self) -> bool:
        """Whether a savepoint may be open, which none is after the end of its transaction."""
        return self._state is _State.BEGUN and self._is_open

    @property
    def _is_open(self) -> bool:
        return not self.raw.is_closed() and self.raw.is_in_transaction()

    def send(self, sql: str, values: Sequence[Any], /) -> Awaitable[StatementResult]:
        """Send a statement; cancellation interrupts it."""
        return self._send(sql, values)

    async def _send(self, sql: str, values: Sequence[Any]) -> StatementResult:
        rows, count, _ = await self.execute(sql, values)
        return StatementResult(rows, count)

    async def execute(
        self, sql: str, values: Sequence[Any], *, is_own: bool = True
    ) -> tuple[list[Any], int, Sequence[Any]]:
        """Send a statement, and return its rows, the number of rows in its command tag (-1 without) and its columns.

        Args:
            sql: The statement, with numbered parameters.
            values: Their values.
            is_own: Whether it is the library's, which only fails to read if the connection is lost.
        """
        savepoint = savepoint_of(sql) if " " in sql[:20] else None
        if savepoint is not None:
            await self._move_savepoint(savepoint.action, savepoint.name, sql)
            return [], -1, ()
        refuses_duplicates, plan = False, None
        if type(sql) is ServerText:
            refuses_duplicates, plan = sql.refuses_duplicates, sql.plan
            if plan is not None:
                sql, values = await plan.prepare(values, self)
        reads = is_reading(sql)
        try:
            await self._ready(renew=not reads or not is_own)
            statement = self._prepared.get(sql) or await self._prepare(sql)
            rows = await statement.fetch(*values)
            count = _count_of(statement.get_statusmsg())
        except FAILURES as error:
            await self._note(error)
            raise
        if not reads:
            self._dirty = True
        if refuses_duplicates and not count:
            raise asyncpg.UniqueViolationError("the row is stored already")
        if plan is not None and rows:
            rows = await plan.read(rows, values, self._settings.keys)
        return rows, count, statement.get_attributes()

    @property
    def keys(self) -> JournalKeys:
        """The keys of the journal."""
        return self._settings.keys

    async def take_numbers(self, table: str, amount: int, /) -> int:
        """Return the first of the numbers of some new rows of a table."""
        # As a statement of the user's, as a unit of work that only reads has it refused.
        rows, _, _ = await self.execute(_TAKE_NUMBERS, (table, amount), is_own=False)
        number: int = rows[0][0]
        return number

    def send_rows(self, sql: str, rows: list[tuple[Any, ...]], /) -> Awaitable[int]:
        """Send a statement once for each row of values, and return the number of rows that it changed."""
        return self._send_rows(sql, rows)

    async def _send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        many_rows = sql.many if type(sql) is ServerText else None
        if many_rows is not None:
            changed = (await self.execute(many_rows, rows))[1]
        elif type(sql) is not ServerText and (many := unnested(sql)) is not None:
            changed = (await self.execute(many, [*map(list, zip(*rows, strict=True))]))[1]
        else:
            return sum([(await self.execute(sql, row))[1] for row in rows])
        if type(sql) is ServerText and sql.refuses_duplicates and changed != len(rows):
            raise asyncpg.UniqueViolationError("a row is stored already")
        return changed

    async def cursor_of(self, sql: str, values: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
        """Open a cursor that fetches in chunks, and return it with its columns; it ends with the transaction."""
        try:
            await self._ready(renew=True)
            statement = await self.raw.prepare(str(sql))  # asyncpg takes no subclass
            return await statement.cursor(*values), statement.get_attributes()
        except FAILURES as error:
            await self._note(error)
            raise

    async def _prepare(self, sql: str) -> PreparedStatement[Any]:
        statement = await self.raw.prepare(str(sql))  # asyncpg takes no subclass
        if not self._settings.has_pooler:
            while len(self._prepared) >= STATEMENTS:
                del self._prepared[next(iter(self._prepared))]
            self._prepared[str(sql)] = statement
        return statement

    async def _ready(self, *, renew: bool) -> None:
        """Open the transaction if it is due, or renew the savepoint that a refused statement is undone to."""
        if self._state is _State.DUE:
            await self._open()
        elif self._state is _State.OPENING:
            if self._held:
                raise RepositoryError(problem=LOST)
            self._before = "ROLLBACK; "
            await self._open()
        elif self._state is _State.BEGUN and not self._is_open:
            if self.raw.is_closed():
                self.loss = Loss.USELESS
                raise VaultUnreachableError
            if self._held:
                raise RepositoryError(problem=ENDED)
            self._state = _State.DUE
            await self._open()
        elif renew and self._dirty and self._held:
            is_own = self._savepoints[-1] == OWN
            await self.raw.execute(f"RELEASE SAVEPOINT {OWN}; SAVEPOINT {OWN}" if is_own else f"SAVEPOINT {OWN}")
            if not is_own:
                self._savepoints.append(OWN)
            self._dirty = False

    async def _open(self) -> None:
        """Send what opens the transaction, on a new connection if the old one was lost."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            await asyncio.wait({pending})
        opening = self._opening()
        is_new = False
        if self.raw.is_closed():
            await self._reconnect()
            is_new = True
        self._state, self._dirty = _State.OPENING, False
        self.number += 1
        try:
            try:
                await self.raw.execute(self._before + opening)
            except (*DRIVER_ERRORS, *LOST_CONNECTION) as error:
                if is_new or not (is_lost(error) or self.raw.is_closed()):
                    raise
                await self._reconnect()
                await self.raw.execute(opening)
            if not (self._settings.reads_only or self._settings.commits.are_noted):
                self._settings.commits.note(await self.raw.fetchval(RECENT, self._settings.journal))
        except (*DRIVER_ERRORS, *LOST_CONNECTION, VaultError):
            if not self.raw.is_closed():
                with suppress(*DRIVER_ERRORS, *LOST_CONNECTION):
                    await self.raw.execute("ROLLBACK")
            self._state = _State.DUE  # nothing is lost, and the next statement begins it again
            raise
        self._state, self._before = _State.BEGUN, ""

    def _opening(self) -> str:
        settings = self._settings
        is_reader = settings.reads_only
        mode = "REPEATABLE READ READ ONLY" if is_reader else "READ COMMITTED"
        milliseconds = max(int(settings.busy_timeout_s * 1_000), 1)
        # Only numbers and a UUID of the library's own, and no value of a user's, are part of the text.
        text = (
            f"BEGIN ISOLATION LEVEL {mode}; SET LOCAL zorivest.journal = '{settings.journal:d}'; "
            f"SET LOCAL lock_timeout = {milliseconds:d}"
        )
        if not is_reader:
            self._token = token = uuid.uuid4()
            if not settings.is_synced:
                text += "; SET LOCAL synchronous_commit = off"
            text += (
                f"; UPDATE journals SET turn = turn + 1, recent = {settings.commits.adding(token)} "  # noqa: S608
                f"WHERE id = {settings.journal:d}"
            )
        self._savepoints = [OWN] if self._held else []
        return f"{text}; SAVEPOINT {OWN}" if self._held else text

    async def _reconnect(self) -> None:
        self._prepared.clear()
        self.raw = await self._settings.connect()
        self._before = ""
        self._on_reconnect(self.raw)

    async def _move_savepoint(self, action: str, name: str, sql: str) -> None:
        try:
            await self._ready(renew=False)
            await self.raw.execute(sql)
        except FAILURES as error:
            await self._note(error)
            raise
        names = self._savepoints
        if action == "SAVEPOINT":
            names.append(name)
            self._dirty = False
        elif name in names:
            place = len(names) - 1 - names[::-1].index(name)
            self._savepoints = names[: place + (action == "ROLLBACK")]
            self._dirty = action == "RELEASE"

    async def _note(self, error: BaseException) -> None:
        """Note what a failed or cancelled statement has lost, after undoing it alone if that is possible."""
        if isinstance(error, asyncio.CancelledError):
            self._lose()
            return
        try:
            await self._undo(error)
        except asyncio.CancelledError:
            self._lose()
            raise

    async def _undo(self, error: BaseException) -> None:
        """Undo a refused statement alone, which has aborted the transaction."""
        if not self._held or self._state is not _State.BEGUN:
            return
        if self.raw.is_closed() or is_lost(error):
            self.loss = Loss.USELESS
            return
        if isinstance(error, asyncpg.InvalidCachedStatementError):
            self._prepared.clear()
        if self._dirty:
            self.loss = Loss.CANCELLED  # what was written since the savepoint is lost, too
            return
        try:
            await self.raw.execute(f"ROLLBACK TO SAVEPOINT {self._savepoints[-1]}")
        except (*DRIVER_ERRORS, *LOST_CONNECTION):
            self.loss = Loss.USELESS if self.raw.is_closed() else Loss.CANCELLED

    def _lose(self) -> None:
        if self._held and self.loss is Loss.NONE:
            self.loss = Loss.CANCELLED

    def committing(self, *queues: object) -> asyncio.Future[None] | None:  # noqa: ARG002 - the server groups commits
        """Begin to commit, and return a future, which refuses cancellation; ``None`` if nothing was sent."""
        state, held = self._state, self._held
        self._state, self._held = _State.NONE, False
        if state is _State.OPENING:
            self._before = "ROLLBACK; "
        if state is not _State.BEGUN:
            return None
        if self.raw.is_closed():
            self.loss = Loss.USELESS
            raise VaultUnreachableError
        if not self.raw.is_in_transaction():
            if held:
                raise CommitOutcomeUnknownError(problem=ENDED)
            return None
        return start_unstoppable(self._commit())

    async def _commit(self) -> None:
        settings, raw, token = self._settings, self.raw, self._token
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.busy_timeout_s
        # Neither its task nor a timeout cancels it: PostgreSQL would then commit it here and not on its standby.
        patience = loop.call_later(settings.busy_timeout_s * ANSWER_SHARE, raw.terminate)
        try:
            tag = await raw.execute("COMMIT")
        except (*DRIVER_ERRORS, *LOST_CONNECTION) as error:
            if not (is_lost(error) or raw.is_closed()):
                raise
            self.loss = Loss.USELESS
            if token is None or settings.reads_only:
                raise VaultUnreachableError from error
            scrub(error)
            try:
                await settle(settings.connect, settings.journal, token, settings.commits, deadline)
            except CommitOutcomeUnknownError:
                settings.commits.may_have_stored(token)
                raise
        else:
            if tag != "COMMIT":  # PostgreSQL answers so, without an error, if a statement has failed
                raise RepositoryError(problem=LOST)
        finally:
            patience.cancel()
        if token is not None:
            settings.commits.has_stored(token)

    def rolling_back(self) -> asyncio.Future[object] | None:
        """Begin to roll back, and return the future to wait for; ``None`` if nothing was sent."""
        state = self._state
        self._held = False
        if state is _State.ABANDONED:
            return None
        self._state = _State.NONE
        if state not in _SENT or self.raw.is_closed():
            return None
        return start_unstoppable(self._roll_back())

    async def _roll_back(self) -> None:
        raw = self.raw
        patience = asyncio.get_running_loop().call_later(ROLLBACK_TIMEOUT_S, raw.terminate)
        try:
            await raw.execute("ROLLBACK")
        except (*DRIVER_ERRORS, *LOST_CONNECTION):
            raw.terminate()  # which rolls back, too
        finally:
            patience.cancel()

    def abandon(self) -> None:
        """Roll back without waiting, which is enough for a transaction that only read.

        If the next transaction begins at once, the ``ROLLBACK`` is sent with its first message.
        """
        state, self._held = self._state, False
        self._state = _State.NONE
        if state in (*_SENT, _State.ABANDONED):
            self._state = _State.ABANDONED
            loop = asyncio.get_running_loop()
            # A task that waits for the connection runs in the turn after the next one.
            loop.call_soon(loop.call_soon, self._end_abandoned)

    def _end_abandoned(self) -> None:
        if self._state is _State.ABANDONED:
            self._state = _State.NONE
            if not self.raw.is_closed():
                self._pending = start_unstoppable(self._roll_back())

    def give_up(self) -> None:
        """Roll back at once without waiting; for a forgotten unit of work."""
        state, self._held = self._state, False
        self._state = _State.ABANDONED if state in (*_SENT, _State.ABANDONED) else _State.NONE
        self._end_abandoned()


def _count_of(tag: str | None) -> int:
    """Return the number of rows in a command tag, such as ``INSERT 0 3``; -1 if it has none."""
    last = (tag or "").rpartition(" ")[2]
    return int(last) if last.isdecimal() else -1
