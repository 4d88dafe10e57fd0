"""Messages by key, read from the YAML files of a language."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from patronage.errors import InvalidConfigError

_SHIPPED = Path(__file__).parent
_BASE = "en"


@dataclass(frozen=True)
class Wording:
    """The messages of one language.

    Attributes
    ----------
    language : str
        As of BCP 47, such as ``en``; also the page's ``lang``.
    messages : mapping
        Key (file, then nested keys, joined by dots) → text with ``{names}`` of values.
    """

    language: str
    messages: Mapping[str, str]

    def __call__(self, key: str, /, **values: Any) -> str:  # noqa: ANN401 - whatever can be formatted
        """The message of a key with its values filled in; values may be formatted, as in ``{share:.0%}``."""
        return self.messages[key].format(**values)

    def has(self, key: str) -> bool:
        """Whether there is such a message."""
        return key in self.messages

    def counted(self, key: str, n: int, /, **values: Any) -> str:  # noqa: ANN401
        """The message ``key.one`` or ``key.other``, as the number asks for; ``{n}`` is the number, as in 1,906."""
        return self(f"{key}.{'one' if n == 1 else 'other'}", n=f"{n:,}", **values)


def languages() -> list[str]:
    """Languages that are there."""
    return sorted(path.name for path in _SHIPPED.iterdir() if path.is_dir() and any(path.glob("*.yaml")))


def read_wording(language: str = _BASE) -> Wording:
    """Read a shipped language, or a folder of one's own with the same files; what it lacks is said in English.

    Raises
    ------
    InvalidConfigError
        There is no such language, a file is no YAML of texts, or a message asks for values that the English one lacks.
    """
    base = _shipped(_BASE)
    if language == _BASE:
        return Wording(_BASE, base)
    folder = _SHIPPED / language if language in languages() else Path(language)
    if not folder.is_dir() or not any(folder.glob("*.yaml")):
        raise InvalidConfigError(
            f"language={language}: expected one of {', '.join(languages())}, or a folder of message files (*.yaml)."
        )
    own = _messages(folder)
    for key, text in own.items():
        if key not in base:
            raise InvalidConfigError(f"language={language}: there is no message {key}; see the files of English.")
        known = _values(key, base[key])
        forms = {name: {"", *(form for one, form in known if one == name)} for name, _ in known}
        for name, form in sorted(_values(key, text)):
            if name not in forms:
                raise InvalidConfigError(
                    f"language={language}, message {key}: there is no value {name}; "
                    f"there are: {', '.join(sorted(forms)) or 'none'}."
                )
            if form not in forms[name]:
                shown = " or ".join(f"{{{name}{one}}}" for one in sorted(forms[name]))
                raise InvalidConfigError(
                    f"language={language}, message {key}: {{{name}{form}}} is another form than English has; "
                    f"expected {shown}."
                )
    # A page whose language is none is read aloud in a wrong one.
    named = folder.name if re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", folder.name) else _BASE
    return Wording(named, {**base, **own})


@cache
def _shipped(language: str) -> dict[str, str]:
    return _messages(_SHIPPED / language)


def _messages(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            held = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            raise InvalidConfigError(f"{path} is no YAML; expected messages by key.") from None
        _flatten(held or {}, path.stem, found, path)
    return found


def _flatten(held: Any, key: str, found: dict[str, str], path: Path) -> None:  # noqa: ANN401 - YAML
    if isinstance(held, Mapping):
        for name, one in held.items():
            _flatten(one, f"{key}.{name}", found, path)
    elif isinstance(held, str):
        found[key] = held.rstrip("\n")
    else:
        raise InvalidConfigError(f"{path}, message {key}: expected a text; got {held!r}.")


def _values(key: str, text: str) -> set[tuple[str, str]]:
    """Values that a message asks for: name, and the form it is asked for in, such as ``:.0%``."""
    try:
        return {
            (name, (f"!{conversion}" if conversion else "") + (f":{form}" if form else ""))
            for _, name, form, conversion in string.Formatter().parse(text)
            if name is not None
        }
    except ValueError:
        raise InvalidConfigError(f"message {key}: a brace that opens is not closed.") from None
