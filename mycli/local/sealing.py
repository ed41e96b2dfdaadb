"""What the account keeps on disk is sealed: a copy of it tells nothing without the account's key.

Git tokens, the function's environment and the users' commands stand in the saved state. The key
comes from the account's secret access key, which is drawn at random, stands in account.json only,
and lets its holder read all of that from the running account anyway.

Sealed is: Fernet (AES-128-CBC and HMAC-SHA256), as printable text without a line break.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mycli.local.place import damaged


class Seal:
    def __init__(self, secret: str) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=b"mycli saved state")
        self._fernet = Fernet(base64.urlsafe_b64encode(key.derive(secret.encode())))

    def close(self, content: bytes) -> bytes:
        return self._fernet.encrypt(content)

    def open(self, sealed: bytes, path: Path) -> bytes:
        """What was sealed. path: where it was read, for the LocalAccountError if it cannot be."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise damaged(path, "it is damaged, or was sealed by another account") from None
