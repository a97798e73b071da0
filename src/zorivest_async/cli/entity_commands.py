"""The commands ``show``, ``add``, ``edit`` and ``delete`` of entities that have them alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zorivest_async.cli.asking import ask
from zorivest_async.cli.commands import journal_command
from zorivest_async.cli.fields import Clear, options_of, row_of, values_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import Yes  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async.domain.entity import Entity
    from zorivest_async.ports import UnitOfWork

__all__ = ["EntityArea"]


@dataclass(frozen=True)
class EntityArea:
    """An area of commands over one kind of entity.

    Attributes:
        app: The area.
        entity: The kind.
        noun: What the help calls one of them.
        key: The field that identifies it: typed if it is a text, given by the journal if it is ``"id"``.
        repository: Returns the repository of a unit of work.
        example: Options for the example of ``add``.
        change: Options for the example of ``edit``.
    """

    app: typer.Typer
    entity: type[Entity]
    noun: str
    key: str
    repository: Callable[[UnitOfWork], Any]
    example: str
    change: str

    def add_commands(self) -> None:
        """Add the four commands."""
        is_number = self.key == "id"
        info = typer.Argument(metavar="ID" if is_number else self.key.upper(), help=f"The {self.noun}.")
        argument: Any = Annotated[int, info] if is_number else Annotated[str, info]
        name, shown = self.app.info.name, "1" if is_number else "U1"
        entity, repository, noun = self.entity, self.repository, self.noun

        def show(journal: Journal, key: Any) -> Record:
            return Record(row_of(journal.read(lambda uow: repository(uow).get_one(key))), zone=journal.time_zone)

        def add(journal: Journal, key: Any = None, **fields: Any) -> Done:
            identity = {} if is_number else {self.key: key}
            made: Any = entity(**identity, **values_of(entity, fields, journal))
            number = journal.write(lambda uow: repository(uow).save(made))
            if is_number:
                made = replace(made, id=number)
            return Done(f"{noun} {number if is_number else key}: added", row_of(made))

        def edit(journal: Journal, key: Any, clear: Clear = None, **fields: Any) -> Done:
            changes = values_of(entity, fields, journal, clear)

            async def work(uow: UnitOfWork) -> Any:
                await repository(uow).update(replace(await repository(uow).get_one(key), **changes))
                return await repository(uow).get_one(key)

            changed = journal.write(work)
            return Done(f"{noun} {key}: changed {', '.join(changes) or 'nothing'}", row_of(changed))

        def delete(journal: Journal, key: Any, yes: Yes = False) -> Done:
            if not yes:
                journal.read(lambda uow: repository(uow).get_one(key))
                ask(f"Delete the {noun} {key}?")

            async def work(uow: UnitOfWork) -> None:
                await repository(uow).get_one(key)
                await repository(uow).delete(key)

            journal.write(work)
            return Done(f"{noun} {key}: deleted", {self.key: key, "deleted": True})

        one = f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
        show.__doc__ = f"Show all fields of {one}."
        add.__doc__ = f"Add {one}."
        edit.__doc__ = f"Change fields of {one}; the others stay."
        delete.__doc__ = f"Delete {one}."
        for work in (show, edit, delete):
            work.__annotations__["key"] = argument
        if not is_number:
            add.__annotations__["key"] = argument
        own = () if is_number else (self.key,)
        adding = "" if is_number else f"{shown} "
        journal_command(self.app, "show", f"{name} show {shown}")(show)
        journal_command(
            self.app, "add", f"{name} add {adding}{self.example}", fields=options_of(entity, *own, required=True)
        )(_without_key(add) if is_number else add)
        journal_command(
            self.app, "edit", f"{name} edit {shown} {self.change}", fields=options_of(entity, *own, required=False)
        )(edit)
        journal_command(self.app, "delete", f"{name} delete {shown}")(delete)


def _without_key(work: Callable[..., Done]) -> Callable[..., Done]:
    def add(journal: Journal, **fields: Any) -> Done:
        return work(journal, **fields)

    add.__doc__ = work.__doc__
    return add
