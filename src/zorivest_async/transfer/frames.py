"""Conversion of entities to data frames. The functions are synchronous: call them in a thread for many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorivest_async._extras import import_extra
from zorivest_async.domain.entities import Trade
from zorivest_async.transfer.columns import columns_of, to_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import polars as pl

    from zorivest_async.domain.entity import Entity

__all__ = ["to_arrow", "to_pandas", "to_polars"]


def to_polars(entities: Iterable[Entity], entity: type[Entity] = Trade) -> pl.DataFrame:
    """Convert entities to a polars frame; without rows it has the same columns and types.

    Args:
        entities: Entities of one class.
        entity: The class.

    Raises:
        MissingDependencyError: polars is not installed (``pip install "zorivest-async[polars]"``).
        ValidationError: One of the entities is of another class.
    """
    polars: Any = import_extra("polars", "polars")
    types = {
        "text": polars.String,
        "time": polars.Datetime("us", "UTC"),
        "number": polars.Float64,
        "integer": polars.Int64,
        "flag": polars.Boolean,
        "bytes": polars.Binary,
        "texts": polars.List(polars.String),
        "json": polars.String,
    }
    schema = {column.name: types[column.kind] for column in columns_of(entity)}
    frame: pl.DataFrame = polars.DataFrame(to_columns(entities, entity), schema=schema)
    return frame


def to_pandas(entities: Iterable[Entity], entity: type[Entity] = Trade) -> pd.DataFrame:
    """Convert entities to a pandas frame; without rows it has the same columns and types.

    Optional fields have pandas' nullable types, so that integers stay integers.

    Args:
        entities: Entities of one class.
        entity: The class.

    Raises:
        MissingDependencyError: pandas is not installed (``pip install "zorivest-async[pandas]"``).
        ValidationError: One of the entities is of another class.
    """
    pandas: Any = import_extra("pandas", "pandas")
    types = {
        "text": "string",
        "time": "datetime64[us, UTC]",
        "number": "float64",
        "integer": "Int64",
        "flag": "boolean",
        "bytes": "object",
        "texts": "object",
        "json": "string",
    }
    values = to_columns(entities, entity)
    series = {
        column.name: pandas.Series(values[column.name], dtype=types[column.kind]) for column in columns_of(entity)
    }
    frame: pd.DataFrame = pandas.DataFrame(series)
    return frame


def to_arrow(entities: Iterable[Entity], entity: type[Entity] = Trade) -> Any:
    """Convert entities to a ``pyarrow.Table``; without rows it has the same columns and types.

    Args:
        entities: Entities of one class.
        entity: The class.

    Raises:
        MissingDependencyError: pyarrow is not installed (``pip install "zorivest-async[parquet]"``).
        ValidationError: One of the entities is of another class.
    """
    arrow: Any = import_extra("parquet", "pyarrow")
    types = {
        "text": arrow.string(),
        "time": arrow.timestamp("us", tz="UTC"),
        "number": arrow.float64(),
        "integer": arrow.int64(),
        "flag": arrow.bool_(),
        "bytes": arrow.binary(),
        "texts": arrow.list_(arrow.string()),
        "json": arrow.string(),
    }
    schema = arrow.schema([(column.name, types[column.kind]) for column in columns_of(entity)])
    return arrow.table(to_columns(entities, entity), schema=schema)
