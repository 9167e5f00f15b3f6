"""When the worker may feed the service manager's watchdog. Pure.

Not a timer: only frames that come and writes that end prove that the worker does its work. The unit process judges harder
and sooner (``recorder.session.supervision``); this is for the case that it hangs itself.
"""

from __future__ import annotations

from typing import Final

FRAME_AGE_US: Final = 2_000_000
WRITE_US: Final = 4_000_000
"""One write that waits for the disk so long."""
FIRST_FRAME_US: Final = 60_000_000
"""Opening a camera may take long; until then its unit process decides ([supervision] start_timeout_s, 60 s at most)."""


def does_its_work(
    now_us: int, began_us: int, last_frame_us: int, writing_since_us: int | None, camera_absent: bool
) -> bool:
    """``last_frame_us`` 0: none yet. ``writing_since_us``: begin of a write that has not ended. A camera that is not there
    and is looked for again and again is no hang."""
    if writing_since_us is not None and now_us - writing_since_us > WRITE_US:
        return False
    if camera_absent:
        return True
    if last_frame_us <= 0:
        return now_us - began_us <= FIRST_FRAME_US
    return now_us - last_frame_us <= FRAME_AGE_US
