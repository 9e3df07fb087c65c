"""One-line changes of C++ that a test should notice."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mutation.tokens import Scope, Token, closing, scopes, split, template_end

ARITHMETIC = {
    "+": "-",
    "-": "+",
    "*": "/",
    "/": "*",
    "%": "/",
    "&": "|",
    "|": "&",
    "^": "&",
    "<<": ">>",
    ">>": "<<",
}
COMPARISONS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
}  # fmt: skip
ASSIGNMENTS = {
    "+=": ("=", "-="),
    "-=": ("=", "+="),
    "*=": ("=", "/="),
    "/=": ("=", "*="),
    "|=": ("=",),
    "&=": ("=",),
}
EXTREMA = {"min": "max", "max": "min", "floor": "ceil", "ceil": "floor"}
# Operators that the ops layer writes as functions of tensors; the empty word drops the function.
TENSOR_FUNCTIONS = {
    "add": "sub", "sub": "add", "mul": "div", "div": "mul", "neg": "", "gt": "ge", "ge": "gt", "lt": "le",
    "le": "lt", "eq": "ne", "ne": "eq", "sin": "cos", "cos": "sin", "exp": "expm1", "square": "abs",
    "maximum": "minimum", "minimum": "maximum", "logical_and": "logical_or", "logical_or": "logical_and",
}  # fmt: skip
SYMMETRIC = {"add", "mul", "min", "max", "maximum", "minimum", "eq", "ne", "logical_and", "logical_or", "op"}
# Functions whose argument of that number counts elements.
COUNTS = {"parallel_for": 0, "fill_n": 1, "copy_n": 1, "memcpy": 2, "memset": 2}
KEYWORDS = {
    "if", "for", "while", "switch", "return", "sizeof", "catch", "constexpr", "decltype", "alignof",
    "requires", "static_assert", "throw", "noexcept", "and", "or", "not",
}  # fmt: skip
DECLARES = KEYWORDS | {
    "const", "auto", "static", "using", "typedef", "struct", "class", "enum", "template", "typename", "case",
    "default", "goto", "friend", "inline", "extern", "union", "namespace", "do", "else", "try", "public",
    "private", "thread_local", "delete",
}  # fmt: skip
MOST_LINES = 3  # of a statement that is dropped
INTEGER = re.compile(r"(0[xX][0-9a-fA-F']+|0|[1-9][\d']*)([uUlLzZ]*)$")
FLOATING = re.compile(r"((?:\d[\d']*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([fFlL]?)$")


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        file: the path below the root.
        line: the line of the change, from 1.
        scope: the function, constant or row.
        group: the scope for the sample, in which the constants of a file are one.
        lines: the first and the last line of the scope.
        operator: the kind of the change.
        start: where the replaced text starts.
        end: where it ends.
        text: what stands there instead.
        before: the changed lines without the blanks around them.
        after: the same afterwards.
        id: a name that stays the same when other lines change.
    """

    file: str
    line: int
    scope: str
    group: str
    lines: tuple[int, int]
    operator: str
    start: int
    end: int
    text: str
    before: str
    after: str
    id: str

    def apply(self, source: str) -> str:
        """The source with the change."""
        return source[: self.start] + self.text + source[self.end :]


Change = tuple[str, int, int, str]  # operator, start, end, text


def _numbers(token: Token) -> Iterator[str]:
    integer = INTEGER.match(token.text)
    if integer:
        digits, suffix = integer[1].replace("'", ""), integer[2]
        value = int(digits, 0)
        for other in (value + 1, value - 1):
            if other >= 0:
                yield (f"0x{other:X}" if digits[:2].lower() == "0x" else str(other)) + suffix
        return
    floating = FLOATING.match(token.text)
    if floating:
        factor, suffix = float(floating[1].replace("'", "")), floating[2]
        # A hundredth is far beyond rounding, and still a plausible slip in a coefficient.
        yield ("1.0" if factor == 0.0 else repr(factor * 1.01)) + suffix
        if factor == 1.0:
            yield "0.0" + suffix


def _excluded(tokens: tuple[Token, ...]) -> set[int]:
    """Tokens that compute nothing: template arguments, messages, labels, declarations of types."""
    out: set[int] = set()
    for i, token in enumerate(tokens):
        opens = i + 1 < len(tokens) and tokens[i + 1].text == "("
        end = template_end(tokens, i)
        if end is not None:
            out.update(range(i, end + 1))
        elif token.text in ("static_assert", "VG_THROW", "decltype", "alignof") and opens:
            out.update(range(i, closing(tokens, i + 1) + 1))
        elif token.text == "VG_CHECK" and opens:
            last = closing(tokens, i + 1)
            out.update(range(split(tokens, i + 2, last)[0][1], last + 1))
        elif token.text in ("using", "typedef", "case"):
            stop = i
            while stop < len(tokens) and tokens[stop].text not in (";", ":"):
                stop += 1
            out.update(range(i, stop))
        elif token.text == "[" and i + 1 < len(tokens) and tokens[i + 1].text == "[":
            out.update(range(i, closing(tokens, i) + 1))
    return out


def _loop_steps(tokens: tuple[Token, ...]) -> tuple[set[int], list[tuple[int, int]]]:
    """The tokens of the steps of `for` loops, whose change is an endless loop, and the spans of their
    conditions."""
    steps: set[int] = set()
    conditions = []
    for i, token in enumerate(tokens):
        if token.text == "for" and i + 1 < len(tokens):
            pieces = split(tokens, i + 2, closing(tokens, i + 1), ";")
            if len(pieces) == 3:
                steps.update(range(*pieces[2]))
            if len(pieces) >= 2 and pieces[1][0] < pieces[1][1]:
                conditions.append(pieces[1])
    return steps, conditions


def _source(source: str, tokens: tuple[Token, ...], first: int, last: int) -> str:
    return source[tokens[first].start : tokens[last - 1].end]


def _of_tokens(scope: Scope, skipped: set[int], steps: set[int]) -> Iterator[Change]:
    tokens = scope.tokens
    for i, token in enumerate(tokens):
        text, place = token.text, (token.start, token.end)
        if i in skipped:
            continue
        opens = i + 1 < len(tokens) and tokens[i + 1].text in ("(", "<")
        if token.spaced and i not in steps:
            if text in ARITHMETIC:
                yield "arithmetic", *place, ARITHMETIC[text]
            for other in COMPARISONS.get(text, ()):
                yield "comparison", *place, other
            for other in ASSIGNMENTS.get(text, ()):
                yield "assignment", *place, other
            if text in ("&&", "||"):
                yield "logical", *place, "||" if text == "&&" else "&&"
        if text in ("++", "--") and i not in steps:
            yield "increment", *place, "--" if text == "++" else "++"
        if (
            text == "-"
            and not token.spaced
            and i
            and tokens[i - 1].text in ("(", ",", "=", "return", "?", ":", "*", "{")
        ):
            yield "negation dropped", *place, ""
        if text == "!" and i + 1 < len(tokens):
            yield "negation dropped", *place, ""
        if text in ("true", "false"):
            yield "constant", *place, "false" if text == "true" else "true"
        if token.kind == "number" and not (i in steps and text == "1"):
            for number in _numbers(token):
                yield "constant", *place, number
        if token.kind == "ident" and text in EXTREMA and opens:
            yield "min and max", *place, EXTREMA[text]


def _arguments(tokens: tuple[Token, ...], i: int) -> list[tuple[int, int]] | None:
    """The arguments of the call whose name is token i."""
    if tokens[i].kind != "ident" or tokens[i].text in KEYWORDS or i + 1 >= len(tokens):
        return None
    at = i + 1
    end = template_end(tokens, at) if tokens[at].text == "<" else None
    at = at if end is None else end + 1
    if at >= len(tokens) or tokens[at].text != "(":
        return None
    return split(tokens, at + 1, closing(tokens, at))


def _plain(tokens: tuple[Token, ...], first: int, last: int) -> bool:
    """Whether it is an argument, not a parameter or a function."""
    if last - first > 12 or any(t.text in ("{", "const", "auto", "this") for t in tokens[first:last]):
        return False
    return not any(
        a.kind == b.kind == "ident"
        for a, b in zip(tokens[first:last], tokens[first + 1 : last], strict=False)
    )


def _of_calls(source: str, scope: Scope, skipped: set[int], tensors: bool) -> Iterator[Change]:
    tokens = scope.tokens
    for i, token in enumerate(tokens):
        if i in skipped or token.text.isupper():
            continue
        pieces = _arguments(tokens, i)
        if not pieces:
            continue
        member = i > 0 and tokens[i - 1].text in (".", "->")
        if tensors and token.text in TENSOR_FUNCTIONS and not member:
            yield "tensor function", token.start, token.end, TENSOR_FUNCTIONS[token.text]
        if token.text in COUNTS and len(pieces) > COUNTS[token.text]:
            first, last = pieces[COUNTS[token.text]]
            yield "bound", tokens[last - 1].end, tokens[last - 1].end, " - 1"
        if (
            token.text in SYMMETRIC
            or len(pieces) > 6
            or (i and tokens[i - 1].kind == "ident" and tokens[i - 1].text != "return")
        ):
            continue
        for (a, b), (c, d) in zip(pieces, pieces[1:], strict=False):
            one, two = _source(source, tokens, a, b), _source(source, tokens, c, d)
            if one != two and _plain(tokens, a, b) and _plain(tokens, c, d):
                between = source[tokens[b - 1].end : tokens[c].start]
                yield "arguments", tokens[a].start, tokens[d - 1].end, two + between + one


def _of_loops(scope: Scope, conditions: list[tuple[int, int]]) -> Iterator[Change]:
    for first, last in conditions:
        compared = [
            t for t in scope.tokens[first:last] if t.spaced and t.text in ("<", "<=", ">", ">=", "!=")
        ]
        if len(compared) == 1:
            end = scope.tokens[last - 1].end
            yield "bound", end, end, " - 1"
            yield "bound", end, end, " + 1"


def _of_conditions(source: str, scope: Scope, skipped: set[int]) -> Iterator[Change]:
    tokens = scope.tokens
    for i, token in enumerate(tokens):
        if i in skipped:
            continue
        if token.text in ("if", "while") and i + 1 < len(tokens):
            at = i + 2 if tokens[i + 1].text == "constexpr" else i + 1
            last = closing(tokens, at)
            if tokens[at].text == "(" and not any(t.text == ";" for t in tokens[at:last]):
                start, end = tokens[at].end, tokens[last].start
                if "\n" not in source[start:end]:
                    yield "condition", start, end, f"!({source[start:end]})"
        elif token.text == "VG_CHECK":
            first, last = split(tokens, i + 2, closing(tokens, i + 1))[0]
            inside = _source(source, tokens, first, last)
            if "\n" not in inside:
                yield "condition", tokens[first].start, tokens[last - 1].end, f"!({inside})"
        elif token.text == "?" and token.spaced:
            first = _start_of_condition(tokens, i)
            if first < i:
                inside = _source(source, tokens, first, i)
                if "\n" not in inside:
                    yield "condition", tokens[first].start, tokens[i - 1].end, f"!({inside})"


def _start_of_condition(tokens: tuple[Token, ...], question: int) -> int:
    """Where the condition before a `?` starts."""
    depth, i = 0, question - 1
    while i >= 0:
        text = tokens[i].text
        if text in (")", "]", "}"):
            depth += 1
        elif text in ("(", "[", "{"):
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and (text in (",", ";", "=", "?", ":", "return", "=>") or text in ASSIGNMENTS):
            break
        i -= 1
    return i + 1


def _is_expression(tokens: tuple[Token, ...], first: int, last: int) -> bool:
    """Whether a statement only has an effect, so that the program compiles without it."""
    if tokens[first].text in DECLARES or first >= last:
        return tokens[first].text in ("break", "continue") and last == first + 1
    i, previous = first, None
    effect = tokens[first].text in ("++", "--", "*", "(")
    while i < last:
        token = tokens[i]
        end = template_end(tokens, i)
        if end is not None:
            i, previous = end + 1, tokens[end]
            continue
        if token.text == "=" or token.text in ASSIGNMENTS or token.text in ("++", "--"):
            return True
        if token.text == "{":
            return False
        if token.text in ("(", "["):
            effect = effect or token.text == "("
            i = closing(tokens, i) + 1
            previous = tokens[min(i, last) - 1]
            continue
        if (
            token.kind == "ident"
            and previous is not None
            and (previous.kind == "ident" or previous.text in (">", "*", "&", "&&", ">>"))
        ):
            return previous.text in ("*", "&") and i == first + 1
        previous = token
        i += 1
    return effect


def _heads(tokens: tuple[Token, ...]) -> tuple[set[int], set[int]]:
    """The tokens within the brackets of if, for, while and switch, and the brackets that close them."""
    within: set[int] = set()
    ends: set[int] = set()
    for i, token in enumerate(tokens):
        if token.text in ("if", "for", "while", "switch") and i + 1 < len(tokens):
            at = i + 2 if tokens[i + 1].text == "constexpr" else i + 1
            end = closing(tokens, at)
            within.update(range(at, end))
            ends.add(end)
    return within, ends


def _of_statements(source: str, scope: Scope, skipped: set[int]) -> Iterator[Change]:
    tokens = scope.tokens
    if scope.kind != "function":
        return
    within, ends = _heads(tokens)
    for i in range(1, len(tokens)):
        before, token = tokens[i - 1].text, tokens[i]
        label = before == ":" and any(t.text == "case" for t in tokens[max(0, i - 6) : i])
        if not (before in (";", "{", "}", "else") or i - 1 in ends or label) or token.text in ("}", ";", "{"):
            continue
        if i in within or (i in skipped and token.text != "VG_CHECK"):
            continue
        last = i
        while last < len(tokens) and tokens[last].text != ";":
            last = closing(tokens, last) + 1 if tokens[last].text in ("(", "[", "{") else last + 1
        if last >= len(tokens) or not _is_expression(tokens, i, last):
            continue
        body = source[token.start : tokens[last].start]
        if body.count("\n") < MOST_LINES:
            yield "statement", token.start, tokens[last].start, "\n" * body.count("\n")


def changes(source: str, scope: Scope, tensors: bool) -> list[Change]:
    """Every change of a scope, in the order of the text; ``tensors`` where functions of tensors count as
    operators."""
    skipped = _excluded(scope.tokens)
    steps, conditions = _loop_steps(scope.tokens)
    found = [
        *_of_tokens(scope, skipped, steps),
        *_of_calls(source, scope, skipped, tensors),
        *_of_loops(scope, conditions),
        *_of_conditions(source, scope, skipped),
        *_of_statements(source, scope, skipped),
    ]
    if scope.kind == "row":
        first, last = scope.tokens[0], scope.tokens[-1]
        inside = source[first.start : last.end]
        found.append(("negated formula", first.start, last.end, f"neg({inside})"))
    # Two operators may make the same text; the first name counts.
    unique = {(start, end, text): (name, start, end, text) for name, start, end, text in reversed(found)}
    return sorted(unique.values(), key=lambda change: (change[1], change[2], change[0], change[3]))


def _lines(text: str, start: int, end: int) -> tuple[int, int]:
    last = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if last < 0 else last


def mutants(source: str, file: str) -> list[Mutant]:
    """Every mutant of a file."""
    found: list[Mutant] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    table = file.endswith(".def")
    tensors = table or "/ops/" in file or "/optim/" in file
    for scope in scopes(source, table):
        ends = (scope.tokens[0].start, scope.tokens[-1].start)
        lines = (source.count("\n", 0, ends[0]) + 1, source.count("\n", 0, ends[1]) + 1)
        group = "constants" if scope.kind == "constant" else scope.name
        for operator, start, end, text in changes(source, scope, tensors):
            first, last = _lines(source, start, end)
            before = source[first:last]
            after = before[: start - first] + text + before[end - first :]
            key = (operator, " ".join(before.split()), " ".join(after.split()))
            number = seen[key]  # the same change of an equal line elsewhere
            seen[key] += 1
            mark = "\0".join([file, *key, str(number)])
            name = hashlib.sha256(mark.encode()).hexdigest()[:12]
            line = source.count("\n", 0, start) + 1
            change = (operator, start, end, text, before.strip(), after.strip(), name)
            found.append(Mutant(file, line, scope.name, group, lines, *change))
    return found
