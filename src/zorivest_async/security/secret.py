"""Masked secret: a string that is not shown by accident."""

from __future__ import annotations

from typing import Self

__all__ = ["MASK", "MaskedSecret"]

MASK = "********"


class MaskedSecret(str):
    """A secret string that is shown as ``"********"``.

    Printing, formatting, comparing, hashing, JSON and pickling all use the mask, so two masked secrets are equal. Only
    :meth:`reveal` returns the text, and it is not pickled.

    Args:
        secret: The text to hide, or ``None`` if the text is only in the vault.
    """

    __slots__ = ("_secret",)
    _secret: str | None

    def __new__(cls, secret: str | None = None) -> Self:  # noqa: D102 - the class docstring documents it
        self = super().__new__(cls, MASK)
        self._secret = secret
        return self

    @property
    def is_known(self) -> bool:
        """Whether this object has the text; otherwise it is only in the vault."""
        return self._secret is not None

    def reveal(self) -> str:
        """Return the text.

        Raises:
            ValueError: The text is only in the vault.
        """
        if self._secret is None:
            raise ValueError("the secret is in the vault, not in this value; ask the repository to reveal it")
        return self._secret

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()
