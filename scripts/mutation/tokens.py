"""C++ as far as a mutation tester needs it: tokens, and which of them compute something.

The sources are formatted by clang-format, which the repository checks. That is relied on: a binary operator
stands between blanks, a template bracket and the star of a pointer do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PUNCTUATION = (
    "<<=", ">>=", "<=>", "->*", "...", "::", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||",
    "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
)  # fmt: skip
PATTERN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|\\\n)
  | (?P<string>(?:u8|[uUL])?R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
  | (?P<char>'(?:\\.|[^'\\\n])+')
  | (?P<number>(?:\d|\.\d)(?:[eEpP][+-]|'(?=\w)|[\w.])*)
  | (?P<ident>[A-Za-z_]\w*)
  | (?P<punct>"""
    + "|".join(re.escape(text) for text in PUNCTUATION)
    + r"""|.)
    """,
    re.VERBOSE | re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.MULTILINE | re.DOTALL)
# The columns of the tables in verigrad/*.def that hold formulas.
ROW_FORMULAS = {"VG_UNARY": (4,), "VG_BINARY": (5, 6), "VG_TERNARY": (6, 7, 8), "VG_ACTIVATION": (3,)}


@dataclass(frozen=True)
class Token:
    """A word, number, string or sign, with its place in the text."""

    kind: str
    text: str
    start: int
    spaced: bool  # whether blanks are on both sides

    @property
    def end(self) -> int:
        """Where the text goes on."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class Scope:
    """A function, a constant or a row of a table: the tokens that compute."""

    name: str
    kind: str  # function, constant or row
    tokens: tuple[Token, ...]


def tokenize(text: str) -> list[Token]:
    """The tokens without comments and preprocessor directives."""
    # Directives become blanks, so that places stay.
    clean = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    found, at = [], 0
    while at < len(clean):
        match = PATTERN.match(clean, at)
        if match is None or match.end() == at:
            raise ValueError(f"tokenize: expected C++, got {clean[at : at + 20]!r} at {at}")
        kind = match.lastgroup if match.lastgroup != "delimiter" else "string"
        if kind != "skip":
            before = at == 0 or clean[at - 1].isspace()
            after = match.end() == len(clean) or clean[match.end()].isspace()
            found.append(Token(str(kind), match[0], at, before and after))
        at = match.end()
    return found


def template_end(tokens: list[Token] | tuple[Token, ...], at: int) -> int | None:
    """The index of the bracket that closes the template arguments opened at ``at``; None if it opens none."""
    if tokens[at].text != "<" or tokens[at].spaced or at == 0:
        return None
    previous = tokens[at - 1]
    keyword = previous.text == "template"
    if not keyword and (previous.kind != "ident" or previous.end != tokens[at].start):
        return None
    depth = 0
    for i in range(at, len(tokens)):
        text = tokens[i].text
        if text == "<" and not (tokens[i].spaced and i != at):
            depth += 1
        elif text in (">", ">>") and not tokens[i].spaced or (keyword and text == ">"):
            depth -= len(text)
            if depth <= 0:
                return i
        elif text in (";", "{"):
            return None
    return None


def closing(tokens: list[Token] | tuple[Token, ...], at: int) -> int:
    """The index of the bracket that closes the one at ``at``; the last index where it is missing."""
    depth = 0
    for i in range(at, len(tokens)):
        if tokens[i].text in ("(", "[", "{"):
            depth += 1
        elif tokens[i].text in (")", "]", "}"):
            depth -= 1
            if depth == 0:
                return i
    return len(tokens) - 1


def split(
    tokens: list[Token] | tuple[Token, ...], first: int, last: int, by: str = ","
) -> list[tuple[int, int]]:
    """The pieces of tokens[first:last] between separators outside of brackets, as pairs of indices."""
    pieces, start, i = [], first, first
    while i < last:
        end = template_end(tokens, i)
        if end is not None and end < last:
            i = end + 1
        elif tokens[i].text in ("(", "[", "{"):
            i = closing(tokens, i) + 1
        elif tokens[i].text == by:
            pieces.append((start, i))
            start = i = i + 1
        else:
            i += 1
    return [*pieces, (start, last)] if last > first else []


def _without_brackets(head: list[Token]) -> list[Token]:
    """What stands at the start of a declaration, without template parameters and attributes."""
    kept, i = [], 0
    while i < len(head):
        end = template_end(head, i) if i and head[i - 1].text == "template" else None
        if end is not None:
            i = end + 1
        elif head[i].text == "[" and i + 1 < len(head) and head[i + 1].text == "[":
            i = closing(head, i) + 1
        else:
            kept.append(head[i])
            i += 1
    return kept


def _function_name(head: list[Token]) -> str:
    for i, token in enumerate(head):
        if token.text == "(" and i:
            if "operator" in (head[i - 1].text, head[i - 2].text if i > 1 else ""):
                return "operator"
            if head[i - 1].kind == "ident" and head[i - 1].text != "requires":
                return head[i - 1].text
    return "?"


def _kind_of_block(head: list[Token]) -> tuple[str, str]:
    """What a brace outside of functions opens, and its name."""
    plain = _without_brackets(head)
    words = [t.text for t in plain]
    bracket = words.index("(") if "(" in words else len(words)
    equal = words.index("=") if "=" in words else len(words)
    if "namespace" in words or (words[:1] == ["extern"] and len(words) == 2):
        return "namespace", ""
    if "enum" in words:
        return "enum", ""
    for keyword in ("class", "struct", "union"):
        if keyword in words[:bracket] or (keyword in words and words.index(keyword) < min(equal, 3)):
            following = words[words.index(keyword) + 1 :]
            return "class", next((w for w in following if re.match(r"[A-Za-z_]\w*$", w)), "")
    if equal < bracket or bracket == len(words):
        return "value", ""
    return "function", _function_name(plain)


def _initialisers(head: list[Token]) -> list[Token]:
    """The members' initialisers of a constructor."""
    depth = 0
    for i, token in enumerate(head):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == ":" and depth == 0 and i and head[i - 1].text in (")", "noexcept"):
            return head[i + 1 :]
    return []


def _constant(head: list[Token], classes: list[str]) -> Scope | None:
    words = [t.text for t in head]
    if "=" not in words or "constexpr" not in words or "using" in words or "static_assert" in words:
        return None
    equal = words.index("=")
    value = head[equal + 1 :]
    if "(" in words[:equal] or not value:  # a function that is deleted or defaulted
        return None
    name = next((t.text for t in reversed(head[:equal]) if t.kind == "ident"), "?")
    return Scope("::".join([*classes, name]), "constant", tuple(value))


def _rows(tokens: list[Token]) -> Iterator[Scope]:
    for i, token in enumerate(tokens):
        columns = ROW_FORMULAS.get(token.text)
        if columns and i + 1 < len(tokens) and tokens[i + 1].text == "(":
            pieces = split(tokens, i + 2, closing(tokens, i + 1))
            for column in columns:
                first, last = pieces[column]
                yield Scope(tokens[i + 2].text, "row", tuple(tokens[first:last]))


def scopes(text: str, table: bool = False) -> list[Scope]:
    """The functions and constants of a source file, or the rows of a table (``.def``)."""
    tokens = tokenize(text)
    if table:
        return list(_rows(tokens))
    found: list[Scope] = []
    stack: list[tuple[str, str]] = []
    head: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        classes = [name for kind, name in stack if kind == "class" and name]
        if token.text == "{":
            kind, name = _kind_of_block(head)
            if kind in ("function", "value", "enum"):
                end = closing(tokens, i)
                if kind == "function":
                    body = [*_initialisers(head), *tokens[i : end + 1]]
                    found.append(Scope("::".join([*classes, name]), "function", tuple(body)))
                    head = []
                else:
                    head += tokens[i : end + 1] if kind == "value" else []
                i = end + 1
                continue
            stack.append((kind, name))
            head = []
        elif token.text == "}":
            if stack:
                stack.pop()
            head = []
        elif token.text == ";":
            constant = _constant(head, classes)
            if constant is not None:
                found.append(constant)
            head = []
        elif token.text == "(":
            end = closing(tokens, i)
            if len(head) == 1 and tokens[i + 1].text == "{":  # a macro that is given a function's body
                name = f"{head[0].text.removeprefix('VG_').lower()}"
                found.append(Scope("::".join([*classes, name]), "function", tuple(tokens[i + 1 : end])))
                head = []
            else:
                head += tokens[i : end + 1]
            i = end
        elif token.text == ":" and len(head) == 1 and head[0].text in ("public", "private", "protected"):
            head = []
        else:
            head.append(token)
        i += 1
    return found
