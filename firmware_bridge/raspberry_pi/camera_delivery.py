"""Between the encoder's thread and the consumer's code, so that nothing the consumer does can hold up the camera.

picamera2 calls an output inside its camera loop and under the encoder's lock: a call that blocks there stops the picture
and makes every later ``stop`` wait for ever (trap T2), one that raises ends the loop (trap T1).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from firmware_bridge.ports import EncodedFrame

LIMIT_BYTES: Final = 8 << 20
"""8 s at 8 Mbit/s. What does not fit is lost, up to the next keyframe, and counted."""


class Delivery:
    """One thread that calls ``deliver``. ``failed`` gets the exception that ended it."""

    def __init__(
        self,
        deliver: Callable[[EncodedFrame], None],
        failed: Callable[[Exception], None],
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._deliver = deliver
        self._failed = failed
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._frames: deque[EncodedFrame] = deque()
        self._bytes = 0
        self._until_keyframe = False
        self._stopping = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="camera-delivery", daemon=True)
        self.lost = 0

    def start(self) -> None:
        self._thread.start()

    def put(self, frame: EncodedFrame) -> None:
        """Never waits for the consumer."""
        with self._changed:
            if self._bytes + len(frame.data) > self._limit_bytes:
                self._until_keyframe = True
            elif frame.keyframe:
                self._until_keyframe = False
            if self._until_keyframe or self._stopping:
                self.lost += 1
                return
            self._frames.append(frame)
            self._bytes += len(frame.data)
            self._changed.notify()

    def stop(self, timeout_s: float) -> bool:
        """Deliver what is waiting and end. False when the consumer did not let go in time: it gets nothing more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        self._abandoned = True
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (frame := self._next()) is not None:
                self._deliver(frame)
        except Exception as error:  # noqa: BLE001 - every end of delivery is a reported fault
            self._failed(error)

    def _next(self) -> EncodedFrame | None:
        with self._changed:
            while not self._frames and not self._stopping:
                self._changed.wait()
            if self._abandoned or not self._frames:
                return None
            frame = self._frames.popleft()
            self._bytes -= len(frame.data)
            return frame
