"""What ``import pykms`` finds: picamera2's preview on a screen imports it, and nobody here has a screen.

(``kms`` on PyPI, which picamera2 tries first, is an unrelated package and must never be installed.)
"""


class _PixelFormats:
    def __getattr__(self, name: str) -> str:
        return name


PixelFormat = _PixelFormats()


class Card:
    def __init__(self, path: str = "") -> None:
        raise OSError("no display")
