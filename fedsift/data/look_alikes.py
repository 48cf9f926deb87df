"""Client ids that people may take for one another, though they are different clients."""

import unicodedata
from collections.abc import Iterable

_SHOWN = 3
# Fillers, joiners, variation selectors and a blank pattern: first and last of each range.
_SHOW_NOTHING = (
    *(("\u034f", "\u034f"), ("\u115f", "\u1160"), ("\u17b4", "\u17b5"), ("\u180b", "\u180f"), ("\u2800", "\u2800")),
    *(("\u3164", "\u3164"), ("\ufe00", "\ufe0f"), ("\uffa0", "\uffa0"), ("\U000e0000", "\U000e0fff")),
)


def look_alikes(client_ids: Iterable[str]) -> list[list[str]]:
    """Groups of ids that differ only in case, Unicode normalisation, white space or characters without a width."""
    groups: dict[str, list[str]] = {}
    for client_id in client_ids:
        groups.setdefault(_seen(client_id), []).append(client_id)
    return [group for group in groups.values() if len(group) > 1]


def look_alike_warning(groups: list[list[str]]) -> str:
    """One line that names the first groups of `look_alikes`; empty where there are none."""
    if not groups:
        return ""
    # With escapes: printed as they are, they could not be told apart.
    shown = "; ".join(", ".join(map(ascii, group)) for group in groups[:_SHOWN])
    more = f"; and {len(groups) - _SHOWN} more such groups" if len(groups) > _SHOWN else ""
    return f"different clients whose ids look alike: {shown}{more}"


def _seen(client_id: str) -> str:
    """What is left of an id when all is gone that people overlook."""
    if not (client_id.isascii() and client_id.isprintable()):
        kept = (each for each in unicodedata.normalize("NFKC", client_id) if not _is_invisible(each))
        client_id = unicodedata.normalize("NFKC", "".join(kept).casefold())
    return " ".join(client_id.split()).lower()


def _is_invisible(character: str) -> bool:
    """Whether it shows nothing and is no white space."""
    if character.isspace():
        return False
    is_filler = any(first <= character <= last for first, last in _SHOW_NOTHING)
    return is_filler or unicodedata.category(character) in ("Cf", "Cc")
