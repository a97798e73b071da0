"""The limits of a vault's images are checked when they are set."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

import zorivest_async.images
from zorivest_async.errors import ConfigurationError
from zorivest_async.images import ImagePolicy


def test_the_defaults_are_the_documented_ones() -> None:
    """20 MiB, 40 million pixels, thumbnails of 200 px at quality 80, two threads."""
    policy = ImagePolicy()
    assert (policy.max_bytes, policy.max_pixels) == (20_971_520, 40_000_000)
    assert (policy.thumbnail_px, policy.thumbnail_quality, policy.threads) == (200, 80, 2)


@pytest.mark.parametrize("name", ["max_bytes", "max_pixels", "thumbnail_px", "thumbnail_quality", "threads"])
@pytest.mark.parametrize("value", [0, -1, True, 1.5, "2", None])
def test_what_is_not_a_positive_whole_number_is_refused(name: str, value: Any) -> None:
    """Every limit counts something, and none of them can be switched off; the message names the argument."""
    with pytest.raises(ConfigurationError, match=name):
        ImagePolicy(**{name: value})


@pytest.mark.parametrize(("name", "highest"), [("thumbnail_px", 16_383), ("thumbnail_quality", 100)])
def test_what_webp_cannot_do_is_refused(name: str, highest: int) -> None:
    """The largest value works and the next one does not."""
    assert getattr(ImagePolicy(**{name: highest}), name) == highest
    with pytest.raises(ConfigurationError, match=name):
        ImagePolicy(**{name: highest + 1})


def test_a_policy_does_not_change() -> None:
    """A vault can share its policy with threads."""
    with pytest.raises(FrozenInstanceError):
        ImagePolicy().max_bytes = 1  # type: ignore[misc]


def test_the_package_exports_its_public_names_sorted() -> None:
    """What is in ``__all__`` exists, in order."""
    names = zorivest_async.images.__all__
    assert names == sorted(names)
    assert all(hasattr(zorivest_async.images, name) for name in names)
