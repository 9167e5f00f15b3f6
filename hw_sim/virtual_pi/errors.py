"""What goes wrong between this machine and the virtual one."""

from __future__ import annotations


class VirtualPiError(Exception):
    """A build step, a boot or a command failed; the message says which, in Chinese and English, with what it printed."""
