"""Keys and paths as CSV fields: any of them comes back, and no field can be read as a formula or a second field."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.csv_text import decode_key, decode_path, encode_key, encode_path


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_keys_and_paths_come_back(key: str, path: bytes) -> None:
    """Also bytes that are not UTF-8, as in file names from old systems."""
    assert decode_key(encode_key(key)) == key
    assert decode_path(encode_path(path)) == path
    for field in (encode_key(key), encode_path(path)):
        assert not set(field) & set(',"\n\r') and not field.startswith(("=", "+", "-", "@"))
        field.encode()
