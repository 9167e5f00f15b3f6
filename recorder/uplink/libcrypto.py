"""ECDSA verification by the libcrypto that Python's ``ssl`` has loaded already.

``cryptography`` would do it too, but its wheel carries a second OpenSSL: 8 MB resident out of the 40 this process may
have, to check one signature in seconds. What is bound here is the documented EVP interface and nothing else
(EVP_DigestVerify(3), d2i_PUBKEY(3)); the unit process, which decides, verifies on its own with another library.
"""

from __future__ import annotations

import _ssl
import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_ubyte, c_void_p


def _bind() -> ctypes.CDLL:
    # Through the handle of the ssl module the loader finds exactly the libcrypto that module uses, whatever its version.
    library = ctypes.CDLL(getattr(_ssl, "__file__", None))
    signatures = {
        "d2i_PUBKEY": (c_void_p, [c_void_p, POINTER(POINTER(c_ubyte)), c_long]),
        "EVP_PKEY_free": (None, [c_void_p]),
        "EVP_MD_CTX_new": (c_void_p, []),
        "EVP_MD_CTX_free": (None, [c_void_p]),
        "EVP_sha256": (c_void_p, []),
        "EVP_DigestVerifyInit": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
        "EVP_DigestVerify": (c_int, [c_void_p, c_char_p, c_size_t, c_char_p, c_size_t]),
        "ERR_clear_error": (None, []),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_LIBRARY = _bind()


class PublicKey:
    """A public key from its SubjectPublicKeyInfo in DER. Raises ValueError when libcrypto does not accept it (a point
    off the curve, for example). Verification may be called from several threads."""

    def __init__(self, spki: bytes) -> None:
        self._handle: int | None = None
        buffer = (c_ubyte * len(spki)).from_buffer_copy(spki)
        cursor = ctypes.cast(buffer, POINTER(c_ubyte))
        self._handle = _LIBRARY.d2i_PUBKEY(None, byref(cursor), len(spki))
        _LIBRARY.ERR_clear_error()
        if not self._handle:
            raise ValueError("公钥无效 not a usable public key")

    def __del__(self) -> None:
        if self._handle:
            _LIBRARY.EVP_PKEY_free(self._handle)

    def verify_sha256(self, signature_der: bytes, message: bytes) -> bool:
        """ECDSA over SHA-256 of ``message``; the signature as DER SEQUENCE of r and s."""
        context = _LIBRARY.EVP_MD_CTX_new()
        if not context:
            raise MemoryError("EVP_MD_CTX_new")
        try:
            if _LIBRARY.EVP_DigestVerifyInit(context, None, _LIBRARY.EVP_sha256(), None, self._handle) != 1:
                return False
            verdict = _LIBRARY.EVP_DigestVerify(context, signature_der, len(signature_der), message, len(message))
            return bool(verdict == 1)
        finally:
            _LIBRARY.EVP_MD_CTX_free(context)
            # A failed check leaves entries in this thread's error queue, where the ssl module would find them at its
            # next read and report a healthy connection as broken.
            _LIBRARY.ERR_clear_error()
