"""A notebook's kernel, and what its cells give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

__all__ = ["Kernel", "Output"]


@dataclass
class Output:
    """What a cell gave: its text, its results by media type, and the error that ended it."""

    text: str = ""
    shown: list[dict[str, str]] = field(default_factory=list)
    error: str = ""


class Kernel:
    """A kernel, and the client that speaks to it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self._client = client

    def run(self, cell: str, on_text: Callable[[], object] = lambda: None) -> Output:
        """Run a cell to its end.

        Args:
            cell: The cell.
            on_text: Called when the cell prints.
        """
        output = Output()

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    output.text += content["text"]
                    on_text()
                case "execute_result" | "display_data":
                    output.shown.append(content["data"])
                case "error":
                    output.error = f"{content['ename']}: {content['evalue']}"
                case _:
                    pass

        self._client.execute_interactive(cell, timeout=30, output_hook=take, allow_stdin=False)
        return output

    def interrupt(self) -> None:
        """Press the stop button."""
        self.manager.interrupt_kernel()

    def restart(self) -> None:
        """Kill the kernel, and wait for another one."""
        self.manager.restart_kernel(now=True)
        self._client.wait_for_ready(timeout=60)
