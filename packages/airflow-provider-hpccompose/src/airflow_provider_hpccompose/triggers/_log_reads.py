"""The logs of all jobs of a look, read by one question: over ssh every question is a program on the login node."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door, LogChunk, LogRequest

GATHER_S = 0.25
"""Triggers that are told of one look ask for logs within this time."""
MOST_JOBS = 100
MOST_BYTES = 4 * 1024 * 1024
"""Of all jobs of a question together."""

Read = Callable[[Callable[["Door"], "list[LogChunk]"]], Awaitable["list[LogChunk]"]]


@dataclass(slots=True, eq=False)
class _Wish:
    request: LogRequest
    answer: asyncio.Future[LogChunk]


class LogReads:
    """Reads that are asked for at about the same time, made together."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._wishes: list[_Wish] = []
        self._task: asyncio.Task[None] | None = None

    async def chunk(self, request: LogRequest) -> LogChunk:
        """What was asked for.

        Raises: Exception: the cluster could not be asked.
        """
        loop = asyncio.get_running_loop()
        wish = _Wish(request, loop.create_future())
        self._wishes.append(wish)
        if self._task is None or self._task.done():
            # A fresh context: what is logged meanwhile belongs to no trigger.
            self._task = loop.create_task(self._read_all(), context=contextvars.Context())
        return await wish.answer

    async def _read_all(self) -> None:
        await asyncio.sleep(GATHER_S)
        while self._wishes:
            wishes, self._wishes = self._wishes[:MOST_JOBS], self._wishes[MOST_JOBS:]
            await self._read_some([wish for wish in wishes if not wish.answer.done()])

    async def _read_some(self, wishes: list[_Wish]) -> None:
        share = MOST_BYTES // max(1, len(wishes))
        requests = [replace(wish.request, budget=min(wish.request.budget, share)) for wish in wishes]
        if not requests:
            return
        try:
            chunks = await self._read(lambda door: door.logs_of(requests))
        except Exception as error:  # noqa: BLE001  (each of those who wait is told, and goes on waiting for its job)
            for wish in wishes:
                if not wish.answer.done():
                    wish.answer.set_exception(error)
            return
        for wish, chunk in zip(wishes, chunks, strict=True):
            if not wish.answer.done():
                wish.answer.set_result(chunk)
