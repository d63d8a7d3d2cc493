"""Which characters a name may hold, wherever it comes from: a URL, a JSON body, a CSR or a YAML file."""

from __future__ import annotations

import unicodedata

# Unicode general categories that never belong in a name: control (NUL, CR, LF), format (bidirectional overrides, zero
# width), lone surrogates, private use, unassigned, line and paragraph separators.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_REPLACEMENT_CHARACTER = "\N{REPLACEMENT CHARACTER}"


def forbidden_character(text: str) -> str | None:
    """Return a name for the first character that may not stand in a name, e.g. ``U+202E``, or None.

    The replacement character is refused too: it is what a broken UTF-8 sequence in a URL turns into, so two different
    byte strings would share it.
    """
    if text.isascii() and text.isprintable():  # nearly every name
        return None
    for character in text:
        if character == _REPLACEMENT_CHARACTER or unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
            return f"U+{ord(character):04X}"
    return None


def name_problem(text: str, *, max_bytes: int) -> str | None:
    """Return what is wrong with ``text`` as a name, as the end of a sentence, or None when nothing is.

    A good name has 1 to ``max_bytes`` UTF-8 bytes, no forbidden character, no blank at either edge, and is in Unicode
    normalisation form C, so that one name has one spelling.
    """
    if not text:
        return "is empty"
    if (character := forbidden_character(text)) is not None:
        return f"holds the character {character}, which no name may hold"
    if len(text.encode()) > max_bytes:
        return f"is longer than {max_bytes} bytes"
    if text != text.strip():
        return "begins or ends with a blank"
    if not unicodedata.is_normalized("NFC", text):
        return "is not in Unicode normalisation form C"
    return None
