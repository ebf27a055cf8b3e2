"""Access tokens and the keys that sign them. It must never know where sessions and employees are.

`KeyRing` holds the keys, `KeyWatch` keeps them as their folder is, `TokenIssuer` issues tokens.
"""

from auth_service.tokens.issuer import TokenIssuer
from auth_service.tokens.keys import KeyFolderError, KeyRing, KeyWatch, load_keys

__all__ = ["KeyFolderError", "KeyRing", "KeyWatch", "TokenIssuer", "load_keys"]
