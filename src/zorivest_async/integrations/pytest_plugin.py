"""Types of the pytest fixtures: vault files without key derivation, entity factories, chart images.

The fixtures are in a separate package, ``zorivest_async_pytest``: pytest imports plugins in every project of an
environment, and importing anything from ``zorivest_async`` imports the database and the image libraries.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from zorivest_async.database.aggregates import AGGREGATES
from zorivest_async.domain.entity import Entity
from zorivest_async.images.sample import draw_chart
from zorivest_async.security import Credentials, KdfProfile
from zorivest_async.vault.file_format import create_file, create_schema, new_vault_key

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ChartMaker", "EntityFactory", "EntityMaker", "VaultFile"]

_EntityT = TypeVar("_EntityT", bound=Entity)


@dataclass(frozen=True, slots=True)
class VaultFile:
    """A closed vault file and the key that opens it without Argon2: ``Vault.open(file.path, key=file.key)``.

    Attributes:
        path: The file.
        key: 32 raw bytes.
    """

    path: Path
    key: bytes = field(repr=False)

    @classmethod
    def create(cls, path: Path) -> VaultFile:
        """Create an empty vault under a random key; it blocks for about 50 ms.

        Args:
            path: The new file, which must not exist.
        """
        key = secrets.token_bytes(32)
        create_file(path, new_vault_key(Credentials(key=key), KdfProfile.CHEAPEST), create_schema)
        return cls(path, key)

    def copy_to(self, path: Path) -> VaultFile:
        """Copy the file, in less than a millisecond. No process may have it open.

        Args:
            path: The destination.
        """
        shutil.copyfile(self.path, path)
        return VaultFile(path, self.key)


class EntityFactory(Generic[_EntityT]):
    """Factory of valid entities with unique identifiers: ``make(price=513.07)``.

    Args:
        entity: The class, that of an aggregate in the registry.

    Raises:
        ConfigurationError: It is not in the registry.
    """

    def __init__(self, entity: type[_EntityT]) -> None:
        self._aggregate = AGGREGATES.of(entity)
        self._numbers = count(1)

    def __call__(self, **changes: Any) -> _EntityT:
        """Return the next entity.

        Args:
            **changes: Values that replace the defaults of fields.

        Raises:
            ValidationError: A field is invalid.
        """
        return self._aggregate.entity(**{**self._aggregate.example(next(self._numbers)), **changes})


class EntityMaker:
    """Makes valid entities of any class: ``make(Trade, price=513.07)``."""

    def __init__(self) -> None:
        self._factories: dict[type[Entity], EntityFactory[Any]] = {}

    def __call__(self, entity: type[_EntityT], **changes: Any) -> _EntityT:
        """Return the next entity of a class.

        Args:
            entity: The class.
            **changes: Fields that should not have their default.

        Raises:
            ConfigurationError: It is not the entity of an aggregate.
            ValidationError: A field is invalid.
        """
        if entity not in self._factories:
            self._factories[entity] = EntityFactory(entity)
        made: _EntityT = self._factories[entity](**changes)
        return made


class ChartMaker:
    """Factory of candlestick charts, each different from the one before: ``make(width_px=3840, height_px=2160)``."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, *, width_px: int = 640, height_px: int = 360, image_format: str = "PNG") -> bytes:
        """Return the bytes of an image file; the n-th call with the same arguments always gives the same.

        Args:
            width_px: Width, in pixels, at least 1.
            height_px: Height, in pixels, at least 1.
            image_format: ``"PNG"``, ``"JPEG"``, ``"WEBP"`` or ``"GIF"``.
        """
        return draw_chart(next(self._numbers), width_px=width_px, height_px=height_px, image_format=image_format)
