"""What a disk may hold after the power failed: a recording of a process's system calls, replayed in part.

Recorded with strace. What was written and then synced is there; of what was not, any part may be: none of it, some of
the writes, or some of their sectors. So it is with the names of files and folders, which a sync of the folder that they
stand in makes last. What is written belongs to a file and not to a name, so it goes with the file when that is renamed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from workers.launch import command, environment

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Call", "Image", "Loss", "image_at", "record", "why_not"]

SECTOR_BYTES: Final = 512

Loss: TypeAlias = Literal["all", "some", "sectors", "contents", "earlier names"]
"""What is lost of what was not synced: all, some of it, or some of the sectors of some of it; the contents of files
whose names are there; or all names but the last one."""

_TRACED: Final = (
    "open,openat,lseek,write,pwrite64,ftruncate,fsync,fdatasync,"
    "link,linkat,mkdir,mkdirat,rename,renameat,renameat2,rmdir,unlink,unlinkat"
)
_LINE: Final = re.compile(r"^(?P<thread>\d+) +(?P<text>.*)$")
_CALL: Final = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_DESCRIPTOR: Final = re.compile(r"^(?P<number>\d+)<(?P<path>[^>]*)>")
_STRING: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PATH: Final = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<path>(?:\\x[0-9a-f]{2})*)"')

_ROOT: Final = 0
"""The folder that is recorded."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call on a file or a folder, which has a number, or on the standard output.

    Attributes:
        kind: ``"name"``, ``"unname"``, ``"move"``, ``"write"``, ``"truncate"``, ``"sync"`` or ``"say"``.
        node: The file or folder.
        name: The folder that it stands in, and the name that it gets or loses there.
        other: The folder and the name that it had before a move.
        offset: Where it writes, or where it cuts.
        data: What it writes or says.
        is_folder: Whether it makes a folder.
        begun: How many calls had ended when this one began: a sync is of what was written by then, and of no more.
    """

    kind: str
    node: int = _ROOT
    name: tuple[int, str] = (_ROOT, "")
    other: tuple[int, str] | None = None
    offset: int = 0
    data: bytes = b""
    is_folder: bool = False
    begun: int = 0

    @property
    def changes_names(self) -> bool:
        """Whether it gives or takes a name."""
        return self.kind in ("name", "unname", "move")


@dataclass(slots=True)
class Image:
    """What is on the disk before a recording, or after a power failure.

    Attributes:
        files: Contents by path below the folder.
        folders: Paths of folders below it.
        said: What had been acknowledged on the standard output.
    """

    files: dict[str, bytearray] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def write_to(self, folder: Path) -> None:
        """Make the folder and what is in it."""
        folder.mkdir()
        for path in sorted(self.folders):
            (folder / path).mkdir()
        for path, data in self.files.items():
            (folder / path).write_bytes(data)

    def nodes(self) -> dict[str, int]:
        """Return the number of each file and folder, by path; a recording goes on after them."""
        return {path: number for number, path in enumerate([*sorted(self.folders), *sorted(self.files)], _ROOT + 1)}


def why_not() -> str | None:
    """Return why nothing can be recorded here, or ``None``."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)  # noqa: S607
    return None if tried.returncode == 0 else "strace may not trace processes here"


def record(trace: Path, folder: Path, start: Image, program: str, *arguments: object, sync_us: int = 0) -> list[Call]:
    """Run a program to its end and return what it did to a folder, in order.

    Args:
        trace: A file for strace.
        folder: The folder, which holds what ``start`` does.
        start: What it holds.
        program: The program.
        arguments: Its arguments.
        sync_us: How much longer each sync takes, in microseconds, as on a disk that is slow.
    """
    tracing = ["strace", "-f", "-y", "-xx", "-s", "10000000", "-e", f"trace={_TRACED}", "-o", str(trace)]
    if sync_us:
        tracing += ["-e", f"inject=fsync,fdatasync:delay_exit={sync_us}"]
    subprocess.run(
        [*tracing, *command(program, *arguments)],
        env=environment(),
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    recording = _Recording(folder, start)
    for thread, call in _events(trace.read_text("ascii").splitlines()):
        if call is None:
            recording.begin(thread)
        else:
            recording.add(thread, *call)
    return recording.calls


def _events(lines: Sequence[str]) -> Iterator[tuple[str, tuple[str, str, int] | None]]:
    """Yield the thread where a call begins, and with the name, the arguments and the result where one succeeded."""
    begun: dict[str, str] = {}
    for line in lines:
        match = _LINE.match(line)
        assert match is not None, line
        thread, text = match["thread"], match["text"]
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>")
            yield thread, None
            continue
        if text.startswith("<... "):
            text = begun.pop(thread) + text.partition("resumed>")[2]
        else:
            yield thread, None
        found = _CALL.match(text)
        if found is not None and int(found["result"]) >= 0:
            yield thread, (found["name"], found["arguments"], int(found["result"]))


class _Recording:
    """Follows which file has which name, so that each call is known by the file that it is about."""

    def __init__(self, folder: Path, start: Image) -> None:
        self.calls: list[Call] = []
        self._folder = PurePosixPath(folder)
        self._nodes = {PurePosixPath("."): _ROOT} | {PurePosixPath(path): node for path, node in start.nodes().items()}
        self._next = max(self._nodes.values()) + 1
        self._positions: dict[str, int] = {}
        self._begun: dict[str, int] = {}

    def begin(self, thread: str) -> None:
        """Note that a call of a thread begins."""
        self._begun[thread] = len(self.calls)

    def add(self, thread: str, name: str, arguments: str, result: int) -> None:
        """Note a call."""
        descriptor = _DESCRIPTOR.match(arguments)
        if name.startswith(("open", "link", "mkdir", "rename", "rmdir", "unlink")):
            paths = [self._below(path) for path in _paths_in(arguments)]
            if not any(path is None for path in paths):
                self._add_name(name, [path for path in paths if path is not None], arguments, result)
        elif descriptor is not None and name == "write" and descriptor["number"] == "1":
            self.calls.append(Call("say", data=_bytes(arguments)))
        elif descriptor is not None:
            path = self._below(PurePosixPath(os.fsdecode(_decoded(descriptor["path"]))))
            if path is not None and path in self._nodes:
                if name in ("fsync", "fdatasync"):
                    self.calls.append(Call("sync", self._nodes[path], begun=self._begun[thread]))
                else:
                    self._add_content(name, self._nodes[path], descriptor["number"], arguments, result)

    def _below(self, path: PurePosixPath) -> PurePosixPath | None:
        """Return a path below the recorded folder; ``None`` for any other, and for locks of vaults."""
        below = path.is_relative_to(self._folder) and path.suffix != ".lock"
        return path.relative_to(self._folder) if below else None

    def _add_name(self, name: str, paths: list[PurePosixPath], arguments: str, result: int) -> None:
        path, last = paths[0], paths[-1]
        place = (self._nodes[last.parent], last.name) if last.parts else (_ROOT, "")
        if name.startswith("open"):
            self._positions[str(result)] = 0
            if "O_CREAT" in arguments and path not in self._nodes:
                self._add_new(path, place)
            elif "O_TRUNC" in arguments:
                self.calls.append(Call("truncate", self._nodes[path]))
        elif name.startswith("mkdir"):
            self._add_new(path, place, is_folder=True)
        elif name.startswith("link"):
            self._nodes[last] = self._nodes[path]
            self.calls.append(Call("name", self._nodes[last], place))
        elif name.startswith("rename"):
            moved = {old: node for old, node in self._nodes.items() if old.is_relative_to(path)}
            for old in moved:
                del self._nodes[old]
            self._nodes |= {last / old.relative_to(path): node for old, node in moved.items()}
            self.calls.append(Call("move", moved[path], place, (self._nodes[path.parent], path.name)))
        else:
            self.calls.append(Call("unname", self._nodes.pop(path), place))

    def _add_new(self, path: PurePosixPath, place: tuple[int, str], *, is_folder: bool = False) -> None:
        self._nodes[path] = self._next
        self._next += 1
        self.calls.append(Call("name", self._nodes[path], place, is_folder=is_folder))

    def _add_content(self, name: str, node: int, descriptor: str, arguments: str, result: int) -> None:
        last = arguments.rpartition(", ")[2]
        if name == "lseek":
            self._positions[descriptor] = result
        elif name == "ftruncate":
            self.calls.append(Call("truncate", node, offset=int(last)))
        else:
            offset = int(last) if name == "pwrite64" else self._positions[descriptor]
            self.calls.append(Call("write", node, offset=offset, data=_bytes(arguments)[:result]))
            if name == "write":
                self._positions[descriptor] += result


def _paths_in(arguments: str) -> list[PurePosixPath]:
    return [
        PurePosixPath(os.fsdecode(_decoded(match["folder"] or "")), os.fsdecode(_decoded(match["path"])))
        for match in _PATH.finditer(arguments)
    ]


def _bytes(arguments: str) -> bytes:
    return b"".join(_decoded(text) for text in _STRING.findall(arguments))


def _decoded(text: str) -> bytes:
    """Return what strace printed, which is in hexadecimal, but for the paths of descriptors in some versions."""
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else os.fsencode(text)


def image_at(start: Image, calls: Sequence[Call], loss: Loss, chance: random.Random) -> Image:
    """Return what is on the disk where the power fails after these calls."""
    synced_until = dict[int, int]()
    for call in calls:
        if call.kind == "sync":
            synced_until[call.node] = max(call.begun, synced_until.get(call.node, -1))
    last_name = max((index for index, call in enumerate(calls) if call.changes_names), default=-1)
    numbers = start.nodes()
    folders = {numbers[path] for path in start.folders} | {call.node for call in calls if call.is_folder}
    names: dict[tuple[int, str], int] = {}
    for path, node in numbers.items():
        place = PurePosixPath(path)
        names[_ROOT if place.parent == PurePosixPath(".") else numbers[str(place.parent)], place.name] = node
    contents = {numbers[path]: bytearray(data) for path, data in start.files.items()}
    said: list[str] = []
    for index, call in enumerate(calls):
        if call.kind == "say":
            said += call.data.decode().split()
        elif call.changes_names:
            touched = (call.name[0], *(call.other or ())[:1])
            safe = any(index < synced_until.get(folder, -1) for folder in touched)
            if safe or _survives(loss, chance, index == last_name if loss == "earlier names" else loss == "contents"):
                if call.other is not None and names.get(call.other) == call.node:
                    del names[call.other]
                if call.kind == "unname":
                    names.pop(call.name, None)
                else:
                    names[call.name] = call.node
        elif call.kind in ("write", "truncate"):
            safe = index < synced_until.get(call.node, -1)
            if safe or _survives(loss, chance, loss == "earlier names"):
                tearing = chance if loss == "sectors" and not safe else None
                _apply(contents.setdefault(call.node, bytearray()), call, tearing)
    image = Image(said=said)

    def walk(folder: int, path: str) -> None:
        for (parent, name), node in names.items():
            if parent == folder and node in folders:
                image.folders.append(path + name)
                walk(node, f"{path}{name}/")
            elif parent == folder:
                image.files[path + name] = contents.get(node, bytearray())

    walk(_ROOT, "")
    return image


def _survives(loss: Loss, chance: random.Random, certainly: bool) -> bool:
    return certainly or (loss in ("some", "sectors") and chance.random() < 0.5)


def _apply(file: bytearray, call: Call, tearing: random.Random | None) -> None:
    if call.kind == "truncate":
        del file[call.offset :]
        file.extend(bytes(call.offset - len(file)))
        return
    file.extend(bytes(max(0, call.offset + len(call.data) - len(file))))
    for start in range(0, len(call.data), SECTOR_BYTES):
        if tearing is None or tearing.random() < 0.5:
            sector = call.data[start : start + SECTOR_BYTES]
            file[call.offset + start : call.offset + start + len(sector)] = sector
