"""Everything that is measured, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.workloads.crowds import ManyReaders, ManyWriters, ReadersBesideWriter
from benchmarks.workloads.many import BulkSave, FirstPage, ListTrades, PageDepth, StreamTrades, ThousandthPage
from benchmarks.workloads.pictures import Gallery, ReadBesideThumbnails, Screenshots
from benchmarks.workloads.single import ReadFresh, ReadModifyWrite, ReadOpen, SaveCommit
from benchmarks.workloads.whole import Backup, ImportTime, OpenConnections, OpenWithKey, OpenWithPassphrase

if TYPE_CHECKING:
    from benchmarks.sizes import Sizes
    from benchmarks.vaults import Vaults
    from benchmarks.workloads.base import Workload

__all__ = ["all_workloads"]


def all_workloads(vaults: Vaults, sizes: Sizes) -> dict[str, Workload]:
    """Return the workloads of a form, by name; none is open yet."""
    workloads: list[Workload] = [
        ReadFresh(vaults, sizes),
        ReadOpen(vaults, sizes),
        SaveCommit(vaults, sizes),
        ReadModifyWrite(vaults, sizes),
        *(BulkSave(vaults, sizes, count) for count in sizes.bulk),
        *(ListTrades(vaults, sizes, count) for count in sizes.listed),
        StreamTrades(vaults, sizes, max(sizes.listed)),
        FirstPage(vaults, sizes),
        ThousandthPage(vaults, sizes),
        PageDepth(vaults, sizes),
        ManyReaders(vaults, sizes),
        *(ManyWriters(vaults, sizes, writers, slow=slow) for slow in (False, True) for writers in sizes.writers),
        ReadersBesideWriter(vaults, sizes),
        Screenshots(vaults, sizes, "png"),
        Screenshots(vaults, sizes, "jpeg"),
        *(Gallery(vaults, sizes, count) for count in sizes.gallery),
        ReadBesideThumbnails(vaults, sizes),
        OpenConnections(vaults, sizes),
        OpenWithKey(vaults, sizes),
        OpenWithPassphrase(vaults, sizes),
        Backup(vaults, sizes),
        ImportTime(vaults, sizes),
    ]
    return {workload.name: workload for workload in workloads}
