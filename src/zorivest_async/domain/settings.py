"""Settings: small typed values and their encoding as text; credentials of data providers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias, cast

from zorivest_async.domain.entity import Entity
from zorivest_async.domain.validation import (
    MAX_TEXT_LENGTH,
    ApiKey,
    Flag,
    Identifier,
    Size,
    Text,
    Timestamp,
    text,
    utc_now,
)
from zorivest_async.errors import ValidationError
from zorivest_async.security.tracebacks import sealed_init

__all__ = ["MarketProviderSetting", "Setting", "SettingValue", "decode_setting", "encode_setting"]

SettingValue: TypeAlias = str | int | float | bool | dict[str, Any] | list[Any] | None
"""Values of a setting; containers and ``None`` are stored as JSON."""


def encode_setting(value: object) -> tuple[str, str]:
    """Encode a value as text and its ``value_type`` (``str int float bool json``).

    Raises:
        ValidationError: The decoded value would not be equal: ``nan``, a tuple, a dict with keys that are not strings.
    """
    match value:
        case str():
            return text("Setting", "value", value), "str"
        case bool():
            return ("true" if value else "false"), "bool"
        case int():
            return _short(_decimal_digits(value)), "int"
        case float() if math.isfinite(value):
            return repr(float(value)), "float"
        case dict() | list() | None:
            return _encode_json(cast("object", value)), "json"
        case _:
            raise ValidationError("Setting", "value", "must be a str, int, finite float, bool, dict, list or None")


def decode_setting(stored: str, value_type: str) -> SettingValue:
    """Decode the text of :func:`encode_setting`.

    Raises:
        ValidationError: The text is not valid for the ``value_type``.
    """
    try:
        match value_type:
            case "str":
                return stored
            case "bool":
                return {"true": True, "false": False}[stored]
            case "int":
                return int(stored)
            case "float":
                return _finite(stored)
            case "json":
                return cast("SettingValue", json.loads(stored, parse_float=_finite, parse_constant=_finite))
            case _:
                pass
    except (KeyError, ValueError, RecursionError):
        pass
    raise ValidationError("Setting", "value", "is stored in a form that does not match its value_type")


def _finite(stored: str) -> float:
    result = float(stored)
    if not math.isfinite(result):
        raise ValueError
    return result


def _decimal_digits(value: int) -> str:
    try:
        return str(int(value))
    except ValueError:  # sys.set_int_max_str_digits
        raise ValidationError("Setting", "value", "has too many digits") from None


def _encode_json(value: object) -> str:
    try:
        encoded = json.dumps(value, allow_nan=False, ensure_ascii=False)
        unchanged = json.loads(encoded) == value
    except (TypeError, ValueError, RecursionError):
        unchanged, encoded = False, ""
    if not unchanged:
        raise ValidationError("Setting", "value", "must be unchanged by JSON: str keys, lists, no nan")
    return _short(text("Setting", "value", encoded))


def _short(encoded: str) -> str:
    if len(encoded) > MAX_TEXT_LENGTH:
        raise ValidationError("Setting", "value", f"must have at most {MAX_TEXT_LENGTH:,} characters when stored")
    return encoded


def _setting_value(_entity: str, _field: str, value: object) -> object:
    # The value as it will be read: plain types, and containers of its own, which the caller cannot change.
    return decode_setting(*encode_setting(value))


def _value_type(entity_name: str, field: str, value: object) -> str:
    if not isinstance(value, str) or value not in ("str", "int", "float", "bool", "json"):
        raise ValidationError(entity_name, field, "must be one of: str, int, float, bool, json")
    return str.__str__(value)


@dataclass(frozen=True, slots=True)
class Setting(Entity):
    """A stored setting.

    Attributes:
        key: Its name, unique in the vault.
        value: The value, of the type that ``value_type`` names.
        value_type: ``"str"``, ``"int"``, ``"float"``, ``"bool"`` or ``"json"``.
        updated_at: When it was last set, in UTC.
    """

    key: Identifier
    value: Annotated[SettingValue, _setting_value]
    value_type: Annotated[str, _value_type]
    updated_at: Timestamp

    def __post_init__(self) -> None:
        Entity.__post_init__(self)
        if encode_setting(self.value)[1] != self.value_type:
            raise ValidationError("Setting", "value_type", "does not name the type of the value")


@sealed_init
@dataclass(frozen=True, slots=True)
class MarketProviderSetting(Entity):
    """Credentials and limits for a market-data provider.

    Attributes:
        provider_name: ``"Alpha Vantage"``, unique in the vault.
        api_key: Passed as text and shown as ``"********"``; ``reveal_api_key`` of the repository returns the text. The
            mask itself, as a form may send it back, means the key that is already stored.
        rate_limit: Requests per minute.
        timeout: Of a request, in seconds.
        is_enabled: Whether to use the provider.
        last_tested_at: When the credentials were last tested.
        last_test_status: ``"success"``, ``"failed"`` or ``"untested"``.
        created_at: When the record was made; kept by later updates.
        updated_at: When it was last updated; an update sets it.
    """

    provider_name: Identifier
    api_key: ApiKey | None = None
    rate_limit: Size = 5
    timeout: Size = 30
    is_enabled: Flag = False
    last_tested_at: Timestamp | None = None
    last_test_status: Text | None = None
    created_at: Timestamp = field(default_factory=utc_now)
    updated_at: Timestamp | None = None
