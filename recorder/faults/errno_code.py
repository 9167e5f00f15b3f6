"""What the kernel's error number says is wrong: the code of the fault. Pure."""

from __future__ import annotations

import errno
from typing import Final

_UNPLUGGED: Final = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESHUTDOWN})
"""V4L2 and the media controller answer ENODEV once a device is gone, opening its node gives ENOENT or ENXIO; USB cameras
give ESHUTDOWN while they go."""

_STORAGE: Final = {
    errno.ENOSPC: "storage-full",
    errno.EDQUOT: "storage-full",
    errno.EROFS: "storage-read-only",
    errno.EIO: "storage-io-error",
}


def camera_code(number: int | None) -> str:
    """``camera-unplugged`` when the device is not there, else ``camera-fault``."""
    return "camera-unplugged" if number in _UNPLUGGED else "camera-fault"


def storage_code(number: int | None) -> str:
    """``storage-full``, ``storage-read-only``, ``storage-io-error``; ``storage-fault`` for everything else."""
    return "storage-fault" if number is None else _STORAGE.get(number, "storage-fault")
