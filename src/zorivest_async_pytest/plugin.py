"""Fixtures of the pytest plugin. Only pytest is imported until a test uses one of them.

An async test, its fixtures and its vault must share one event loop. The plugin that runs the test decides which:
pytest-asyncio has a loop for each scope, and in its strict mode runs only fixtures declared with its own decorator;
anyio runs the plain async fixtures of tests that use ``anyio_backend``. So one of several private fixtures opens the
vault, and ``zorivest_vault`` selects the one of the plugin that runs the test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from zorivest_async import (
        Account,
        BalanceSnapshot,
        ImageAttachment,
        Import,
        MarketProviderSetting,
        Setting,
        SqlAlchemyUnitOfWork,
        Trade,
        TradePlan,
        TradeReport,
        Vault,
        Watchlist,
        WatchlistItem,
    )
    from zorivest_async.integrations.pytest_plugin import ChartMaker, EntityFactory, EntityMaker, VaultFile

_NO_LOOP = (
    "{fixture} needs an async test that pytest-asyncio or anyio runs; "
    "a synchronous test can use zorivest_vault_file and open it itself"
)
_NOT_ASYNCIO = 'zorivest-async runs on asyncio: let the fixture anyio_backend return "asyncio"'


def pytest_configure(config: pytest.Config) -> None:
    """Add the fixtures for pytest-asyncio, if it is installed."""
    if config.pluginmanager.hasplugin("asyncio"):
        from zorivest_async_pytest import asyncio_vaults  # noqa: PLC0415 - it needs pytest-asyncio

        config.pluginmanager.register(asyncio_vaults, "zorivest_asyncio_vaults")


@pytest.fixture
def zorivest_vault(request: pytest.FixtureRequest) -> Vault:
    """A fresh vault in memory, encrypted and empty, open on the test's event loop and closed after the test."""
    vault: Vault = request.getfixturevalue(_opening_fixture(request))
    return vault


@pytest.fixture
def zorivest_unit_of_work(zorivest_vault: Vault) -> SqlAlchemyUnitOfWork:
    """A unit of work of the test's vault, to be entered in the test: ``async with zorivest_unit_of_work as uow``."""
    return zorivest_vault.unit_of_work()


@pytest.fixture
def zorivest_vault_file(_zorivest_template: VaultFile, tmp_path: Path) -> VaultFile:
    """A fresh empty vault in a temporary file, closed: ``Vault.open(file.path, key=file.key)``."""
    return _zorivest_template.copy_to(tmp_path / "zorivest.vault")


@pytest.fixture(scope="session")
def _zorivest_template(tmp_path_factory: pytest.TempPathFactory) -> VaultFile:
    from zorivest_async.integrations.pytest_plugin import VaultFile  # noqa: PLC0415 - nothing heavy before it is used

    return VaultFile.create(tmp_path_factory.mktemp("zorivest") / "template.vault")


@pytest.fixture
async def _zorivest_vault_of_anyio() -> AsyncGenerator[Vault]:
    from zorivest_async import Vault  # noqa: PLC0415 - nothing heavy before it is used

    async with Vault.in_memory() as vault:
        yield vault


def _opening_fixture(request: pytest.FixtureRequest) -> str:
    """Return the name of the fixture that opens a vault on the event loop of the test."""
    marker = request.node.get_closest_marker("asyncio")
    if marker is not None and request.config.pluginmanager.hasplugin("asyncio"):
        scope = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope")
        return f"_zorivest_vault_on_{scope or request.config.getini('asyncio_default_test_loop_scope')}_loop"
    if "anyio_backend" in request.fixturenames:
        if request.getfixturevalue("anyio_backend_name") != "asyncio":
            pytest.fail(_NOT_ASYNCIO, pytrace=False)
        return "_zorivest_vault_of_anyio"
    return pytest.fail(_NO_LOOP.format(fixture=request.fixturename), pytrace=False)


@pytest.fixture
def zorivest_make_chart() -> ChartMaker:
    """Draws chart images: ``zorivest_make_chart(width_px=3840, height_px=2160)`` returns the bytes of a PNG."""
    from zorivest_async.integrations.pytest_plugin import ChartMaker  # noqa: PLC0415 - nothing heavy before it is used

    return ChartMaker()


@pytest.fixture
def zorivest_make() -> EntityMaker:
    """Makes entities of any class: ``zorivest_make(Trade, price=513.07)``."""
    from zorivest_async.integrations.pytest_plugin import EntityMaker  # noqa: PLC0415 - nothing heavy before it is used

    return EntityMaker()


def _factory(name: str) -> EntityFactory[Any]:
    import zorivest_async  # noqa: PLC0415 - nothing heavy before it is used
    from zorivest_async.integrations.pytest_plugin import EntityFactory  # noqa: PLC0415

    return EntityFactory(getattr(zorivest_async, name))


@pytest.fixture
def zorivest_make_account() -> EntityFactory[Account]:
    """Makes accounts ``U1``, ``U2``..."""
    return _factory("Account")


@pytest.fixture
def zorivest_make_balance_snapshot() -> EntityFactory[BalanceSnapshot]:
    """Makes balances of account ``U1``, a day apart."""
    return _factory("BalanceSnapshot")


@pytest.fixture
def zorivest_make_image() -> EntityFactory[ImageAttachment]:
    """Makes images of trade ``0001`` as entities; ``zorivest_make_chart`` gives bytes to attach."""
    return _factory("ImageAttachment")


@pytest.fixture
def zorivest_make_import() -> EntityFactory[Import]:
    """Makes records of imports that brought nothing."""
    return _factory("Import")


@pytest.fixture
def zorivest_make_market_provider_setting() -> EntityFactory[MarketProviderSetting]:
    """Makes settings of providers, without API keys."""
    return _factory("MarketProviderSetting")


@pytest.fixture
def zorivest_make_setting() -> EntityFactory[Setting]:
    """Makes settings that are whole numbers."""
    return _factory("Setting")


@pytest.fixture
def zorivest_make_trade() -> EntityFactory[Trade]:
    """Makes executions ``0001``, ``0002``... in account ``U1``, a minute apart."""
    return _factory("Trade")


@pytest.fixture
def zorivest_make_trade_plan() -> EntityFactory[TradePlan]:
    """Makes plans to buy."""
    return _factory("TradePlan")


@pytest.fixture
def zorivest_make_trade_report() -> EntityFactory[TradeReport]:
    """Makes reviews of trades ``0001``, ``0002``..."""
    return _factory("TradeReport")


@pytest.fixture
def zorivest_make_watchlist() -> EntityFactory[Watchlist]:
    """Makes empty watchlists."""
    return _factory("Watchlist")


@pytest.fixture
def zorivest_make_watchlist_item() -> EntityFactory[WatchlistItem]:
    """Makes items of watchlists."""
    return _factory("WatchlistItem")
