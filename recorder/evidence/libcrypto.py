"""The few primitives of the libcrypto that Python has loaded already (its ``hashlib`` and ``ssl`` are made of it).

``cryptography`` would do it too, but its wheel carries a second OpenSSL: 8 MB resident, in the capture worker to seal
chunks, in the unit process to sign some lines a second, in the uplink to check one signature in seconds. What is bound here
is the documented interface and nothing else (EVP_PKEY_derive(3), EVP_EncryptInit(3), EVP_DigestSign(3),
EVP_DigestVerify(3), d2i_PUBKEY(3), d2i_AutoPrivateKey(3), d2i_X509(3)), present from OpenSSL 1.1.1 on. The verifier checks
signatures, and every reader opens, with ``cryptography``: two libraries check each other.
"""

from __future__ import annotations

import _hashlib
import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_long, c_size_t, c_ubyte, c_void_p
from typing import Any

_X25519 = 1034
"""EVP_PKEY_X25519 (openssl/obj_mac.h: NID_X25519)."""
_GET_TAG = 0x10
"""EVP_CTRL_AEAD_GET_TAG."""
TAG = 16
KEY = 32


class CryptoError(RuntimeError):
    """libcrypto refused what it has no reason to refuse (memory, an algorithm switched off by policy)."""


def _bind() -> ctypes.CDLL:
    # Through the handle of the hashlib module the loader finds the very libcrypto that module uses, whatever its version.
    library = ctypes.CDLL(getattr(_hashlib, "__file__", None))
    buffer, sizes = c_void_p, POINTER(c_size_t)
    signatures = {
        "d2i_AutoPrivateKey": (c_void_p, [c_void_p, POINTER(POINTER(c_ubyte)), c_long]),
        "d2i_X509": (c_void_p, [c_void_p, POINTER(POINTER(c_ubyte)), c_long]),
        "X509_get_pubkey": (c_void_p, [c_void_p]),
        "X509_free": (None, [c_void_p]),
        "i2d_PUBKEY": (c_int, [c_void_p, POINTER(c_void_p)]),
        "d2i_PUBKEY": (c_void_p, [c_void_p, POINTER(POINTER(c_ubyte)), c_long]),
        "EVP_PKEY_free": (None, [c_void_p]),
        "EVP_PKEY_new_raw_private_key": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
        "EVP_PKEY_new_raw_public_key": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
        "EVP_PKEY_get_raw_public_key": (c_int, [c_void_p, buffer, sizes]),
        "EVP_PKEY_CTX_new": (c_void_p, [c_void_p, c_void_p]),
        "EVP_PKEY_CTX_free": (None, [c_void_p]),
        "EVP_PKEY_derive_init": (c_int, [c_void_p]),
        "EVP_PKEY_derive_set_peer": (c_int, [c_void_p, c_void_p]),
        "EVP_PKEY_derive": (c_int, [c_void_p, buffer, sizes]),
        "EVP_CIPHER_CTX_new": (c_void_p, []),
        "EVP_CIPHER_CTX_free": (None, [c_void_p]),
        "EVP_chacha20_poly1305": (c_void_p, []),
        "EVP_EncryptInit_ex": (c_int, [c_void_p, c_void_p, c_void_p, c_char_p, c_char_p]),
        "EVP_EncryptUpdate": (c_int, [c_void_p, buffer, POINTER(c_int), c_void_p, c_int]),
        "EVP_EncryptFinal_ex": (c_int, [c_void_p, buffer, POINTER(c_int)]),
        "EVP_CIPHER_CTX_ctrl": (c_int, [c_void_p, c_int, c_int, c_void_p]),
        "EVP_MD_CTX_new": (c_void_p, []),
        "EVP_MD_CTX_free": (None, [c_void_p]),
        "EVP_sha256": (c_void_p, []),
        "EVP_DigestSignInit": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
        "EVP_DigestSign": (c_int, [c_void_p, buffer, sizes, c_char_p, c_size_t]),
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
        self._handle = _parsed(_LIBRARY.d2i_PUBKEY, spki, "公钥无效 not a usable public key")

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
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


class PrivateKey:
    """A private key from DER: PKCS #8, or the form of its own type. Raises ValueError when libcrypto does not accept it.
    Signing may be called from several threads."""

    def __init__(self, der: bytes) -> None:
        self._handle = _parsed(_LIBRARY.d2i_AutoPrivateKey, der, "私钥无效 not a usable private key")

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _LIBRARY.EVP_PKEY_free(self._handle)

    def spki(self) -> bytes:
        """SubjectPublicKeyInfo of its public half, DER."""
        return _spki(self._handle)

    def sign_sha256(self, message: bytes) -> bytes:
        """Over SHA-256 of ``message``; an EC key's signature is the DER SEQUENCE of r and s. Raises CryptoError."""
        context = _LIBRARY.EVP_MD_CTX_new()
        if not context:
            raise MemoryError("EVP_MD_CTX_new")
        try:
            started = _LIBRARY.EVP_DigestSignInit(context, None, _LIBRARY.EVP_sha256(), None, self._handle)
            _done(started, "EVP_DigestSignInit")
            size = c_size_t(0)
            _done(_LIBRARY.EVP_DigestSign(context, None, byref(size), message, len(message)), "EVP_DigestSign")
            out = ctypes.create_string_buffer(size.value)
            _done(_LIBRARY.EVP_DigestSign(context, out, byref(size), message, len(message)), "EVP_DigestSign")
            return out.raw[: size.value]
        finally:
            _LIBRARY.EVP_MD_CTX_free(context)


def certificate_spki(der: bytes) -> bytes:
    """SubjectPublicKeyInfo (DER) of an X.509 certificate. Raises ValueError when it is none, or has no usable key."""
    certificate = _parsed(_LIBRARY.d2i_X509, der, "证书无效 not a usable certificate")
    try:
        key = _LIBRARY.X509_get_pubkey(certificate)
        if not key:
            raise ValueError("证书的公钥无效 the certificate has no usable public key")
        try:
            return _spki(key)
        finally:
            _LIBRARY.EVP_PKEY_free(key)
    finally:
        _LIBRARY.X509_free(certificate)
        _LIBRARY.ERR_clear_error()


class X25519PrivateKey:
    """X25519 (RFC 7748) with a private key of 32 bytes, any of which are a key."""

    def __init__(self, secret: bytes) -> None:
        self._handle = _raw_key(_LIBRARY.EVP_PKEY_new_raw_private_key, secret)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _LIBRARY.EVP_PKEY_free(self._handle)

    def public(self) -> bytes:
        out, size = ctypes.create_string_buffer(KEY), c_size_t(KEY)
        _done(_LIBRARY.EVP_PKEY_get_raw_public_key(self._handle, out, byref(size)), "EVP_PKEY_get_raw_public_key")
        return out.raw

    def exchange(self, peer: bytes) -> bytes:
        """The shared secret, 32 bytes. Raises ValueError for a peer of low order, whose secret is no secret (§6.1)."""
        other = _raw_key(_LIBRARY.EVP_PKEY_new_raw_public_key, peer)
        context = _LIBRARY.EVP_PKEY_CTX_new(self._handle, None)
        try:
            _done(context is not None, "EVP_PKEY_CTX_new")
            _done(_LIBRARY.EVP_PKEY_derive_init(context), "EVP_PKEY_derive_init")
            _done(_LIBRARY.EVP_PKEY_derive_set_peer(context, other), "EVP_PKEY_derive_set_peer")
            out, size = ctypes.create_string_buffer(KEY), c_size_t(KEY)
            derived = _LIBRARY.EVP_PKEY_derive(context, out, byref(size))
            if derived != 1 or out.raw == bytes(KEY):
                raise ValueError("point of low order")
            return out.raw
        finally:
            _LIBRARY.EVP_PKEY_CTX_free(context)
            _LIBRARY.EVP_PKEY_free(other)
            _LIBRARY.ERR_clear_error()


class ChaCha20Poly1305:
    """AEAD_CHACHA20_POLY1305 (RFC 8439 §2.8), sealing only, without additional data. Not thread-safe."""

    def __init__(self, key: bytes) -> None:
        self._context: int | None = None
        if len(key) != KEY:
            raise ValueError(f"key of {len(key)} bytes: {KEY}")
        self._context = _LIBRARY.EVP_CIPHER_CTX_new()
        _done(self._context is not None, "EVP_CIPHER_CTX_new")
        cipher = _LIBRARY.EVP_chacha20_poly1305()
        _done(_LIBRARY.EVP_EncryptInit_ex(self._context, cipher, None, key, None), "EVP_EncryptInit_ex")

    def __del__(self) -> None:
        if self._context:
            _LIBRARY.EVP_CIPHER_CTX_free(self._context)  # which wipes the key

    def encrypt(self, nonce: bytes, plain: bytes | bytearray | memoryview) -> bytes:
        """Ciphertext and tag, ``len(plain)`` + 16 bytes. A nonce of 12 bytes, never used twice with one key."""
        data = bytes(plain)
        out = bytearray(len(data) + TAG)
        self.encrypt_into(nonce, data, 0, len(data), out, 0)
        return bytes(out)

    def encrypt_into(self, nonce: bytes, data: bytes, start: int, size: int, out: bytearray, place: int) -> None:
        """The same of ``data[start:start + size]``, into ``out`` from ``place`` on. No byte is copied on the way: half a
        megabyte goes through here twice a second. Raises ValueError for places outside of either."""
        if len(nonce) != 12:
            raise ValueError(f"nonce of {len(nonce)} bytes: 12")
        if min(start, size, place) < 0 or start + size > len(data) or place + size + TAG > len(out):
            raise ValueError(f"{start} + {size} of {len(data)} bytes to {place} of {len(out)}")
        source = (ctypes.cast(c_char_p(data), c_void_p).value or 0) + start
        target = (c_char * (size + TAG)).from_buffer(out, place)
        written = c_int(0)
        _done(_LIBRARY.EVP_EncryptInit_ex(self._context, None, None, None, nonce), "EVP_EncryptInit_ex")
        _done(_LIBRARY.EVP_EncryptUpdate(self._context, target, byref(written), source, size), "EVP_EncryptUpdate")
        _done(written.value == size, "EVP_EncryptUpdate")  # a stream cipher holds nothing back
        tail = byref(target, size)
        _done(_LIBRARY.EVP_EncryptFinal_ex(self._context, tail, byref(written)), "EVP_EncryptFinal_ex")
        _done(_LIBRARY.EVP_CIPHER_CTX_ctrl(self._context, _GET_TAG, TAG, tail), "EVP_CTRL_AEAD_GET_TAG")


def _parsed(parse: Callable[..., Any], der: bytes, otherwise: str) -> int:
    """A d2i function's object, which is the caller's to free. Raises ValueError unless the whole of ``der`` is one."""
    buffer = (c_ubyte * len(der)).from_buffer_copy(der)
    begin = ctypes.cast(buffer, POINTER(c_ubyte))
    end = ctypes.addressof(buffer) + len(der)
    handle = parse(None, byref(begin), len(der))
    _LIBRARY.ERR_clear_error()
    if not handle:
        raise ValueError(otherwise)
    if ctypes.addressof(begin.contents) != end:
        (_LIBRARY.X509_free if parse is _LIBRARY.d2i_X509 else _LIBRARY.EVP_PKEY_free)(handle)
        raise ValueError(otherwise)
    return int(handle)


def _spki(key: int) -> bytes:
    size = _LIBRARY.i2d_PUBKEY(key, None)
    _done(size > 0, "i2d_PUBKEY")
    out = ctypes.create_string_buffer(size)
    cursor = c_void_p(ctypes.addressof(out))
    _done(_LIBRARY.i2d_PUBKEY(key, byref(cursor)) == size, "i2d_PUBKEY")
    return out.raw


def _raw_key(make: Callable[..., Any], data: bytes) -> int:
    if len(data) != KEY:
        raise ValueError(f"X25519 key of {len(data)} bytes: {KEY}")
    handle = make(_X25519, None, data, len(data))
    _done(handle is not None, "EVP_PKEY_new_raw_key")
    return int(handle)


def _done(result: int | bool, what: str) -> None:
    if result != 1:
        _LIBRARY.ERR_clear_error()
        raise CryptoError(f"libcrypto: {what}")
