"""The error tree is the one that the contract draws, and no error gives away what it must not."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import traceback
from pathlib import Path
from typing import Any

import pytest

from zorivest_async import errors
from zorivest_async.errors import ZorivestError
from zorivest_async.transfer import importers

# Name: parent, and the standard exception that callers may guess; as design and users' except clauses have them.
CONTRACT: dict[str, tuple[str, str | None]] = {
    "ZorivestError": ("Exception", None),
    "ConfigurationError": ("ZorivestError", "ValueError"),
    "NotOnThisBackendError": ("ConfigurationError", None),
    "MissingDependencyError": ("ZorivestError", "ImportError"),
    "VaultClosedError": ("ZorivestError", "RuntimeError"),
    "VaultForkedError": ("ZorivestError", "RuntimeError"),
    "ValidationError": ("ZorivestError", "ValueError"),
    "ImportSourceError": ("ZorivestError", "ValueError"),
    "ExportError": ("ZorivestError", "OSError"),
    "VaultError": ("ZorivestError", None),
    "VaultNotFoundError": ("VaultError", "FileNotFoundError"),
    "WrongPassphraseError": ("VaultError", None),
    "NotEncryptedError": ("VaultError", None),
    "NotAVaultError": ("VaultError", None),
    "VaultVersionError": ("VaultError", None),
    "VaultUpgradeError": ("VaultError", None),
    "VaultSchemaError": ("VaultError", None),
    "AdoptionError": ("VaultError", None),
    "VaultDamagedError": ("VaultError", None),
    "VaultReplacedError": ("VaultError", None),
    "VaultInUseError": ("VaultError", None),
    "VaultFullError": ("VaultError", None),
    "VaultAccessError": ("VaultError", None),
    "VaultUnreachableError": ("VaultError", "ConnectionError"),
    "CommitOutcomeUnknownError": ("VaultError", None),
    "VaultBusyError": ("VaultError", "TimeoutError"),
    "UnitOfWorkError": ("ZorivestError", "RuntimeError"),
    "RepositoryError": ("ZorivestError", None),
    "NotFoundError": ("RepositoryError", "LookupError"),
    "DuplicateError": ("RepositoryError", None),
    "ForeignKeyError": ("RepositoryError", None),
    "CurrencyChangeError": ("RepositoryError", None),
    "ImportUndoError": ("RepositoryError", None),
    "ReadOnlyError": ("RepositoryError", None),
    "InvalidQueryError": ("RepositoryError", "ValueError"),
    "ImageError": ("ZorivestError", "ValueError"),
    "ImageTooLargeError": ("ImageError", None),
    "UnsupportedImageError": ("ImageError", None),
    "CorruptImageError": ("ImageError", None),
}
CLASSES: dict[str, type[Any]] = {name: getattr(errors, name) for name in CONTRACT}
VAULT_ERRORS: list[type[Any]] = [cls for cls in CLASSES.values() if issubclass(cls, errors.VaultError)]
REPOSITORY_ERRORS: list[type[Any]] = [cls for cls in CLASSES.values() if issubclass(cls, errors.RepositoryError)]
PATH = str(Path("journals", "2026.vault"))
KEY = "canary-5e7a91"

OWN_ARGUMENTS = {
    *VAULT_ERRORS,
    *REPOSITORY_ERRORS,
    errors.ValidationError,
    errors.ImageTooLargeError,
    errors.ExportError,
    errors.NotOnThisBackendError,
}

EXAMPLES: list[ZorivestError] = [
    *(cls("what is wrong") for cls in CLASSES.values() if cls not in OWN_ARGUMENTS),
    errors.MissingDependencyError("install the extra", name="pillow"),
    errors.ValidationError("Trade", "price", "must be a finite number"),
    *(cls() for cls in VAULT_ERRORS),
    *(cls(PATH) for cls in VAULT_ERRORS),
    *(cls(Path(PATH), "another problem") for cls in VAULT_ERRORS),
    *(cls() for cls in REPOSITORY_ERRORS),
    *(cls("Trade", KEY) for cls in REPOSITORY_ERRORS),
    *(cls("Trade", ("U1", 5), "another problem") for cls in REPOSITORY_ERRORS),
    errors.ImageTooLargeError("bytes", 20_000_001, 20_000_000),
    errors.ImportSourceError("a column is missing", 3),
    errors.NotOnThisBackendError("backup", "there is no file"),
    errors.ExportError(PATH, "the parent directory does not exist"),
    errors.ExportError(Path(PATH), "the parent directory does not exist"),
]


def _name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _drawn() -> dict[str, tuple[str, str | None]]:
    """Read the tree in the module's docstring: four columns to a level, a standard base in parentheses."""
    path: list[str] = ["Exception"]
    drawn = {}
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+Error)(?: \((\w+)\))?(?:  |$)", line)
        if match:
            level = len(match[1]) // 4 + 1
            path[level:] = [match[2]]
            drawn[match[2]] = (path[level - 1], match[3])
    return drawn


def test_the_docstring_draws_the_tree_that_exists() -> None:
    """The drawing, the contract and the classes say the same, in the same order."""
    assert list(_drawn().items()) == list(CONTRACT.items())


@pytest.mark.parametrize("name", CONTRACT)
def test_an_error_has_the_bases_of_the_contract(name: str) -> None:
    """One parent within the tree, and at most one standard exception beside it."""
    assert tuple(base.__name__ for base in CLASSES[name].__bases__) == tuple(filter(None, CONTRACT[name]))
    assert issubclass(CLASSES[name], ZorivestError)


def test_all_is_sorted_and_complete() -> None:
    """Every exception defined in the module is public, nothing else is, and the contract lists them all."""
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == errors.__name__
    }
    assert errors.__all__ == sorted(defined)
    assert defined == set(CONTRACT)


@pytest.mark.parametrize("name", CONTRACT)
def test_an_error_says_in_its_docstring_what_happened(name: str) -> None:
    """A class that is its parent's twin would need no name of its own."""
    assert CLASSES[name].__doc__
    assert len({cls.__doc__ for cls in CLASSES.values()}) == len(CLASSES)


def test_every_error_has_an_example() -> None:
    """The examples of this file leave no error out."""
    assert {type(example) for example in EXAMPLES} == set(CLASSES.values())


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_an_error_crosses_processes_with_what_it_knows(example: ZorivestError) -> None:
    """A process pool hands over the same class, arguments, attributes and message; so does a copy."""
    example.add_note("while saving")
    data = [pickle.dumps(example, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for again in (copy.copy(example), *map(pickle.loads, data)):
        assert type(again) is type(example)
        assert vars(again) == vars(example)
        assert again.args == example.args
        assert (str(again), repr(again)) == (str(example), repr(example))
        assert getattr(again, "problem", None) == getattr(example, "problem", None)
    del example.__notes__


def test_a_missing_dependency_names_its_module() -> None:
    """The standard attribute of an import error is there."""
    again = pickle.loads(pickle.dumps(errors.MissingDependencyError("install the extra", name="pillow")))  # noqa: S301
    assert again.name == "pillow"


def test_a_validation_error_knows_entity_field_and_problem() -> None:
    """The parts are attributes, and the message reads as one sentence."""
    error = errors.ValidationError("Trade", "price", "must be a finite number")
    assert (error.entity, error.field, error.problem) == ("Trade", "price", "must be a finite number")
    assert str(error) == "Trade.price must be a finite number"
    assert str(errors.ValidationError("Trade", "self", "must be a Trade")) == "the entity must be a Trade"


@pytest.mark.parametrize("cls", VAULT_ERRORS, ids=_name)
def test_a_vault_error_says_which_vault_where_there_is_one(cls: type[errors.VaultError]) -> None:
    """The path, as text whatever it was given as, precedes the problem; an in-memory vault has none."""
    assert str(cls()) == cls.problem
    assert cls().path is None
    assert str(cls(PATH)) == str(cls(Path(PATH))) == f"{PATH}: {cls.problem}"
    assert cls(Path(PATH)).path == PATH


@pytest.mark.parametrize("cls", VAULT_ERRORS + REPOSITORY_ERRORS, ids=_name)
def test_a_problem_can_be_told_more_precisely(cls: type[Any]) -> None:
    """One error's own words replace those of its class, for that error alone."""
    usual = cls.problem
    error = cls("Trade", problem="the third problem")
    assert str(error) == "Trade: the third problem"
    assert str(cls(problem="the third problem")) == error.problem == "the third problem"
    assert cls.problem == usual
    assert str(cls("Trade")) == f"Trade: {usual}"


def test_each_condition_has_its_own_words() -> None:
    """Whoever reads a log can tell the leaves apart."""
    problems = [cls.problem for cls in VAULT_ERRORS + REPOSITORY_ERRORS]
    assert len(set(problems)) == len(problems)


@pytest.mark.parametrize("cls", [errors.VaultNotFoundError, errors.VaultBusyError], ids=_name)
def test_a_vault_error_that_is_an_os_error_claims_no_number(cls: type[Any]) -> None:
    """The operating system reported nothing, so ``errno`` is empty; above all it is not the path."""
    assert OSError in cls.__mro__
    error = cls(PATH, "a problem")
    assert (error.errno, error.strerror, error.filename) == (None, None, None)
    assert error.path == PATH


@pytest.mark.parametrize("cls", REPOSITORY_ERRORS, ids=_name)
def test_a_repository_error_knows_the_key_but_does_not_show_it(cls: type[errors.RepositoryError]) -> None:
    """An identifier may be an account number: it is an attribute, and in no message, repr, argument or traceback."""
    error = cls("Trade", KEY)
    assert (error.entity, error.key) == ("Trade", KEY)
    assert str(error) == f"Trade: {cls.problem}"
    shown = [str(error), repr(error), repr(error.args), *traceback.format_exception(error)]
    assert KEY not in "".join(shown)


def test_an_image_that_is_too_large_says_by_how_much() -> None:
    """Both numbers are attributes, and written so that millions can be read."""
    error = errors.ImageTooLargeError("pixels", 50_000_000, 40_000_000)
    assert (error.quantity, error.actual, error.limit) == ("pixels", 50_000_000, 40_000_000)
    assert str(error) == "the image has 50,000,000 pixels; the vault's image policy allows 40,000,000"


def test_a_source_that_cannot_be_imported_says_where() -> None:
    """The line is an attribute, and comes first where there is one; the importers give the same class."""
    error = errors.ImportSourceError("a column is missing", 3)
    assert (error.problem, error.line) == ("a column is missing", 3)
    assert str(error) == "line 3: a column is missing"
    assert str(errors.ImportSourceError("this is no CSV file")) == "this is no CSV file"
    assert importers.ImportSourceError is errors.ImportSourceError
