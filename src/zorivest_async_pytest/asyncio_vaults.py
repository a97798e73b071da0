"""Fixtures that open a vault under pytest-asyncio: one for each scope of an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from zorivest_async import Vault


def _vault_on(scope: Literal["function", "class", "module", "package", "session"]) -> Any:
    async def open_vault() -> AsyncGenerator[Vault]:
        from zorivest_async import Vault  # noqa: PLC0415 - nothing heavy before it is used

        async with Vault.in_memory() as vault:
            yield vault

    return pytest_asyncio.fixture(loop_scope=scope, name=f"_zorivest_vault_on_{scope}_loop")(open_vault)


_on_function_loop = _vault_on("function")
_on_class_loop = _vault_on("class")
_on_module_loop = _vault_on("module")
_on_package_loop = _vault_on("package")
_on_session_loop = _vault_on("session")
