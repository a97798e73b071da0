"""Commands that work on a journal: their common options, and what they print."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import typer

from zorivest_async.cli.exits import MisuseError, reported
from zorivest_async.cli.journal import Journal
from zorivest_async.cli.options import (
    AsCsv,
    AsJson,
    AsJsonLines,
    EncryptionOption,
    JournalName,
    PassphraseCommand,
    PassphraseFile,
    VaultOption,
    VaultPath,
    Zone,
)
from zorivest_async.cli.output import Done, Format, Output, Rows, show

__all__ = ["Work", "area", "described", "journal_command", "one_vault"]

Work: TypeAlias = Callable[..., Output | None]
"""What a command does: it takes the journal and its own options, and returns what to print."""


def _option(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_PASSPHRASE: Final = (_option("passphrase_file", PassphraseFile), _option("passphrase_command", PassphraseCommand))
_WHERE: Final = (
    _option("vault", VaultOption),
    _option("journal_name", JournalName),
    _option("encryption", EncryptionOption),
)
_FORMATS: Final = (
    _option("as_json", AsJson, default=False),
    _option("as_jsonl", AsJsonLines, default=False),
    _option("as_csv", AsCsv, default=False),
)
_ZONE: Final = _option("zone", Zone)


def area(name: str | None = None, help_text: str = "") -> typer.Typer:
    """Return an area of commands; without a name its commands stand at the top level.

    Args:
        name: What the commands follow, ``"trades"``.
        help_text: What they do.
    """
    return typer.Typer(
        name=name,
        help=help_text,
        no_args_is_help=name is not None,
        add_completion=False,
        # Rich's help takes longer than the rest of the program's start.
        rich_markup_mode=None,
    )


def journal_command(
    app: typer.Typer,
    name: str,
    *examples: str,
    fields: Sequence[inspect.Parameter] = (),
    has_times: bool = True,
    is_file: bool = False,
    names_vault: bool = False,
    takes_dashes: bool = False,
) -> Callable[[Work], Work]:
    """Add a command to an area: the function's own options, and those that say which journal and which format.

    Args:
        app: The area.
        name: The name of the command.
        examples: Command lines for its help.
        fields: More options, which the function takes as ``**fields``.
        has_times: Whether it shows or takes times, which are in a time zone.
        is_file: Whether its arguments are the files of vaults, so that no option names the journal.
        names_vault: Whether its first argument names the vault.
        takes_dashes: Whether an argument may begin with a dash, as a number below zero does, or a comment in SQL.
    """
    common = [*(() if is_file else _WHERE), *_PASSPHRASE, *((_ZONE,) if has_times else ()), *_FORMATS]

    def add(work: Work) -> Work:
        signature = inspect.signature(work, eval_str=True)
        own = [each for each in [*signature.parameters.values()][1:] if each.kind is not each.VAR_KEYWORD]
        place = (_option("vault_path", VaultPath),) if names_vault else ()
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*place, *own, *fields, *common)]

        def run(**options: Any) -> None:
            with reported():
                chosen = Format.of(**{each.name: options.pop(each.name) for each in _FORMATS})
                journal = Journal(
                    vault=one_vault(options.pop("vault_path", None), options.pop("vault", None)),
                    name=options.pop("journal_name", None),
                    encryption=options.pop("encryption", None),
                    passphrase_file=options.pop("passphrase_file"),
                    passphrase_command=options.pop("passphrase_command"),
                    zone=options.pop("zone", None),
                    prints_text=chosen is Format.TEXT,
                )
                output = work(journal, **options)
                if output is not None:
                    show(output, chosen)
                if isinstance(output, Done | Rows) and output.code:
                    raise SystemExit(output.code)

        dynamic: Any = run
        dynamic.__signature__ = inspect.Signature(parameters)
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        settings = {"ignore_unknown_options": takes_dashes}
        app.command(name, help=described(inspect.getdoc(work) or "", *examples), context_settings=settings)(run)
        return work

    return add


def one_vault(path: str | None, option: str | None) -> str | None:
    """Return the vault, which may be named in two ways.

    Raises:
        MisuseError: It is named in both.
    """
    if path is not None and option is not None:
        raise MisuseError("name the vault once: as the argument, or with --vault")
    return path or option


def described(text: str, *examples: str) -> str:
    """Return the help of a command: what it does, and its examples."""
    shown = "\n".join(f"  zorivest {example}" for example in examples)
    return f"{text}\n\n\b\n{'Example' if len(examples) == 1 else 'Examples'}:\n{shown}" if examples else text
