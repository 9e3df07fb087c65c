"""docs/layers.md names what exists, all of it."""

import re
from pathlib import Path

from verigrad import nn

TEXT = (Path(__file__).parents[2] / "docs" / "layers.md").read_text(encoding="utf-8")


def table_names(heading: str) -> set[str]:
    """The words in the first table below a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("| ")]
    return {word for row in rows[2:] for word in re.findall(r"\w+", row)}


def test_every_layer_is_in_the_table_of_its_group() -> None:
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    assert table_names("The vocabulary") == layers


def test_every_function_for_weights_is_named() -> None:
    for module in (nn.init, nn.utils):
        for name in module.__all__:
            assert f"`{name}`" in TEXT, name
