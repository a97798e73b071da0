"""Thirty ways to lose a journal, and the tests that show that none of them works.

Tests for those cases that no other file is about are here as well.
"""

from __future__ import annotations

import ast
import asyncio
import os
import sys
from functools import cache
from pathlib import Path

import pytest

from factories import make_account
from files import contents_of, names_in
from zorivest_async import KdfProfile, Vault, WrongPassphraseError

TESTS = Path(__file__).parent.parent
PASSPHRASE = "correct horse battery staple"

CASES: dict[int, tuple[str, list[str]]] = {
    1: (
        "a wrong passphrase is an error on opening, and changes nothing",
        ["faults/test_thirty_cases.py::test_a_wrong_passphrase_changes_nothing"],
    ),
    2: (
        "an empty passphrase is refused before anything is derived from it",
        ["integration/test_vault_opening.py::test_arguments_that_cannot_work_are_refused"],
    ),
    3: (
        "composed and decomposed spellings of a passphrase open the same vault",
        ["integration/test_vault_opening.py::test_composed_and_decomposed_spellings_are_the_same"],
    ),
    4: (
        "quotes, semicolons, NULs and emoji in a passphrase are letters like any other",
        ["integration/test_vault_opening.py::test_any_passphrase_works_exactly"],
    ),
    5: (
        "a file of 0, 1, 15 or 4095 bytes is not a vault, and is not touched",
        ["integration/test_connections.py::test_other_files_are_not_touched"],
    ),
    6: (
        "a missing path is an error, and nothing is created",
        ["integration/test_vault_opening.py::test_a_missing_path_is_not_made_without_being_asked"],
    ),
    7: (
        "a plaintext database is refused, and never opened",
        ["integration/test_connections.py::test_other_files_are_not_touched"],
    ),
    8: (
        "a changed byte on the first page is damage, not a wrong passphrase",
        ["integration/test_vault_opening.py::test_a_damaged_first_page_is_not_called_a_wrong_passphrase"],
    ),
    9: (
        "a changed byte in the salt is a wrong passphrase or a damaged salt; a salt from a copy opens the vault",
        ["faults/test_damage_file.py::test_a_damaged_salt_is_an_error_until_it_is_put_back"],
    ),
    10: (
        "one changed byte on any page is an error or a finding, and never wrong data",
        [
            "faults/test_damage_file.py::test_one_changed_byte_on_any_page_is_found",
            "faults/test_damage_file.py::test_three_changed_bytes_per_page_of_a_larger_vault_are_found",
            "faults/test_damage_file.py::test_the_end_of_a_long_value_is_never_read_as_zeros",
        ],
    ),
    11: (
        "a file cut at the end of a page is found",
        ["faults/test_damage_file.py::test_a_file_cut_at_any_page_is_found"],
    ),
    12: (
        "two pages in each other's place are found",
        ["faults/test_damage_file.py::test_two_pages_in_each_others_place_are_found"],
    ),
    13: (
        "a changed byte in the write-ahead log leaves the commits before it, and no others",
        [
            "faults/test_damage_wal.py::test_a_changed_byte_in_the_log_leaves_the_commits_before_it",
            "faults/test_damage_wal.py::test_a_log_that_is_cut_short_leaves_the_commits_before_the_cut",
        ],
    ),
    14: (
        "a write-ahead log of another vault, or of an older copy, does not reach a vault that is restored",
        [
            "faults/test_life_restore.py::test_a_foreign_wal_does_not_reach_the_new_vault",
            "faults/test_life_restore.py::test_a_restore_that_fails_leaves_the_old_vault_with_its_wal",
        ],
    ),
    15: (
        "killing a process that writes loses no acknowledged commit, and tears none",
        [
            "faults/test_kill_writer.py::test_a_killed_writer_loses_no_acknowledged_commit",
            "faults/test_kill_writer.py::test_a_writer_killed_200_times_loses_no_acknowledged_commit",
        ],
    ),
    16: (
        "killing a process that creates a vault leaves none, or a complete one",
        ["faults/test_life_kill.py::test_a_killed_creation_leaves_none_or_a_complete_one"],
    ),
    17: (
        "killing a process that changes the passphrase leaves a vault that exactly one passphrase opens",
        ["faults/test_life_kill.py::test_a_killed_rekey_leaves_exactly_one_passphrase"],
    ),
    18: (
        "while another process has the vault open its passphrase is not changed",
        ["faults/test_life_lock.py::test_a_vault_that_another_process_holds_is_not_rekeyed"],
    ),
    19: (
        "killing a backup, or a full disk, leaves no file under its name, and the vault as it was",
        [
            "faults/test_life_kill.py::test_a_killed_backup_leaves_none_or_a_complete_one",
            "faults/test_disk_full.py::test_a_full_file_system_loses_nothing",
        ],
    ),
    20: (
        "a backup beside writers that never pause ends soon, is sound, and opens with the same passphrase",
        ["integration/test_maintenance.py::test_a_backup_is_taken_while_others_write"],
    ),
    21: (
        "a full disk is an error; the unit of work is rolled back, reading goes on, and later writing too",
        [
            "faults/test_disk_full.py::test_a_unit_that_does_not_fit_is_rolled_back_whole",
            "faults/test_disk_full.py::test_a_full_file_system_loses_nothing",
        ],
    ),
    22: (
        "a folder or file that cannot be written to is an error, and nothing is left beside it",
        [
            "integration/test_vault_opening.py::test_a_read_only_folder_is_a_typed_error",
            "integration/test_vault_opening.py::test_a_file_that_may_not_be_read_is_a_typed_error",
        ],
    ),
    23: (
        "a cancelled statement returns at once, by whichever means, and leaves neither lock nor connection behind",
        [
            "concurrency/test_cancellation.py::test_a_native_cancellation_interrupts_the_statement",
            "concurrency/test_cancellation.py::test_a_timeout_interrupts_the_statement",
            "concurrency/test_cancellation.py::test_an_anyio_cancel_scope_interrupts_the_statement",
        ],
    ),
    24: (
        "after a cancelled commit the outcome is what the disk says",
        [
            "concurrency/test_cancellation.py::test_a_commit_finishes_though_its_task_is_cancelled",
            "concurrency/test_fuzz.py::test_whatever_is_cancelled_its_outcome_is_what_the_disk_says",
            "concurrency/test_fuzz.py::test_10000_cancelled_units_have_the_outcome_that_the_disk_says",
        ],
    ),
    25: (
        "a process that ends, or is interrupted, with queries under way ends within five seconds",
        [
            "faults/test_kill_exit.py::test_a_process_ends_with_queries_under_way",
            "faults/test_kill_exit.py::test_ctrl_c_ends_a_process_with_queries_under_way",
            "faults/test_kill_exit.py::test_ctrl_c_during_commits_loses_none",
        ],
    ),
    26: (
        "processes that increment one counter lose no update, and wait for less than two seconds",
        [
            "concurrency/test_processes.py::test_increments_of_several_processes_are_exact",
            "concurrency/test_processes.py::test_3200_increments_of_four_processes_are_exact",
        ],
    ),
    27: (
        "rolling back a savepoint, what is outside a released one, and a change of the schema, is exact",
        [
            "integration/test_dialect_transactions.py::test_savepoints_are_exact",
            "integration/test_dialect_transactions.py::test_ddl_is_rolled_back",
            "integration/test_savepoints.py::test_a_kept_block_is_rolled_back_with_the_rest",
        ],
    ),
    28: (
        "opening a vault again in the same process drops none of the locks that it holds",
        ["faults/test_thirty_cases.py::test_opening_a_vault_again_drops_no_lock"],
    ),
    29: (
        "bombs, and images that are damaged or of another format, are refused at once; thumbnails carry no metadata",
        [
            "unit/test_images_hostile.py::test_a_bomb_is_refused_at_once_and_without_a_warning",
            "unit/test_images_hostile.py::test_bombs_take_no_memory",
            "unit/test_images_hostile.py::test_mutated_images_give_a_thumbnail_or_an_image_error",
            "unit/test_images_hostile.py::test_what_announces_no_supported_format_is_refused",
            "contract/test_image_attach.py::test_what_is_no_whole_picture_is_refused",
            "unit/test_images_processing.py::test_thumbnails_carry_no_metadata",
            "unit/test_images_processing.py::test_the_thumbnail_is_upright",
        ],
    ),
    30: (
        "no key, passphrase or row is logged, printed or pickled, and an unsafe driver is refused",
        [
            "security/test_secrets_stay_hidden.py::test_debug_logs_show_nothing",
            "security/test_secrets_stay_hidden.py::test_errors_show_nothing",
            "security/test_secrets_stay_hidden.py::test_reprs_show_nothing",
            "security/test_secrets_stay_hidden.py::test_what_holds_a_key_is_not_pickled",
            "integration/test_connections.py::test_an_unsafe_driver_is_refused",
        ],
    ),
}
"""What happens, in words, and the tests that show what comes of it, below the folder of all tests."""


@cache
def names_of_tests_in(path: Path) -> set[str]:
    """Return the names of a file's test functions."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_thirty_cases() -> None:
    """None is left out."""
    assert sorted(CASES) == list(range(1, 31))


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_the_tests_that_it_names(case: int) -> None:
    """They exist, under these names."""
    for test in CASES[case][1]:
        file, _, name = test.partition("::")
        assert name in names_of_tests_in(TESTS / file), test


@pytest.mark.asyncio
async def test_a_wrong_passphrase_changes_nothing(vault_path: Path) -> None:
    """The file stays as it is, byte for byte, nothing appears beside it, and the right passphrase opens it."""
    opening = Vault.open(vault_path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)
    async with opening as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.commit()
    before, names = await contents_of(vault_path), await names_in(vault_path.parent)
    for _ in range(3):
        with pytest.raises(WrongPassphraseError):
            await Vault.open(vault_path, passphrase=f"{PASSPHRASE} ")
        assert await contents_of(vault_path) == before
        assert await names_in(vault_path.parent) == names
    async with Vault.open(vault_path, passphrase=PASSPHRASE) as vault, vault.unit_of_work(read_only=True) as uow:
        assert await uow.accounts.count_all() == 1


def locks_on(*paths: Path) -> list[str]:
    """Return the system's list of this process's locks on files, without the numbers that it gives them."""
    files = {path.stat().st_ino for path in paths if path.exists()}
    lines = [line.split()[1:] for line in Path("/proc/locks").read_text("ascii").splitlines()]
    return sorted(
        " ".join(words) for words in lines if int(words[4].rpartition(":")[2]) in files and int(words[3]) == os.getpid()
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the locks of files")
@pytest.mark.asyncio
async def test_opening_a_vault_again_drops_no_lock(vault: Vault, vault_path: Path) -> None:
    """Not with the right passphrase, not with a wrong one, and not by looking only: a writer goes on holding all."""
    wal, shm = (vault_path.with_name(f"{vault_path.name}-{suffix}") for suffix in ("wal", "shm"))
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        before = await asyncio.to_thread(locks_on, vault_path, wal, shm)
        assert any("WRITE" in lock for lock in before)
        async with Vault.open(vault_path, passphrase=PASSPHRASE) as again, again.unit_of_work(read_only=True) as reader:
            assert await reader.accounts.count_all() == 0
        with pytest.raises(WrongPassphraseError):
            await Vault.open(vault_path, passphrase="wrong")
        assert await asyncio.to_thread(locks_on, vault_path, wal, shm) == before
        await uow.commit()
    assert (await vault.verify()).ok
