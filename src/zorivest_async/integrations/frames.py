"""Entities as data frames. Plain functions: in a coroutine, call them in a thread where there are many entities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorivest_async.domain.entities import Trade
from zorivest_async.integrations.columns import columns_of, to_columns
from zorivest_async.integrations.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import polars as pl

    from zorivest_async.domain.entity import Entity

__all__ = ["to_arrow", "to_pandas", "to_polars"]


def to_polars(entities: Iterable[Entity], entity: type[Entity] = Trade) -> pl.DataFrame:
    """Return entities as a polars frame; one of none has the same columns, of the same types.

    Args:
        entities: All of one class.
        entity: The class.

    Raises:
        MissingDependencyError: polars is not installed (``pip install "zorivest-async[polars]"``).
        ValidationError: One of the entities is of another class.
    """
    polars: Any = import_extra("polars", "polars")
    types = {
        "text": polars.String,
        "moment": polars.Datetime("us", "UTC"),
        "number": polars.Float64,
        "integer": polars.Int64,
        "flag": polars.Boolean,
        "bytes": polars.Binary,
        "texts": polars.List(polars.String),
    }
    schema = {column.name: types[column.kind] for column in columns_of(entity)}
    frame: pl.DataFrame = polars.DataFrame(to_columns(entities, entity), schema=schema)
    return frame


def to_pandas(entities: Iterable[Entity], entity: type[Entity] = Trade) -> pd.DataFrame:
    """Return entities as a pandas frame; one of none has the same columns, of the same types.

    What may be absent has pandas' nullable types, so that whole numbers stay whole.

    Args:
        entities: All of one class.
        entity: The class.

    Raises:
        MissingDependencyError: pandas is not installed (``pip install "zorivest-async[pandas]"``).
        ValidationError: One of the entities is of another class.
    """
    pandas: Any = import_extra("pandas", "pandas")
    types = {
        "text": "string",
        "moment": "datetime64[us, UTC]",
        "number": "float64",
        "integer": "Int64",
        "flag": "boolean",
        "bytes": "object",
        "texts": "object",
    }
    values = to_columns(entities, entity)
    series = {
        column.name: pandas.Series(values[column.name], dtype=types[column.kind]) for column in columns_of(entity)
    }
    frame: pd.DataFrame = pandas.DataFrame(series)
    return frame


def to_arrow(entities: Iterable[Entity], entity: type[Entity] = Trade) -> Any:
    """Return entities as a ``pyarrow.Table``; one of none has the same columns, of the same types.

    Args:
        entities: All of one class.
        entity: The class.

    Raises:
        MissingDependencyError: pyarrow is not installed (``pip install "zorivest-async[parquet]"``).
        ValidationError: One of the entities is of another class.
    """
    arrow: Any = import_extra("parquet", "pyarrow")
    types = {
        "text": arrow.string(),
        "moment": arrow.timestamp("us", tz="UTC"),
        "number": arrow.float64(),
        "integer": arrow.int64(),
        "flag": arrow.bool_(),
        "bytes": arrow.binary(),
        "texts": arrow.list_(arrow.string()),
    }
    schema = arrow.schema([(column.name, types[column.kind]) for column in columns_of(entity)])
    return arrow.table(to_columns(entities, entity), schema=schema)
