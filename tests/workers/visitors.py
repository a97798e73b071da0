"""Twenty clients that upload screenshots and twenty that browse, against a server: ``ADDRESS FOLDER COUNT``.

Each uploader sends every file of the folder so many times in all; browsers go on until the last upload is answered. The
numbers are printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from contextlib import suppress
from pathlib import Path

import httpx

CLIENTS = 20
LOOK_S = 0.5
"""How long somebody who browses looks at a page, at least."""


async def main(address: str, folder: Path, count: int) -> None:
    """Upload and browse, and print what was answered."""
    charts = await asyncio.to_thread(lambda: [path.read_bytes() for path in sorted(folder.iterdir())])
    answers = {"uploaded": 0, "browsed": 0, "failed": 0}
    done = asyncio.Event()

    async def upload(client: httpx.AsyncClient, number: int) -> None:
        for n in range(count):
            response = await client.post("/trades/0001/images", content=charts[(number + n) % len(charts)])
            answers["uploaded" if response.status_code == 201 else "failed"] += 1

    async def browse(client: httpx.AsyncClient) -> None:
        while not done.is_set():
            page = await client.get("/")
            images = re.findall(r"/images/\d+(?=\")", page.text)[:3]
            responses = [page, *[await client.get(f"{image}/thumbnail") for image in images]]
            if images:
                responses.append(await client.get(images[0]))
            for response in responses:
                answers["browsed" if response.status_code == 200 else "failed"] += 1
            with suppress(TimeoutError):  # a look at the page
                await asyncio.wait_for(done.wait(), LOOK_S)

    limits = httpx.Limits(max_connections=2 * CLIENTS, max_keepalive_connections=2 * CLIENTS)
    async with (
        httpx.AsyncClient(base_url=address, timeout=300, limits=limits) as client,
        asyncio.TaskGroup() as browsers,
    ):
        for _ in range(CLIENTS):
            browsers.create_task(browse(client))
        async with asyncio.TaskGroup() as uploaders:
            for number in range(CLIENTS):
                uploaders.create_task(upload(client, number))
        done.set()
    print(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
