"""Fifty accounts at once on one server, random operations: nobody ever sees, changes or deletes what is another's."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from mock_server import LocalServer, Settings

ACCOUNTS = 50
SECONDS = 30.0
LEAST = 1000  # operations, however long a busy machine takes
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|(?:ftjob|chatcmpl)-\w+")
MARK = re.compile(r"owner-\d{3}-mark")


class Tenant:
    """One account: what it made, and whatever it was answered."""

    def __init__(self, n: int, http: httpx.AsyncClient, owners: dict[str, str]) -> None:
        self.mark = f"owner-{n:03}-mark"
        self.random = random.Random(n)
        self.conversations: list[str] = []
        self.groups: list[str] = []
        self.jobs: list[str] = []
        self.done: Counter[str] = Counter()
        self._http, self._owners, self._headers = http, owners, {"authorization": f"Bearer key-of-{self.mark}"}

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request as this account. Whatever comes back may name no mark and no id of another's."""
        options["headers"] = {**self._headers, **options.get("headers", {})}
        answer = await self._http.request(method, path, **options)
        seen = set(MARK.findall(answer.text)) | {self._owners.get(id, self.mark) for id in ID.findall(answer.text)}
        assert seen <= {self.mark}, f"{self.mark} saw {seen} at {method} {path}"
        assert answer.status_code < 500, answer.text
        return answer

    def own(self, id: str) -> str:
        assert self._owners.setdefault(id, self.mark) == self.mark, f"{id} was given out twice"
        return id

    def anothers(self) -> str | None:
        others = [id for id, owner in list(self._owners.items())[-200:] if owner != self.mark]
        return self.random.choice(others) if others else None

    async def converse(self) -> None:
        body = {"name": self.mark, "metadata": {"who": self.mark}}
        made = (await self.ask("POST", "/v2/ai/conversations", json=body)).json()
        self.conversations.append(self.own(made["id"]))
        said = {"role": "user", "content": f"{self.mark} speaks"}
        assert (await self.ask("POST", f"/v2/ai/conversations/{made['id']}/message", json=said)).status_code == 200

    async def look(self) -> None:
        listed = (await self.ask("GET", "/v2/ai/conversations", params={"page[size]": 50})).json()
        assert listed["meta"]["total_results"] == len(self.conversations)
        if self.conversations:
            id = self.random.choice(self.conversations)
            (message,) = (await self.ask("GET", f"/v2/ai/conversations/{id}/messages")).json()["data"]
            assert message["text"] == f"{self.mark} speaks"

    async def forget(self) -> None:
        if self.conversations:
            id = self.conversations.pop(self.random.randrange(len(self.conversations)))
            assert (await self.ask("DELETE", f"/v2/ai/conversations/{id}")).status_code == 200

    async def chat(self) -> None:
        body = {"messages": [{"role": "user", "content": self.mark}], "stream": self.random.random() < 0.3}
        answer = await self.ask("POST", "/v2/ai/chat/completions", json=body)
        assert self.mark in answer.text or body["stream"]

    async def insight(self) -> None:
        body = {"name": self.mark}
        made = (await self.ask("POST", "/v2/ai/conversations/insight-groups", json=body)).json()["data"]
        self.groups.append(self.own(made["id"]))
        listed = (await self.ask("GET", "/v2/ai/conversations/insight-groups?page[size]=50")).json()
        assert listed["meta"]["total_results"] >= len(self.groups)

    async def tune(self) -> None:
        job = {"model": "meta-llama/Meta-Llama-3.1-8B-Instruct", "training_file": "training-data.jsonl", "suffix": "m"}
        made = (await self.ask("POST", "/v2/ai/fine_tuning/jobs", json=job)).json()
        self.jobs.append(self.own(made["id"]))
        listed = (await self.ask("GET", "/v2/ai/fine_tuning/jobs")).json()["data"]
        assert {job["id"] for job in listed} == {*self.jobs}

    async def store(self) -> None:
        key = f"{self.mark}-{self.random.randrange(5)}.txt"
        await self.ask("PUT", "/s3/my-bucket/" + key, content=self.mark)
        assert (await self.ask("GET", "/s3/my-bucket/" + key)).text == self.mark
        await self.ask("GET", "/s3/my-bucket")

    async def pry(self) -> None:
        """Another's id is no id."""
        id = self.anothers()
        if id is None:
            return
        for method, path in (
            ("GET", f"/v2/ai/conversations/{id}"),
            ("PUT", f"/v2/ai/conversations/{id}"),
            ("DELETE", f"/v2/ai/conversations/{id}"),
            ("GET", f"/v2/ai/conversations/insight-groups/{id}"),
            ("DELETE", f"/v2/ai/conversations/insight-groups/{id}"),
            ("GET", f"/v2/ai/fine_tuning/jobs/{id}"),
            ("POST", f"/v2/ai/fine_tuning/jobs/{id}/cancel"),
        ):
            answer = await self._http.request(method, path, headers=self._headers, json={} if method == "PUT" else None)
            assert answer.status_code in (404, 422), f"{method} {path}: {answer.status_code} {answer.text}"

    async def fail(self) -> None:
        """Rules and time are an account's own: another's next chat is neither refused nor in another year."""
        await self.ask("POST", "/_mock/faults", json={"match": {"path": "/v2/ai/models"}, "effect": {"status": 429}})
        await self.ask("POST", "/_mock/clock", json={"set": "2031-01-01T00:00:00Z"})
        assert (await self.ask("GET", "/v2/ai/models")).status_code == 429
        await self.ask("DELETE", "/_mock/faults")
        assert (await self.ask("GET", "/v2/ai/models")).status_code == 200

    async def recall(self) -> None:
        """The journal shows its own exchanges only; ids that it pried at are in their paths, and nowhere else."""
        answer = await self._http.get("/_mock/requests?limit=20", headers=self._headers)
        assert set(MARK.findall(answer.text)) <= {self.mark}
        for exchange in answer.json()["data"]:
            assert {self._owners.get(id, self.mark) for id in ID.findall(exchange["response"]["body"])} <= {self.mark}

    async def live(self, enough: Callable[[], bool]) -> None:
        acts: list[Callable[[], Awaitable[None]]] = [
            self.converse, self.converse, self.look, self.look, self.chat, self.chat, self.insight, self.tune,
            self.store, self.forget, self.pry, self.fail, self.recall,
        ]  # fmt: skip
        while not enough():
            act = self.random.choice(acts)
            await act()
            self.done[act.__name__] += 1


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_fifty_accounts_never_meet() -> None:
    async def all_at_once(url: str) -> Counter[str]:
        owners: dict[str, str] = {}
        limits = httpx.Limits(max_connections=ACCOUNTS)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
            tenants = [Tenant(n, http, owners) for n in range(ACCOUNTS)]
            until = time.monotonic() + SECONDS

            def enough() -> bool:
                return time.monotonic() > until and sum(tenant.done.total() for tenant in tenants) >= LEAST

            await asyncio.gather(*(tenant.live(enough) for tenant in tenants))
        return sum((tenant.done for tenant in tenants), Counter[str]())

    with LocalServer(Settings(port=0)) as server:
        done = asyncio.run(all_at_once(server.url))

    print(f"{done.total()} random operations of {ACCOUNTS} accounts in {SECONDS:.0f} s: {dict(done)}")
    assert len(done) == 10  # each kind came up
    assert done.total() >= LEAST
