"""Repository of the unchanged rows of all tables, for the export and the import of a whole journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import String, and_, bindparam, case, cast, exists, func, literal, literal_column, or_, select, tuple_

from zorivest_async.database.aggregates import AGGREGATES, Aggregate
from zorivest_async.database.repositories.base import Repository
from zorivest_async.database.repositories.images import OWNER_KEYS, SqlAlchemyImageRepository
from zorivest_async.database.statements import Statement, whole_number
from zorivest_async.database.tables import IMAGES, SET_ASIDE, is_set_aside
from zorivest_async.domain.entities import ImageAttachment
from zorivest_async.domain.entity import Entity
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Select

    from zorivest_async.database.mapping import RowMapper
    from zorivest_async.database.repositories.base import Source

__all__ = ["SqlAlchemyRowRepository"]

_EntityT = TypeVar("_EntityT", bound=Entity)


_BEGINNING: Final = func.substr(IMAGES.c.owner_id, literal_column("1"), literal_column(str(len(SET_ASIDE))))


class SqlAlchemyRowRepository:
    """Repository of the unchanged rows of any aggregate, including row numbers and times of creation.

    API keys, which the vault encrypts under its own key, are neither read nor written.

    Args:
        source: As for every repository.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tables: dict[type[Entity], _Table] = {}

    async def count(self, entity: type[Entity]) -> int:
        """Return the number of rows.

        Raises:
            ConfigurationError: The class is not the entity of an aggregate.
        """
        return await self._table(entity).count()

    async def page(self, entity: type[_EntityT], after: Any = None) -> list[_EntityT]:
        """Return a page of rows as entities, in the order of their keys; it is empty at the end.

        Args:
            entity: The class; for whole rows, the one that the aggregate's ``as_stored`` maps.
            after: The key of the last row of the previous page; ``None`` for the first page.

        Raises:
            ConfigurationError: The class is not the entity of an aggregate.
            ValidationError: Another program has stored a value that no release writes.
        """
        return await self._table(entity).page(after)

    async def insert(self, entities: Sequence[Entity]) -> None:
        """Insert entities of one class with their keys, all or none.

        Raises:
            ConfigurationError: The class is not the entity of an aggregate.
            ValidationError: The entities are not of one class.
            DuplicateError: A key, or another unique value, is already stored.
            ForeignKeyError: An entity refers to one that is not stored.
        """
        if entities:
            await self._table(type(entities[0])).insert(entities)

    def _table(self, entity: type[Entity]) -> _Table:
        if entity not in self._tables:
            kind = _ImageTable if entity is ImageAttachment else _Table
            self._tables[entity] = kind(self._source, AGGREGATES.of(entity), entity)
        return self._tables[entity]


class _Table(Repository[Any]):
    def __init__(self, source: Source, aggregate: Aggregate[Any], entity: type[Entity]) -> None:
        super().__init__(source)
        self.mapper = aggregate.mapper_of(entity)  # type: ignore[misc]
        self._keys = {f"after_{name}": self.mapper.columns[name] for name in self.mapper.keys}
        limited = self._select(self.mapper).order_by(*self._keys.values()).limit(aggregate.page_rows)
        last = (bindparam(name, type_=key.type) for name, key in self._keys.items())
        self._first = Statement(limited)
        self._next = Statement(limited.where(tuple_(*self._keys.values()) > tuple_(*last)))
        self._count = Statement(select(func.count()).select_from(self.mapper.table))

    @staticmethod
    def _select(mapper: RowMapper[Any]) -> Select[Any]:
        return mapper.select

    async def count(self) -> int:
        return int(await self._scalar(self._count))

    async def page(self, after: Any) -> list[Any]:
        if after is None:
            return await self._fetch(self._first)
        values: Iterable[Any] = after if len(self._keys) > 1 else (after,)
        return await self._fetch(self._next, **dict(zip(self._keys, values, strict=True)))

    async def insert(self, entities: Sequence[Any]) -> None:
        first: object = entities[0]
        kind = type(first)
        if any(type(entity) is not kind for entity in entities):
            raise ValidationError(self._name, "self", f"must be a {kind.__name__}, as the first of these entities is")
        async with self._all_or_nothing():
            await self._insert_rows(entities)

    async def _insert_rows(self, entities: Sequence[Any]) -> None:
        await self._execute_rows(self.mapper.insert, self._codec.to_rows(entities, self.mapper.fields))


def _as_key(key: Any, owner_id: Any) -> Any:
    """Return the text of an owner's identifier as a value of its key, by which the database finds the owner."""
    return owner_id if isinstance(key.type, String) else whole_number(owner_id, type_=key.type)


class _ImageTable(_Table):
    @staticmethod
    def _select(mapper: RowMapper[Any]) -> Select[Any]:
        """Select the columns of all fields; the owner of an image without one is selected as if it was set aside."""
        owner_id = IMAGES.c.owner_id
        known = or_(
            _BEGINNING == SET_ASIDE,
            *(
                and_(
                    IMAGES.c.owner_type == kind,
                    exists().where(key == _as_key(key, owner_id), cast(key, String) == owner_id),
                )
                for kind, key in OWNER_KEYS.items()
            ),
        )
        aside = case((known, owner_id), else_=literal(SET_ASIDE) + owner_id)
        return select(*(aside if column is owner_id else column for column in mapper.columns.values()))

    async def _insert_rows(self, entities: Sequence[Any]) -> None:
        images = SqlAlchemyImageRepository(self)
        for image in entities:
            if is_set_aside(image.owner_id):
                await super()._insert_rows([image])
            else:  # save() checks that the owner exists
                await images.save(image.owner_id, image, owner_type=image.owner_type)
