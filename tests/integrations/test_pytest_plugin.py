"""The pytest plugin: its fixtures work whoever runs the test, cost little, and weigh nothing until they are used."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zorivest_async import Vault
from zorivest_async.database.aggregates import AGGREGATES

if TYPE_CHECKING:
    from zorivest_async.integrations.pytest_plugin import VaultFile

pytest_plugins = ["pytester"]

TESTS = """
    import asyncio
    import pytest
    from zorivest_async import ImageOwnerType

    {mark}

    @{fixture}
    async def account(zorivest_vault, zorivest_make_account):
        async with zorivest_vault.unit_of_work() as uow:
            await uow.accounts.save(made := zorivest_make_account())
            await uow.commit()
        return made

    async def test_a_vault_is_shared_with_fixtures(zorivest_vault, account):
        async with zorivest_vault.unit_of_work(read_only=True) as uow:
            assert await uow.accounts.list_all() == [account]

    async def test_a_vault_is_fresh(zorivest_vault, zorivest_vault_file):
        async with zorivest_vault.unit_of_work(read_only=True) as uow:
            assert await uow.accounts.list_all() == []

    async def test_a_unit_of_work_is_ready(
        zorivest_unit_of_work, account, zorivest_make_trade, zorivest_make_chart
    ):
        async with zorivest_unit_of_work as uow:
            await uow.trades.save(trade := zorivest_make_trade())
            await uow.images.attach(ImageOwnerType.TRADE, trade.exec_id, zorivest_make_chart())
            assert [i.width for i in await uow.images.list_for_owner("trade", "0001")] == [640]

    @pytest.mark.parametrize("number", range(3))
    class TestClass:
        async def test_classes_are_served(self, number, zorivest_vault):
            async with zorivest_vault.unit_of_work() as uow:
                await uow.settings.set("number", number)
                await uow.commit()
"""

ASYNCIO = "import pytest_asyncio; pytestmark = pytest.mark.asyncio"
SESSION = 'import pytest_asyncio; pytestmark = pytest.mark.asyncio(loop_scope="session")'
CLASS = 'import pytest_asyncio; pytestmark = pytest.mark.asyncio(loop_scope="class")'
ANYIO = "pytestmark = pytest.mark.anyio"
ANYIO_FIXTURE = """
    {mark}

    @pytest.fixture({scope})
    def anyio_backend():
        return "asyncio"
"""


def anyio_tests(scope: str = "", mark: str = ANYIO) -> str:
    """Return the tests for anyio's plugin, whose loop lives as long as the fixture ``anyio_backend``."""
    return TESTS.format(mark=ANYIO_FIXTURE.format(mark=mark, scope=scope), fixture="pytest.fixture")


WAYS = {
    "asyncio strict": (TESTS.format(mark=ASYNCIO, fixture="pytest_asyncio.fixture"), {"asyncio_mode": "strict"}),
    "asyncio auto": (TESTS.format(mark="", fixture="pytest.fixture"), {"asyncio_mode": "auto"}),
    "asyncio strict, loop of the session": (
        TESTS.format(mark=SESSION, fixture="pytest_asyncio.fixture(loop_scope='session')"),
        {"asyncio_mode": "strict"},
    ),
    "asyncio strict, loop of the class": (
        TESTS.format(mark=CLASS, fixture="pytest_asyncio.fixture(loop_scope='class')"),
        {"asyncio_mode": "strict"},
    ),
    "asyncio auto, loop of the session": (
        TESTS.format(mark="", fixture="pytest.fixture"),
        {
            "asyncio_mode": "auto",
            "asyncio_default_test_loop_scope": "session",
            "asyncio_default_fixture_loop_scope": "session",
        },
    ),
    "anyio": (anyio_tests(), {}),
    "anyio, loop of the session": (anyio_tests(scope="scope='session'"), {}),
    "anyio auto": (anyio_tests(mark=""), {"anyio_mode": "auto"}),
}


def configure(pytester: pytest.Pytester, **settings: str) -> None:
    """Write the configuration of a project whose warnings are errors."""
    defaults = {"asyncio_default_fixture_loop_scope": "function", "filterwarnings": "error"}
    lines = [f"{name} = {value}" for name, value in {**defaults, **settings}.items()]
    pytester.makeini("\n".join(["[pytest]", *lines]))


@pytest.mark.parametrize("way", WAYS)
def test_vaults_are_open_on_the_loop_of_the_test(pytester: pytest.Pytester, way: str) -> None:
    """Under pytest-asyncio and under anyio, whatever loop the test runs on, without a warning."""
    tests, settings = WAYS[way]
    configure(pytester, **settings)
    pytester.makepyfile(tests)
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=6)


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_either_plugin_may_be_absent(pytester: pytest.Pytester, plugin: str) -> None:
    """Where only one of them is there, it is enough."""
    tests, settings = WAYS["anyio" if plugin == "asyncio" else "asyncio strict"]
    configure(pytester, **settings)
    if plugin == "asyncio":
        pytester.makeini("[pytest]\nfilterwarnings = error")
    pytester.makepyfile(tests)
    pytester.runpytest("-p", f"no:{plugin}").assert_outcomes(passed=6)


def test_workers_have_vaults_of_their_own(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> None:
    """Under pytest-xdist every worker makes its own template."""
    if not pytestconfig.pluginmanager.hasplugin("xdist"):
        pytest.skip("pytest-xdist is in the dependency group integrations")
    configure(pytester, asyncio_mode="strict")
    pytester.makepyfile(TESTS.format(mark=ASYNCIO, fixture="pytest_asyncio.fixture"))
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=6)


def test_a_plain_test_is_told_what_to_do(pytester: pytest.Pytester) -> None:
    """Nobody runs an event loop for it."""
    configure(pytester)
    pytester.makepyfile("def test_plain(zorivest_vault): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*zorivest_vault needs an async test*zorivest_vault_file*"])


def test_another_backend_is_refused(pytester: pytest.Pytester) -> None:
    """The library runs on asyncio; the message says how to say so to anyio."""
    configure(pytester)
    pytester.makepyfile(anyio_tests().replace('return "asyncio"', 'return "trio"'))
    result = pytester.runpytest("-k", "fresh")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*let the fixture anyio_backend return*asyncio*"])


def test_a_project_that_uses_no_fixture_imports_nothing(pytester: pytest.Pytester) -> None:
    """Neither the library nor anything that it needs is imported because it is installed."""
    pytester.makepyfile(
        """
        import sys

        def test_nothing_was_imported():
            heavy = {"zorivest_async", "sqlalchemy", "sqlcipher3", "PIL", "argon2", "cryptography", "alembic"}
            assert heavy.isdisjoint(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
    result.assert_outcomes(passed=1)


def test_a_fresh_vault_costs_little_more_than_its_tables(pytester: pytest.Pytester) -> None:
    """Opening and closing take less than three times what the driver takes to make them, and a copied file less."""
    configure(pytester, asyncio_mode="strict")
    pytester.makeconftest(
        """
        import statistics
        import time
        import pytest

        SPENT = {}

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_setup(item):
            started = time.perf_counter()
            yield
            SPENT[item.nodeid] = time.perf_counter() - started

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_teardown(item):
            started = time.perf_counter()
            yield
            SPENT[item.nodeid] += time.perf_counter() - started

        def pytest_sessionfinish():
            for kind in ("without", "driver", "memory", "file"):
                spent = statistics.median(s for name, s in SPENT.items() if kind in name)
                print(f"\\n{kind} {spent * 1e3:.3f} ms")
        """
    )
    pytester.makepyfile(
        """
        import secrets
        import pytest
        from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher
        from zorivest_async.vault.file_format import create_schema
        from zorivest_async.security import VaultKey
        pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("number", range(20))]

        @pytest.fixture
        def tables():
            uri, settings = f"file:/{secrets.token_hex(16)}?vfs=memdb", ConnectionSettings(journal_mode="MEMORY")
            raw = open_cipher(uri, VaultKey(bytes(32), bytes(16)), settings)
            create_schema(raw)
            yield
            raw.close()

        async def test_without(number, tmp_path): pass
        async def test_driver(number, tmp_path, tables): pass
        async def test_in_memory(number, tmp_path, zorivest_vault): pass
        async def test_in_a_file(number, zorivest_vault_file): pass
        """
    )
    result = pytester.runpytest("-s")
    result.assert_outcomes(passed=80)
    spent = {line.split()[0]: float(line.split()[1]) for line in result.outlines if line.endswith(" ms")}
    driver, memory, file = (spent[kind] - spent["without"] for kind in ("driver", "memory", "file"))
    assert memory < 3 * driver, spent
    assert file < driver, spent


@pytest.mark.asyncio
async def test_a_copied_file_opens_with_its_key(zorivest_vault_file: VaultFile) -> None:
    """It is a vault like any other: encrypted, writable, and its key is in no repr."""
    assert zorivest_vault_file.key.hex() not in repr(zorivest_vault_file)
    assert str(zorivest_vault_file.key) not in repr(zorivest_vault_file)
    async with Vault.open(zorivest_vault_file.path, key=zorivest_vault_file.key, create=False) as vault:
        async with vault.unit_of_work() as uow:
            await uow.settings.set("found", value=True)
            await uow.commit()
        assert (await vault.verify()).problems == ()


def test_every_entity_has_a_factory(request: pytest.FixtureRequest) -> None:
    """Each makes valid entities of its class, no two alike where they have an identifier, and takes changes."""
    names = {
        "Account": "account_id",
        "BalanceSnapshot": "datetime",
        "ImageAttachment": None,
        "Import": "sha256",
        "MarketProviderSetting": "provider_name",
        "Setting": "key",
        "Trade": "exec_id",
        "TradePlan": None,
        "TradeReport": "trade_id",
        "Watchlist": "name",
        "WatchlistItem": "ticker",
    }
    own_records = {"ImportRow"}  # of the library alone
    assert {aggregate.entity.__name__ for aggregate in AGGREGATES} == set(names) | own_records
    words = {"ImageAttachment": "image"}
    for entity, identifier in names.items():
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in entity).lstrip("_")
        make = request.getfixturevalue(f"zorivest_make_{words.get(entity, snake)}")
        first, second = make(), make()
        assert type(first).__name__ == entity
        if identifier is not None:
            assert getattr(first, identifier) != getattr(second, identifier)


def test_charts_differ_and_repeat(request: pytest.FixtureRequest) -> None:
    """Two charts of one test are different images, and the same in the next run."""
    make = request.getfixturevalue("zorivest_make_chart")
    charts = [make(), make(width_px=64, height_px=48, image_format="WEBP")]
    assert charts[0].startswith(b"\x89PNG")
    assert charts[1][8:12] == b"WEBP"
    again = type(make)()
    assert [again(), again()][0] == charts[0]
    assert again() != charts[0]


def test_the_plugin_was_loaded_by_its_entry_point(pytestconfig: pytest.Config) -> None:
    """No conftest has to name it."""
    assert pytestconfig.pluginmanager.hasplugin("zorivest_async")
    assert "zorivest_async_pytest.plugin" in sys.modules


def test_the_documents_example_passes(pytester: pytest.Pytester) -> None:
    """What docs/testing.md shows, works as printed, and it names every public fixture."""
    document = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    configure(pytester)
    pytester.makepyfile(block)
    pytester.runpytest().assert_outcomes(passed=1)
    fixtures = pytester.runpytest("--fixtures", "-q").stdout.str()
    names = set(re.findall(r"^(zorivest_\w+)", fixtures, re.MULTILINE))
    named = set(re.findall(r"`(zorivest_\w+)`", document))
    named |= {f"zorivest_make_{name}" for name in re.findall(r"`…_(\w+)`", document)}
    assert named == names
