"""The outermost ASGI layer of a worker: on the first one, an admin call without a key is carried out on all of them."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from pydantic_core import from_json, to_json
from starlette.types import Message, Receive, Scope, Send

from mock_server.app import App
from mock_server.base.errors import ServiceUnavailable, TooLarge, render
from mock_server.engine.elsewhere import ELSEWHERE, packed, unpacked
from mock_server.engine.snapshots.shares import STATES
from mock_server.workers.asking import CLOCK, Answer, Siblings, Stream
from mock_server.workers.spread import EVERYONES, Rules, Spread, added, spread_of

JOURNAL, PARTS = "/_mock/-/journal", "/_mock/-/states"  # between workers only
NAMES_ACCOUNT = (b"authorization", b"x-mock-account")
LARGEST = 16 * 1024 * 1024  # bytes of an admin call's body that all workers get


class Everywhere:
    """Calls that concern one worker pass by. What comes from the first worker is done, and its clock taken over."""

    prompt = App.prompt

    def __init__(self, app: App, siblings: Siblings) -> None:
        self._app, self._siblings = app, siblings
        self._place = siblings.place
        self._changing = asyncio.Lock()

    def stopping(self) -> None:
        self._app.stopping()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or not scope["path"].startswith("/_mock"):
            return self._app(scope, receive, send)
        return self._admin(scope, receive, send)

    async def _admin(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app.world.clock.turn()
        if "mock.sibling" in scope:
            await self._for_sibling(scope, receive, send)
        elif (spread := self._spread(scope)) is None:
            await self._app(scope, receive, send)
        else:
            try:
                await getattr(self, f"_{spread.how}")(spread, scope, receive, send)
            except (ServiceUnavailable, TooLarge) as error:
                await Answer.of(error.status, to_json(render(error, "std"))).send(send)

    def _spread(self, scope: Scope) -> Spread | None:
        if not self._place.first:
            return None
        if scope["path"] not in EVERYONES and any(name in NAMES_ACCOUNT for name, _ in scope["headers"]):
            return None
        return spread_of(scope["method"], scope["path"])

    # On a worker that is asked by the first

    async def _for_sibling(self, scope: Scope, receive: Receive, send: Send) -> None:
        world, path = self._app.world, scope["path"]
        if path == JOURNAL:
            return await Answer.of(200, packed(world.ring)).send(send)
        if path == PARTS:
            with world.dump() as dump:
                return await Answer.of(200, to_json(dump.states)).send(send)
        if (clock := dict(scope["headers"]).get(CLOCK)) is None:
            return await self._app(scope, receive, send)
        answer = await self._here(scope, await _body(receive))
        world.clock.restore(from_json(clock))()
        await answer.send(send)

    async def _here(self, scope: Scope, body: bytes) -> Answer:
        """What this worker's own application answers."""
        answer = Answer()
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return given.pop() if given else await asyncio.get_running_loop().create_future()

        await self._app(scope, receive, answer.take)
        return answer

    # On the first worker

    def _rules(self) -> Rules:
        faults, replies = self._app.world.faults.added(None), self._app.world.replies.added(None)
        return Rules(sum(rule.account is None for rule in faults), sum(rule.account is None for rule in replies))

    async def _change(self, spread: Spread, scope: Scope, receive: Receive, send: Send) -> None:
        """One after the other, so that all workers see the same changes in the same order."""
        body = await _body(receive)
        async with self._changing:
            rules = self._rules()
            here = await self._here(scope, body)
            if here.status >= 400 and not spread.anywhere:
                return await here.send(send)
            if spread.named:
                body = to_json({**from_json(body), "id": from_json(here.body)["data"]["id"]})
            clock = (CLOCK, to_json(self._app.world.clock.dump()))
            others = await self._siblings.ask_all(scope, body, clock)
        await self._joined(spread, rules, [here, *others]).send(send)

    async def _merge(self, spread: Spread, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        here = await self._here(scope, body)
        others = await self._siblings.ask_all(scope, body) if here.status < 400 else []
        await self._joined(spread, self._rules(), [here, *others]).send(send)

    async def _figures(self, spread: Spread, scope: Scope, receive: Receive, send: Send) -> None:
        here = await self._here(scope, b"")
        if here.status < 400:
            others = await self._siblings.ask_all(scope, b"")
            here = Answer.of(here.status, added([here.body, *(answer.body for answer in others)]), here.headers)
        await here.send(send)

    def _joined(self, spread: Spread, rules: Rules, answers: list[Answer]) -> Answer:
        done = [answer for answer in answers if answer.status < 400]
        if spread.anywhere and done:
            return done[0]
        if len(done) < len(answers):
            return next(answer for answer in answers if answer.status >= 400)
        joined = spread.join([from_json(answer.body) for answer in answers], self._place, rules)
        return Answer.of(answers[0].status, to_json(joined), answers[0].headers)

    async def _journal(self, spread: Spread, scope: Scope, receive: Receive, send: Send) -> None:
        journals = await self._siblings.fetch_all(JOURNAL)
        scope[ELSEWHERE] = unpacked(journals, self._app.operations.all, self._app.world.clock)
        await self._app(scope, receive, send)

    async def _states(self, spread: Spread, scope: Scope, receive: Receive, send: Send) -> None:
        scope[STATES] = [from_json(states) for states in await self._siblings.fetch_all(PARTS)]
        await self._app(scope, receive, send)

    async def _stream(self, spread: Spread, scope: Scope, receive: Receive, send: Send) -> None:
        """The others' events between this worker's own; each is whole. What they say of themselves is said once."""
        writing = asyncio.Lock()
        streams: list[Stream] = []
        passing: list[asyncio.Task[None]] = []

        async def pass_on(stream: Stream) -> None:
            async for event in stream.events():
                async with writing:
                    await send({"type": "http.response.body", "body": event, "more_body": True})

        async def own(message: Message) -> None:
            async with writing:
                for task in passing if not message.get("more_body", True) else ():
                    task.cancel()
                await send(message)
            if message["type"] == "http.response.start" and message["status"] == 200:
                streams.extend(await self._siblings.streams(scope))
                passing.extend(asyncio.ensure_future(pass_on(stream)) for stream in streams)

        try:
            await self._app(scope, receive, own)
        finally:
            for task in passing:
                task.cancel()
            for stream in streams:
                stream.close()


async def _body(receive: Receive) -> bytes:
    """The whole body. Raises TooLarge."""
    taken = bytearray()
    while True:
        message: Any = await receive()
        taken += message.get("body", b"")
        if len(taken) > LARGEST:
            raise TooLarge(f"The body has more than {LARGEST} bytes, which is the limit of a call to all workers.")
        if not message.get("more_body", False):
            return bytes(taken)
