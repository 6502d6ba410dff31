"""Calls of bulk inference."""

import asyncio
from pathlib import Path

from gateway.accounts.tokens import issue
from tests.conftest import SECRET


class Caller:
    """One account's calls."""

    def __init__(self, client, folders, subject="tests"):
        self.client = client
        self.headers = {"Authorization": issue(subject, secret=SECRET)}
        self.folders = folders

    async def post(self, body=None, *, background=False, **fields):
        """POST /bulk_inference on the test's folders; gives status, headers and body."""
        headers = {**self.headers, **({"Prefer": "respond-async"} if background else {})}
        body = {**self.folders, **fields} if body is None else body
        async with self.client.post("/bulk_inference", json=body, headers=headers) as response:
            return response.status, response.headers, await response.json()

    async def begin(self, **fields):
        """Begin a job; gives its URL."""
        status, headers, _ = await self.post(background=True, **fields)
        assert status == 202
        return headers["Location"]

    async def ask(self, method, url):
        async with self.client.request(method, url, headers=self.headers) as response:
            return response.status, await response.json()

    async def until(self, url, condition):
        """Poll a job until its status fulfils a condition; gives the status."""
        for _ in range(400):
            _, body = await self.ask("GET", url)
            if condition(body["Data"]):
                return body["Data"]
            await asyncio.sleep(0.05)
        raise AssertionError(body)


def names_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
