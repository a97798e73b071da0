"""What a disk may hold after the power failed: a recording of a process's system calls, replayed in part.

Recorded with strace. What was written and then synced is there; of what was not, any part may be: none of it, some of
the writes, or some of their sectors. So it is with the names of files, which a sync of their folder makes last.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from workers.launch import command, environment

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Call", "Image", "Loss", "image_at", "record", "why_not"]

SECTOR_BYTES: Final = 512

Loss: TypeAlias = Literal["all", "some", "sectors"]
"""What is lost of the writes that were not synced: all, some of them, or some of the sectors of some of them."""

_TRACED: Final = "openat,write,pwrite64,ftruncate,fsync,fdatasync,unlink,rename"
_KINDS: Final = {
    "unlink": "unlink",
    "pwrite64": "write",
    "ftruncate": "truncate",
    "fsync": "sync",
    "fdatasync": "sync",
}
_LINE: Final = re.compile(r"^(?P<thread>\d+) +(?P<text>.*)$")
_CALL: Final = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_DESCRIPTOR: Final = re.compile(r"^(?P<number>\d+)<(?P<path>[^>]*)>")
_STRING: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One system call on a file of the folder, or on the standard output.

    Attributes:
        kind: ``"create"``, ``"unlink"``, ``"write"``, ``"truncate"``, ``"sync"`` of a file, ``"sync names"`` of the
            folder, or ``"say"``.
        name: The file's.
        offset: Where it writes, or where it cuts.
        data: What it writes or says.
    """

    kind: str
    name: str = ""
    offset: int = 0
    data: bytes = b""


@dataclass(slots=True)
class Image:
    """What is on the disk after a power failure.

    Attributes:
        files: Contents by name.
        said: What had been acknowledged on the standard output.
    """

    files: dict[str, bytearray]
    said: list[str] = field(default_factory=list)

    def write_to(self, folder: Path) -> None:
        """Make the files."""
        for name, data in self.files.items():
            (folder / name).write_bytes(data)


def why_not() -> str | None:
    """Return why nothing can be recorded here, or ``None``."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)  # noqa: S607
    return None if tried.returncode == 0 else "strace may not trace processes here"


def record(trace: Path, folder: Path, program: str, *arguments: object) -> list[Call]:
    """Run a program to its end and return what it did to a folder, in order."""
    tracing = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={_TRACED}", "-o", str(trace)]
    subprocess.run(
        [*tracing, *command(program, *arguments)], env=environment(), check=True, capture_output=True, timeout=300
    )
    return _parse(trace.read_text("ascii").splitlines(), folder)


def _parse(lines: Sequence[str], folder: Path) -> list[Call]:
    calls: list[Call] = []
    begun: dict[str, str] = {}
    for line in lines:
        match = _LINE.match(line)
        assert match is not None, line
        thread, text = match["thread"], match["text"]
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            text = begun.pop(thread) + text.partition("resumed>")[2]
        found = _CALL.match(text)
        if found is not None and int(found["result"]) >= 0:
            calls += _calls(found["name"], found["arguments"], int(found["result"]), folder)
    return calls


def _calls(name: str, arguments: str, result: int, folder: Path) -> list[Call]:
    data = [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(arguments)]
    descriptor = _DESCRIPTOR.match(arguments)
    if name == "write" and descriptor is not None and descriptor["number"] == "1":
        return [Call("say", data=data[0])]
    path = data[0].decode() if descriptor is None or name == "openat" else _path(descriptor["path"])
    if path == str(folder):
        return [Call("sync names")] if name == "fsync" else []
    if not path.startswith(f"{folder}/") or path.endswith(".lock"):
        return []
    file, last = path.removeprefix(f"{folder}/"), arguments.rpartition(", ")[2]
    if name == "openat":
        return [Call("create", file)] if "O_CREAT" in arguments else []
    assert name != "pwrite64" or len(data[0]) == result, "a write in part was not foreseen"
    kind = {"unlink": "unlink", "pwrite64": "write", "ftruncate": "truncate", "fsync": "sync", "fdatasync": "sync"}[
        name
    ]
    offset = int(last) if kind in ("write", "truncate") else 0
    return [Call(kind, file, offset, data[0] if kind == "write" else b"")]


def _path(text: str) -> str:
    """Return a descriptor's path, which some versions print in hexadecimal too."""
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text


def image_at(start: Image, calls: Sequence[Call], loss: Loss, chance: random.Random) -> Image:
    """Return what is on the disk where the power fails after these calls."""
    synced_until = {call.name: index for index, call in enumerate(calls) if call.kind == "sync"}
    names_until = max((index for index, call in enumerate(calls) if call.kind == "sync names"), default=-1)
    image = Image({name: bytearray(data) for name, data in start.files.items()})
    for index, call in enumerate(calls):
        match call.kind:
            case "say":
                image.said += call.data.decode().split()
            case "create":
                if index < names_until or _survives(loss, chance):
                    image.files.setdefault(call.name, bytearray())
            case "unlink":
                if index < names_until or _survives(loss, chance):
                    image.files.pop(call.name, None)
            case "write" | "truncate" if call.name in image.files:
                safe = index < synced_until.get(call.name, -1)
                if safe or _survives(loss, chance):
                    _apply(image.files[call.name], call, None if safe or loss != "sectors" else chance)
    return image


def _survives(loss: Loss, chance: random.Random) -> bool:
    return loss != "all" and chance.random() < 0.5


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
