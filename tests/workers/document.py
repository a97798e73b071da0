"""Run the Python blocks of a Markdown page in order, in one namespace, and print what each printed, as JSON.

A block may await at its top, as at ``python -m asyncio``; all blocks of a page share an event loop.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from documents import blocks_of


def main(page: Path) -> list[str]:
    """Return what each block printed."""
    outputs: list[str] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for block in blocks_of(page.read_text(encoding="utf-8"), "python"):
            source = "\n" * block.line + block.text  # so that a traceback names the page's own lines
            code = compile(source, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            with redirect_stdout(StringIO()) as output:
                if code.co_flags & inspect.CO_COROUTINE:
                    runner.run(eval(code, names))  # noqa: S307 - the library's own documents
                else:
                    exec(code, names)
            outputs.append(output.getvalue())
    return outputs


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
