"""In place of kms++'s Python module, which Debian has not: picamera2 imports it for its preview windows, of which a
recorder has none."""


class _AnyName(type):
    def __getattr__(cls, name: str) -> str:
        return name


class PixelFormat(metaclass=_AnyName):
    """``PixelFormat.NV12`` and all the others: names that picamera2 puts into a table."""


class Card:
    def __init__(self) -> None:
        raise OSError("the virtual Pi has no display")
