"""The lines of a module's ``repr``."""

from __future__ import annotations


def indent(text: str) -> str:
    """Indents all lines but the first by two blanks."""
    return text.replace("\n", "\n  ")


def layout(name: str, extra: list[str], children: list[str]) -> str:
    """The representation of a module: one line where there is no child and at most one line of ``extra``."""
    if not children and len(extra) <= 1:
        return f"{name}({''.join(extra)})"
    return "\n  ".join([f"{name}(", *extra, *children]) + "\n)"
