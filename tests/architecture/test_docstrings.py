"""The examples of docstrings run, and give what they show."""

from __future__ import annotations

import ast
import asyncio
import builtins
import doctest
import importlib
import inspect
import pkgutil
import traceback
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

import zorivest_async
from zorivest_async import Account, MissingDependencyError, Trade, Vault
from zorivest_async.integrations.pytest_plugin import ChartMaker, EntityFactory

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(zorivest_async.__path__, "zorivest_async.")
    if not module.name.endswith(("__main__", ".env"))  # which run when they are imported
)


def examples_in(name: str) -> list[doctest.DocTest]:
    """Return the docstrings of a module that have examples; none where an extra of it is not installed."""
    try:
        module = importlib.import_module(name)
    except MissingDependencyError:
        return []
    return [test for test in doctest.DocTestFinder(recurse=True).find(module, name) if test.examples]


def run_example(example: doctest.Example, names: dict[str, object], loop: asyncio.Runner) -> str:
    """Return what an example prints at a prompt that awaits, as ``python -m asyncio`` is one."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with redirect_stdout(StringIO()) as output:
        try:
            for node in ast.parse(example.source).body:
                code = compile(ast.Interactive([node]), "<example>", "single", flags=flags)
                result = eval(code, names)  # noqa: S307 - the library's own docstrings
                if code.co_flags & inspect.CO_COROUTINE:
                    loop.run(result)
        except Exception as error:  # noqa: BLE001 - the example says which
            output.writelines(traceback.format_exception_only(error))
    return output.getvalue()


async def open_example() -> Vault:
    """Return the vault of the repositories' examples, and leave a chart in the folder."""
    await asyncio.to_thread(Path("entry.png").write_bytes, ChartMaker()())
    vault = await Vault.in_memory()
    make_trade = EntityFactory(Trade)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(EntityFactory(Account)())
        await uow.trades.save_many([make_trade() for _ in range(3)])
        await uow.commit()
    return vault


@pytest.mark.parametrize("test", [test for name in MODULES for test in examples_in(name)], ids=lambda test: test.name)
def test_an_example_gives_what_it_shows(test: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines run in order, in a folder of their own; those of repositories have a vault with three trades."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "_", None, raising=False)  # where a prompt keeps what it printed last
    with asyncio.Runner() as loop:
        vault = loop.run(open_example())
        names = {**test.globs, "vault": vault} if ".repositories." in test.name else dict(test.globs)
        try:
            for example in test.examples:
                assert doctest.SKIP not in example.options, "an example that does not run shows nothing"
                given = run_example(example, names, loop)
                assert doctest.OutputChecker().check_output(example.exc_msg or example.want, given, 0), given
        finally:
            loop.run(vault.aclose())


def test_the_names_that_everybody_uses_have_an_example() -> None:
    """Of the vault, the unit of work and what stands beside them."""
    shown = {test.name.rpartition(".")[2] for name in MODULES for test in examples_in(name)}
    assert shown >= {
        "SqlAlchemyUnitOfWork",
        "Vault",
        "attach",
        "create_encrypted_connection",
        "create_vault_engine",
        "derive_key",
        "page",
        "save_many",
        "stream",
    }
