"""What is wrong with a configuration, as data first and as text second.

Everything in ``aegis.config`` reports through these two classes: a ``Problem`` is one finding
(file, dotted key, value, what is wrong, what would be right) and a ``ConfigError`` carries all
findings of one pass, so that a person mends the file once. The text must never show a secret: a
value under a key that looks like one is hidden.

Exception tree: ``ConfigError`` (ValueError). Nothing else leaves the package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_BARE_KEY: Final = re.compile(r"^[A-Za-z0-9_-]+$")
_SECRET_KEY: Final = re.compile(
    r"secret|token|passw|private|pem|api_?key|credential", re.IGNORECASE
)
_SHOWN_CHARACTERS: Final = 60
# An exchange's API key or secret is 64 letters and digits, its private keys are PEM.
_KEY: Final = re.compile(r"[A-Za-z0-9]{48,}")
_PEM: Final = "PRIVATE KEY"


class _Absent:
    """The type of ``ABSENT``: a key that the file does not have. TOML knows no null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


def dotted_key(parts: Iterable[object]) -> str:
    """Join the parts of a key as TOML writes it: bare or quoted, ``[i]`` for a list's index."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        name = str(part)
        shown = name if _BARE_KEY.match(name) else json.dumps(name, ensure_ascii=False)
        text += f".{_shorten(shown)}" if text else _shorten(shown)
    return text


def looks_like_a_secret(text: str) -> bool:
    """Whether a text may be a key: a long run of letters and digits of both, or PEM."""
    if _PEM in text:
        return True
    found = _KEY.search(text)
    if found is None or text.lstrip('"').startswith("/"):
        return False
    run = found.group()
    return any(letter.isdigit() for letter in run) and any(letter.isalpha() for letter in run)


def shown_value(key: str, value: object) -> str:
    """The value as the file has it, on one line, cut to a readable length, and never a secret."""
    if isinstance(value, _Absent):
        return ""
    if _SECRET_KEY.search(key.rsplit(".", 1)[-1]):
        return "<hidden>"
    text = _toml_text(value)
    return "<hidden>" if looks_like_a_secret(text) else _shorten(text)


def _toml_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value[: 4 * _SHOWN_CHARACTERS], ensure_ascii=False)
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, dict):
        inside = sorted(str(key) for key in value)
        return "a table" + (f" with {', '.join(inside[:4])}" if inside else " with nothing in it")
    if isinstance(value, list):
        if len(value) > 8:
            return f"a list of {len(value)}"
        return f"[{', '.join(_toml_text(item) for item in value)}]"
    return str(value)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. ``line`` is 1-based if it could be told, ``hint`` says what would be right."""

    file: str
    key: str
    value: object
    message: str
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        shown = shown_value(self.key, self.value)
        subject = f"{self.key} = {shown}" if shown and self.key else self.key or shown
        text = f"{place}: {subject}: {self.message}" if subject else f"{place}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text

    def as_dict(self) -> dict[str, str | int | None]:
        """The JSON form: stable keys file, line, key, value, message, hint."""
        return {
            "file": self.file,
            "line": self.line,
            "key": self.key,
            "value": shown_value(self.key, self.value),
            "message": self.message,
            "hint": self.hint,
        }


class ConfigError(ValueError):
    """The configuration cannot be used: ``problems`` for programs, ``str()`` for people."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            raise ValueError("a ConfigError needs at least one Problem")
        self.problems: list[Problem] = list(problems)
        super().__init__(self._text())

    def _text(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        return f"{len(self.problems)} problems in {self.problems[0].file}:\n{lines}"
