"""The documents: their Python code runs, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

import verigrad

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def python_blocks(text: str) -> list[str]:
    """The code of each block, behind as many empty lines as stand before it: tracebacks show the lines of the
    document."""
    return ["\n" * text.count("\n", 0, found.start(1)) + found[1] for found in BLOCK.finditer(text)]


def run(document: Path, text: str) -> None:
    """Run the blocks in order, in one namespace."""
    namespace = {"__name__": "__main__"}
    for block in python_blocks(text):
        exec(compile(block, str(document), "exec"), namespace)


RUNNABLE = [path for path in DOCUMENTS if python_blocks(path.read_text(encoding="utf-8"))]


@pytest.fixture
def clean_state(tmp_path, monkeypatch):
    """A folder of its own, no data of this machine, and the process-wide settings put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERIGRAD_CACHE", str(tmp_path / "cache"))
    random, dtype, threads = (
        verigrad.get_rng_state(),
        verigrad.get_default_dtype(),
        verigrad.get_num_threads(),
    )
    yield
    verigrad.set_rng_state(random)
    verigrad.set_default_dtype(dtype)
    verigrad.set_num_threads(threads)


@pytest.mark.parametrize("document", RUNNABLE, ids=lambda path: path.name)
def test_python_code_runs(document, clean_state):
    run(document, document.read_text(encoding="utf-8"))


def test_the_usual_documents_have_code():
    usual = {
        "README.md",
        "checkpoints.md",
        "convolution.md",
        "data.md",
        "getting-started.md",
        "training-recipes.md",
    }
    assert usual <= {path.name for path in RUNNABLE}


def test_an_error_in_a_document_is_found_at_its_line():
    text = "# Title\n\n```python\nx = 1\n```\n\nand then\n\n```python\n\nx.nothing\n```\n"
    with pytest.raises(AttributeError) as error:
        run(Path("page.md"), text)
    last = error.traceback[-1]
    assert (str(last.path).rpartition("/")[2], last.lineno + 1) == ("page.md", 11)


def test_other_blocks_are_left_alone():
    assert python_blocks("```bash\nfalse\n```\n```text\nx\n```\n```\ny\n```\n") == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    prose = CODE.sub("code", document.read_text(encoding="utf-8"))
    targets = LINK.findall(prose)
    assert [target for target in targets if not (document.parent / target).exists()] == []
