"""Journals and receipts over HTTP (docs/wire.md, Journal and Receipts)."""

from __future__ import annotations

import re

from hw_sim.agency.store.journals import MAX_BODY, JournalDesk
from hw_sim.agency.store.problem import BAD_REQUEST, MEDIA_TYPE, Problem
from hw_sim.agency.store.routes import DIGEST, NUMBER, UUID, Exchange, Reply, Route, jose_reply, json_reply, route
from hw_sim.agency.store.segments import SegmentDesk

_JOURNAL = rf"/journals/({UUID})"
MAX_KEY_LINE = 64 * 1024
"""A boot record with its certificates: some kilobytes."""


class JournalRoutes:
    def __init__(self, journals: JournalDesk, segments: SegmentDesk) -> None:
        self._journals = journals
        self._segments = segments

    def routes(self) -> tuple[Route, ...]:
        return (
            route("GET", _JOURNAL, self._position),
            route("POST", _JOURNAL, self._post),
            route("POST", rf"{_JOURNAL}/keys", self._key),
            route("GET", rf"{_JOURNAL}/segments/({UUID})/receipt", self._receipt),
            route("GET", rf"/segments/({DIGEST})/receipt", self._receipt_of_digest),
        )

    def _position(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        return json_reply(200, self._journals.position(exchange.peer, match[1]))

    def _key(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        _require_jose(exchange)
        return json_reply(200, {"kid": self._journals.introduce(exchange.peer, match[1], exchange.body(MAX_KEY_LINE))})

    def _post(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        _require_jose(exchange)
        from_seq = exchange.query("from")
        if not NUMBER.match(from_seq):
            raise Problem(BAD_REQUEST, f"from={from_seq!r}: 不是序号 not a sequence number")
        after = exchange.query("after")
        if after and not NUMBER.match(after):
            raise Problem(BAD_REQUEST, f"after={after!r}: 不是序号 not a sequence number")
        body = exchange.body(MAX_BODY)
        lost = int(after) if after else None
        return json_reply(200, self._journals.post(exchange.peer, match[1], int(from_seq), body, lost))

    def _receipt(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        return jose_reply(self._segments.receipt(exchange.peer, match[1], match[2]))

    def _receipt_of_digest(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        return jose_reply(self._segments.receipt_of_digest(exchange.peer, match[1]))


def _require_jose(exchange: Exchange) -> None:
    if exchange.headers.get_content_type() != "application/jose":
        raise Problem(MEDIA_TYPE, "application/jose")
