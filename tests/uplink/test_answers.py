from __future__ import annotations

import pytest

from recorder.uplink.answers import NoReceipt, fault_of, members, no_receipt, offset_of, retry_after, whole_number
from recorder.uplink.faults import UplinkFault
from recorder.uplink.http import Answer


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, None),
        (
            {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:00 GMT"},
            59.0,
        ),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 -0000", "date": "Fri, 31 Dec 1999 23:59:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(Answer(503, headers, b"")) == seconds


@pytest.mark.parametrize("value", ["", "-1", "1.5", "0x10", "１２", "9" * 30])
def test_a_strange_offset_is_no_offset(value: str) -> None:
    with pytest.raises(UplinkFault, match="Upload-Offset"):
        offset_of(Answer(204, {"upload-offset": value}, b""))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_has_no_members(body: bytes) -> None:
    assert members(Answer(502, {}, body)) == {}
    assert fault_of(Answer(502, {}, body)).kind.code == "store-error"


@pytest.mark.parametrize(("value", "number"), [(5, 5), ("5", 5), (True, None), (-1, None), (5.0, None), (None, None)])
def test_whole_numbers(value: object, number: int | None) -> None:
    assert whole_number(value) == number


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"state": "unknown"}', NoReceipt.SEND),
        (b'{"state": "uploading"}', NoReceipt.SEND),
        (b'{"state": "awaiting-journal"}', NoReceipt.POST_JOURNAL),
        (b'{"state": "awaiting-store"}', NoReceipt.ASK_LATER),
        (b'{"state": "of a later version"}', NoReceipt.SEND),
        (b'{"state": ["awaiting-store"]}', NoReceipt.SEND),
        (b"<html>", NoReceipt.SEND),
    ],
)
def test_what_a_missing_receipt_asks_of_the_unit(body: bytes, wanted: NoReceipt) -> None:
    assert no_receipt(Answer(404, {}, body)) is wanted


def test_the_stores_words_are_kept_but_bounded() -> None:
    fault = fault_of(Answer(507, {}, b'{"title_zh":"\xe6\xbb\xa1\xe4\xba\x86","detail":"' + b"x" * 9999 + b'"}'))
    assert "满了" in str(fault)
    assert len(str(fault)) < 600
