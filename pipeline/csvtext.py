"""Keys and other foreign text in CSV files that machines read and people open in a spreadsheet."""

import re
from urllib.parse import unquote

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029%,"]|^[=+\-@]')


def encode_key(key: str) -> str:
    """A key for a machine-read CSV: one line, no quotes, and no formula when a spreadsheet opens it.

    Control characters and line separators, `%`, `,`, `"`, and `=`, `+`, `-` or `@` in front, are percent-encoded.
    """
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), key)


def decode_key(text: str) -> str:
    """The key that `encode_key` was given."""
    return unquote(text)
