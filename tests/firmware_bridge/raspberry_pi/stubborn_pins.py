"""gpiozero's mock pins with a library behind them that refuses, as lgpio does: by an error of no family anybody knows."""

from __future__ import annotations

from typing import Any

from gpiozero.pins import mock

_mock: Any = mock


class LibraryError(Exception):
    """``lgpio.error`` is a bare Exception: neither a GPIOZeroError nor an OSError."""


class StubbornPin(_mock.MockPin):  # type: ignore[misc]  # a library without types
    """Which steps of which pin are refused is in its factory's ``refused``."""

    def __init__(self, factory: Any, info: Any) -> None:
        self._line = info.name
        self._refused: set[tuple[str, str]] = factory.refused
        self._refuse("construction")
        super().__init__(factory, info)

    def _refuse(self, step: str) -> None:
        if (self._line, step) in self._refused:
            raise LibraryError("GPIO busy")

    def _set_edges(self, value: str) -> None:
        self._refuse("edges")
        super()._set_edges(value)

    def _get_state(self) -> Any:
        self._refuse("read")
        return super()._get_state()

    def _set_state(self, value: Any) -> None:
        self._refuse("set")
        super()._set_state(value)

    def close(self) -> None:
        """Refused once: gpiozero closes again when a device is collected."""
        if (self._line, "close") in self._refused:
            self._refused.remove((self._line, "close"))
            raise LibraryError("GPIO busy")
        super().close()


class StubbornFactory(_mock.MockFactory):  # type: ignore[misc]
    def __init__(self, *refused: tuple[str, str]) -> None:
        self.refused = set(refused)
        super().__init__(pin_class=StubbornPin)
