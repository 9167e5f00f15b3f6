"""libasound itself, asked through ctypes before PortAudio uses it: is its configuration one that PortAudio survives, and
where do its messages go.

PortAudio 19.6 (Debian 12 and 13) aborts the whole process in ``Pa_Initialize`` (``pa_linux_alsa.c``, ``BuildDeviceList``:
``assert( devIdx < numDeviceNames )``) unless ALSA's configuration holds a PCM called ``default`` or ``dmix``, or one that
cannot be opened. The distribution's own ``alsa.conf`` has a ``default``; a private ``asound.conf`` given by
``ALSA_CONFIG_PATH`` may not, and recording must not end for that.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
from typing import Any, Final

from firmware_bridge.ports import DeviceError

LOG = logging.getLogger(__name__)

_SPARED: Final = (b"pcm.default", b"pcm.dmix")
"""PortAudio looks at these last, so that with one of them its assertion holds."""

_AlsaHandler: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)
"""``snd_lib_error_handler_t``; the values for the format at its end cannot be had through ctypes."""

_JackHandler: Final = ctypes.CFUNCTYPE(None, ctypes.c_char_p)


def check_configuration(library: Any = None) -> None:
    """Raises DeviceError where PortAudio would abort, or ALSA cannot read its configuration. ``library``: libasound."""
    alsa = library or _load("libasound.so.2")
    if alsa is None:
        raise DeviceError("alsa", "没有 libasound no libasound")
    top, node = ctypes.c_void_p(), ctypes.c_void_p()
    # A reference of our own: PortAudio frees the global tree when it ends (snd_config_update_free_global).
    if (error := alsa.snd_config_update_ref(ctypes.byref(top))) < 0:
        alsa.snd_strerror.restype = ctypes.c_char_p
        raise DeviceError(
            "alsa", f"无法读取 ALSA 配置 cannot read ALSA's configuration: {_text(alsa.snd_strerror(error))}", -error
        )
    try:
        spared = any(alsa.snd_config_search(top, name, ctypes.byref(node)) >= 0 for name in _SPARED)
    finally:
        alsa.snd_config_unref(top)
    if not spared:
        raise DeviceError(
            "alsa",
            "ALSA 配置没有 pcm.default，请在 asound.conf 中加上 no pcm.default in ALSA's configuration (ALSA_CONFIG_PATH, "
            "/etc/asound.conf); add one, for instance: pcm.default { type plug slave.pcm hw }",
        )


def route_messages() -> None:
    """What ALSA and JACK print to standard error goes to the log, at level debug: PortAudio tries every PCM of the
    configuration and a JACK server each time it starts, and each that is not there is some lines. Once in a process."""
    if _kept:
        return
    _kept.append(None)
    if (alsa := _load("libasound.so.2")) is not None:
        _install(alsa.snd_lib_error_set_handler, _AlsaHandler(_from_alsa))
    if (jack := _load("libjack.so.0")) is not None:
        handler = _JackHandler(_from_jack)
        _install(jack.jack_set_error_function, handler)
        _install(jack.jack_set_info_function, handler)


_kept: list[Any] = []
"""A C library does not own what it was given to call."""


def _install(setter: Any, handler: Any) -> None:
    _kept.append(handler)
    setter(handler)
    # The libraries still talk while the process ends, when there is no Python any more to be called.
    atexit.register(setter, None)


def _from_alsa(file: bytes | None, line: int, function: bytes | None, error: int, message: bytes | None) -> None:
    LOG.debug("alsa: %s:%d %s: %s (%d)", _text(file), line, _text(function), _text(message), error)


def _from_jack(message: bytes | None) -> None:
    LOG.debug("jack: %s", _text(message))


def _text(message: bytes | None) -> str:
    return (message or b"").decode(errors="replace")


def _load(name: str) -> Any:
    try:
        return ctypes.CDLL(name)  # not find_library, which starts other programs
    except OSError:
        return None
