"""What the unit process told the worker to seal to and to write into the picture; the snapshot at segment-open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from recorder.capture.segment_writer import Sealer, SealerFactory
from recorder.capture.stream import SegmentTerms
from recorder.capture.watermark import Watermark
from recorder.channel.messages import Overlay


class Terms:
    """``sealer`` makes the encryptor of one file; it raises ValueError for recipients nobody could open the file with.

    Such recipients are left out and reported; when none is left the recording goes on unsealed (promise 1 comes before
    promise 5), which the segment's ``opened`` report says.
    """

    def __init__(
        self,
        recipients: tuple[str, ...],
        sealer: SealerFactory,
        watermark: Watermark | None,
        fault: Callable[[dict[str, Any]], None],
    ) -> None:
        self._recipients = recipients
        self._make_sealer = sealer
        self._watermark = watermark
        self._fault = fault
        self._overlay: Overlay | None = None
        self._recording = False
        self._lock = threading.Lock()

    def set_recipients(self, recipients: tuple[str, ...]) -> None:
        """For the segments opened from now on."""
        with self._lock:
            self._recipients = recipients

    def set_overlay(self, overlay: Overlay) -> None:
        """Drawn from the next segment-open on; outside a session at once, so that the first frames of the next session,
        which are already in the ring when it begins, show who is signed in."""
        with self._lock:
            self._overlay = overlay
            if not self._recording:
                self._draw()

    def set_recording(self, recording: bool) -> None:
        with self._lock:
            ended = self._recording and not recording
            self._recording = recording
            if ended:
                self._draw()

    def snapshot(self) -> SegmentTerms:
        """At segment-open, on the writer thread."""
        with self._lock:
            self._draw()
            recipients, officers = self._recipients, self._overlay.officers if self._overlay else ()
        usable, sealer = self._seal_to(recipients)
        return SegmentTerms(usable, sealer, officers)

    def _seal_to(self, recipients: Sequence[str]) -> tuple[tuple[str, ...], Sealer | None]:
        if not recipients:
            return (), None
        try:
            return tuple(recipients), self._make_sealer(recipients)
        except ValueError as error:
            usable = tuple(recipient for recipient in recipients if self._is_usable(recipient))
            self._fault({"error": str(error), "left_out": len(recipients) - len(usable), "sealed": bool(usable)})
            return usable, self._make_sealer(usable) if usable else None

    def _is_usable(self, recipient: str) -> bool:
        try:
            self._make_sealer((recipient,))
        except ValueError:
            return False
        return True

    def _draw(self) -> None:
        if self._watermark is not None and self._overlay is not None:
            self._watermark.set_text(self._overlay.device_id, self._overlay.officers)
