"""Rules for texts from outside: which characters they may contain, and the form in which they are compared."""

import re
import unicodedata

_REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
"""Control characters except tab, line feed and carriage return; lone surrogates, which UTF-8 cannot encode; and
Unicode's noncharacters. PostgreSQL rejects NUL."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_OLD_LINE_BREAKS = re.compile("[\x0b\x0c\x85]")
"""Line breaks of word processors, form feeds of PDF, and the line break of mainframes."""

_LINE_CONTROLS = re.compile("[\t\n\r\u2028\u2029]")
_NAMES = {"\x00": " (NUL)", "\x7f": " (DEL)", "\x1b": " (escape)"}


def text_fault(text: str) -> str | None:
    r"""Return why a text is refused, as the end of a sentence, or None.

    >>> text_fault("a\0"), text_fault("line\n")
    ('must not contain the character U+0000 (NUL); remove it', None)
    """
    # Most texts are printable as a whole, which costs a tenth of the search for a character.
    match = None if text.isprintable() else _REFUSED.search(text)
    if match is None:
        return None
    return f"must not contain the character U+{ord(match[0]):04X}{_NAMES.get(match[0], '')}; remove it"


def is_storable(text: str) -> bool:
    """Return whether both databases accept a text. Keys of earlier versions obey no other rule."""
    return _UNSTORABLE.search(text) is None


def key_fault(text: str) -> str | None:
    """Return why a text is refused as a new key, as the end of a sentence, or None."""
    if not text.strip():
        return "must not be empty or consist of spaces"
    if _LINE_CONTROLS.search(text):
        return "must not contain tabs or line breaks; remove them"
    return text_fault(text)


def with_line_breaks(text: str) -> str:
    """Return a text with a line feed for each vertical tab, form feed and U+0085, which documents contain."""
    return _OLD_LINE_BREAKS.sub("\n", text)


def normal_form(text: str) -> str:
    """Return a text in the form in which keys and names are stored and compared: Unicode's NFC."""
    return unicodedata.normalize("NFC", text)
