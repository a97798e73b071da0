"""An API key goes in as text and never shows again, except to the one who asks for it by name."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import reprlib
import string
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zorivest_async.domain.settings import MarketProviderSetting
from zorivest_async.errors import ValidationError
from zorivest_async.security.secret import MASK, MaskedSecret

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "k3y-5e7a91-that-nobody-may-see"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _setting(api_key: str | None = KEY) -> MarketProviderSetting:
    return MarketProviderSetting("Alpha Vantage", api_key, created_at=NOON)


def _revealed(setting: MarketProviderSetting) -> str:
    assert isinstance(setting.api_key, MaskedSecret)
    return setting.api_key.reveal()


def _logged(value: object) -> str:
    stream = io.StringIO()
    logging.StreamHandler(stream).handle(logging.makeLogRecord({"msg": "key %s %r", "args": (value, value)}))
    return stream.getvalue()


VIEWS: list[Callable[[Any], str]] = [
    str,
    repr,
    ascii,
    format,
    _logged,
    pprint.pformat,
    reprlib.repr,
    json.dumps,
    lambda secret: f"{secret} {secret!s} {secret!r} {secret!a} {secret:>40}",
    "{0} {0!s} {0!r} {0!a} {0:>40}".format,
    lambda secret: "%s %r %-40s" % (secret, secret, secret),  # noqa: UP031 - one of the ways it is done
    lambda secret: string.Template("$key").substitute(key=secret),
    "".join,
    lambda secret: secret + "",
    lambda secret: secret[:],
    lambda secret: secret.encode().decode(),
    lambda secret: json.dumps({secret: [secret]}),
    lambda secret: str(dataclasses.asdict(MarketProviderSetting("Polygon", secret))),
    lambda secret: str(dataclasses.astuple(MarketProviderSetting("Polygon", secret))),
    lambda secret: json.dumps(dataclasses.asdict(MarketProviderSetting("Polygon", secret)), default=str),
    lambda secret: repr(MarketProviderSetting("Polygon", secret)),
]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_the_mask(view: Callable[[Any], str]) -> None:
    """Printing, formatting, slicing, logging and serialising meet eight asterisks."""
    shown = view(MaskedSecret(KEY))
    assert MASK in shown
    assert KEY not in shown


def test_the_mask_says_nothing_about_the_secret() -> None:
    """Not even its length."""
    assert MASK == "********"
    assert len(MaskedSecret(KEY)) == len(MaskedSecret("k")) == len(MASK)
    assert not hasattr(MaskedSecret(KEY), "__dict__")


@given(st.text())
@settings(deadline=None)
def test_reveal_gives_the_text_back(secret: str) -> None:
    """Character for character, even where the secret looks like a mask."""
    assert MaskedSecret(secret).reveal() == secret
    assert MaskedSecret(secret).is_known


def test_a_secret_that_is_only_in_the_vault_cannot_be_revealed() -> None:
    """The error says who can."""
    assert not MaskedSecret().is_known
    with pytest.raises(ValueError, match="ask the repository to reveal it"):
        MaskedSecret().reveal()


def test_masked_secrets_are_equal_by_presence() -> None:
    """Two of them only say that a secret is there, so comparing cannot be used to guess one."""
    assert MaskedSecret("a") == MaskedSecret("b") == MaskedSecret() == MASK
    assert len({MaskedSecret("a"), MaskedSecret("b"), MASK}) == 1
    assert MaskedSecret(KEY) != KEY
    assert _setting("a") == _setting("b") != _setting(None)
    assert hash(_setting("a")) == hash(_setting("b"))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: copy.deepcopy([value])[0]])
def test_a_copy_in_the_same_process_keeps_the_secret(duplicate: Callable[[Any], Any]) -> None:
    """Shallow or deep, a copy is the same immutable object, and a copied setting can still be stored."""
    secret = MaskedSecret(KEY)
    assert duplicate(secret) is secret
    assert _revealed(duplicate(_setting())) == KEY


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", [MaskedSecret, _setting], ids=["secret", "setting"])
def test_pickling_leaves_the_secret_behind(wrap: Callable[[str], Any], protocol: int) -> None:
    """What leaves the process says that there is a key, and equals the original, but the key itself stays."""
    data = pickle.dumps(wrap(KEY), protocol)
    assert KEY.encode() not in data
    again = pickle.loads(data)  # noqa: S301 - its own bytes
    assert again == wrap(KEY)
    secret = again if isinstance(again, MaskedSecret) else again.api_key
    assert isinstance(secret, MaskedSecret)
    assert not secret.is_known


def test_a_key_given_as_text_is_masked() -> None:
    """The entity takes a plain string and keeps a masked one."""
    setting = _setting()
    assert setting.api_key == MASK
    assert _revealed(setting) == KEY


def test_no_key_is_not_a_masked_key() -> None:
    """``None`` means that the provider has no key, and is not masked."""
    assert _setting(None).api_key is None


def test_replacing_another_field_keeps_the_key() -> None:
    """A setting whose rate limit changes does not lose its key on the way."""
    changed = dataclasses.replace(_setting(), rate_limit=9)
    assert changed.rate_limit == 9
    assert _revealed(changed) == KEY
    assert _revealed(dataclasses.replace(changed, api_key="another")) == "another"
    assert dataclasses.replace(changed, api_key=None).api_key is None


def test_the_mask_stands_for_the_key_already_stored() -> None:
    """A form may send back what it was shown: that is no new key of eight asterisks."""
    setting = _setting("********")
    assert isinstance(setting.api_key, MaskedSecret)
    assert not setting.api_key.is_known
    assert setting == _setting() == _setting(MaskedSecret())


def test_a_setting_rebuilt_from_its_dict_keeps_the_key() -> None:
    """``asdict`` shows the mask; within the process the value it holds is still the secret."""
    shown = dataclasses.asdict(_setting())
    assert shown["api_key"] == MASK
    assert KEY not in repr(shown)
    assert _revealed(MarketProviderSetting(**shown)) == KEY


@pytest.mark.parametrize("almost", ["*******", "*********", " ********", "********\n", "••••••••"])
def test_only_the_exact_mask_is_one(almost: str) -> None:
    """Anything else is taken for a key."""
    assert _revealed(_setting(almost)) == almost


@pytest.mark.parametrize("wrap", [str, MaskedSecret], ids=["text", "masked"])
@pytest.mark.parametrize("wrong", ["", "  ", f"{KEY}\0", f"{KEY}\ud800", KEY * 40_000], ids=range(5))
def test_a_key_that_cannot_be_stored_is_refused_unseen(wrap: Callable[[str], str], wrong: str) -> None:
    """A key is text with something in it, masked already or not, and the error does not show it."""
    with pytest.raises(ValidationError) as caught:
        _setting(wrap(wrong))
    assert caught.value.field == "api_key"
    assert KEY not in f"{caught.value} {caught.value!r}"
