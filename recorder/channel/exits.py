"""Exit codes of a capture worker that its unit process understands (numbers as in sysexits.h)."""

from __future__ import annotations

from typing import Final

EXIT_INCOMPLETE: Final = 74
"""EX_IOERR: a session ended and its last segment could not be closed. Nobody would wait in vain for a ``closed`` that
cannot honestly be said: the end of the worker tells the unit process to recover what the disk kept."""
