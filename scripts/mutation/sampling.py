"""What is mutated, in which order: a seeded order in which every family of files has its share."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from mutation.operators import Mutant, mutants
from mutation.targets import HOST, Target

# Files of kernels whose family is not the first word of their name.
FAMILIES = {
    "activation": "elementwise", "activations": "elementwise", "binary": "elementwise", "copy": "elementwise",
    "float": "elementwise", "functors": "elementwise", "loops": "elementwise", "range": "elementwise",
    "arg": "reduce", "softmax": "reduce", "columns": "convolution", "micro": "convolution",
    "normalization": "normalize", "simd": "parallel", "philox": "random",
    "block": "reduce", "depthwise": "convolution", "launch": "elementwise", "memory": "runtime",
    "operands": "elementwise", "scan": "index", "scatter": "index", "shared": "elementwise", "sort": "index",
    "workspace": "convolution",
}  # fmt: skip
MOST_PER_FUNCTION = 3


def family(file: str) -> str:
    """The family of a file: its layer and its subject."""
    stem = Path(file).stem
    if file.endswith(".def"):
        return "vjp tables"
    layer = file.split("/")[2]
    if layer == "kernels":
        word = stem.partition("_")[0]
        return f"{'cuda' if '/cuda/' in file else layer}/{FAMILIES.get(word, word)}"
    return f"ops/{stem}" if layer == "ops" else layer


def files(root: Path, target: Target = HOST) -> list[str]:
    """The files that are mutated, below the root."""
    found = {path.relative_to(root).as_posix() for pattern in target.patterns for path in root.glob(pattern)}
    return sorted(name for name in found if not any(part in name for part in target.left_out))


def population(root: Path, target: Target = HOST) -> list[Mutant]:
    """Every mutant of every file."""
    return [
        mutant for name in files(root, target) for mutant in mutants((root / name).read_text("utf-8"), name)
    ]


def _order(found: list[Mutant], draw: random.Random) -> list[Mutant]:
    """A family's mutants: rounds over the functions, each time another operator."""
    functions: dict[tuple[str, str], dict[str, list[Mutant]]] = {}
    for mutant in found:
        operators = functions.setdefault((mutant.file, mutant.group), {})
        operators.setdefault(mutant.operator, []).append(mutant)
    queues = []
    for key in sorted(functions):
        operators = functions[key]
        names = sorted(operators)
        draw.shuffle(names)
        for name in names:
            draw.shuffle(operators[name])
        longest = max(len(operators[name]) for name in names)
        queue = [operators[name][i] for i in range(longest) for name in names if i < len(operators[name])]
        queues.append(queue)
    draw.shuffle(queues)
    rounds = max((len(queue) for queue in queues), default=0)
    return [queue[i] for i in range(rounds) for queue in queues if i < len(queue)]


def orders(found: list[Mutant], seed: int) -> dict[str, list[Mutant]]:
    """Each family's mutants in the order in which they are tried."""
    families: dict[str, list[Mutant]] = {}
    for mutant in found:
        families.setdefault(family(mutant.file), []).append(mutant)
    return {name: _order(families[name], random.Random(f"{seed} {name}")) for name in sorted(families)}


def slots(sizes: dict[str, int], seed: int) -> Iterator[str]:
    """Families without end. Each turns up in proportion to the root of its size: a large one more often, but
    no small one never."""
    weights = {name: size**0.5 for name, size in sizes.items() if size}
    draw = random.Random(f"{seed} families")
    credit = {name: draw.random() * sum(weights.values()) for name in sorted(weights)}
    while weights:
        for name, weight in weights.items():
            credit[name] += weight
        best = max(sorted(credit), key=lambda name: credit[name])
        credit[best] -= sum(weights.values())
        yield best


class Sample:
    """Hands out mutants. One that does not count (it does not compile, or gives the same code) is replaced by
    the next of its family, so that the families keep their shares.

    Args:
        found: all mutants.
        seed: of the order.
        most_per_function: how many of one function count at most.
    """

    def __init__(self, found: list[Mutant], seed: int, most_per_function: int = MOST_PER_FUNCTION) -> None:
        self._orders = orders(found, seed)
        self._slots = slots({name: len(order) for name, order in self._orders.items()}, seed)
        self._next = dict.fromkeys(self._orders, 0)
        self._used: dict[tuple[str, str], int] = {}
        self._most = most_per_function

    def slot(self) -> str:
        """The family whose turn it is."""
        return next(self._slots)

    def draw(self, name: str) -> Mutant | None:
        """The next mutant of a family, None when it has no more."""
        order = self._orders[name]
        while self._next[name] < len(order):
            mutant = order[self._next[name]]
            self._next[name] += 1
            if self._used.get((mutant.file, mutant.group), 0) < self._most:
                self._used[mutant.file, mutant.group] = self._used.get((mutant.file, mutant.group), 0) + 1
                return mutant
        return None

    def give_back(self, mutant: Mutant) -> None:
        """A mutant of that function did not count."""
        self._used[mutant.file, mutant.group] -= 1
