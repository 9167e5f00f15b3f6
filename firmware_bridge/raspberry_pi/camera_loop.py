"""picamera2's event loop, as one that survives an exception.

picamera2 runs pre_callback, encoder and output on the thread of its "preview". Its own (``NullPreview``) ends with the
first exception any of them raises: no frames from then on, and ``Picamera2.stop``, a job for that thread, never returns
(trap T1). This one reports the exception and goes on, so that the camera can be stopped and opened again.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable
from typing import Any, Final

_POLL_S: Final = 0.2


class EventLoop:
    """A preview that shows nothing, for ``Picamera2.start_preview``. ``failed`` gets every exception."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._stopping = threading.Event()
        self._camera: Any = None
        self._thread: threading.Thread | None = None

    def start(self, camera: Any) -> None:
        self._camera = camera
        camera.attach_preview(self)
        self._thread = threading.Thread(target=self._run, name="camera-loop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._camera.detach_preview()

    def render_request(self, request: Any) -> None:
        """Asked for when there is something to display; there never is."""

    def set_title_function(self, function: Any) -> None:
        """Likewise."""

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._camera.notifyme_r, selectors.EVENT_READ)
            while not self._stopping.is_set():
                if selector.select(_POLL_S):
                    self._camera.notifymeread.read()
                    self._process()

    def _process(self) -> None:
        try:
            self._camera.process_requests(self)
        except Exception as error:  # noqa: BLE001 - trap T1
            self._failed(error)
