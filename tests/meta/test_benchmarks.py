"""Every benchmark runs once with small inputs, so that none can rot unnoticed."""

import importlib
import inspect
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("bench_*.py"))
PEER = "torch"  # changed by benchmarks where it has been imported


def load(name: str) -> ModuleType:
    """A module of `benchmarks`, imported as asv does: as part of a package."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(f"benchmarks.{name}")
    finally:
        sys.path.remove(str(ROOT))


def cases() -> list[Any]:
    found = []
    for name in MODULES:
        for class_name, cls in inspect.getmembers(load(name), inspect.isclass):
            if class_name.startswith("_") or not cls.__module__.startswith("benchmarks.bench_"):
                continue
            params = getattr(cls, "params", [])
            axes = params if params and isinstance(params[0], (list, tuple)) else [params] if params else []
            for method in dir(cls):
                if method.startswith(("time_", "track_")):
                    for values in itertools.product(*axes):
                        title = "-".join([class_name, method, *map(str, values)])
                        found.append(pytest.param(cls, method, values, id=f"{name}-{title}"))
    return found


@pytest.fixture(autouse=True)
def tiny() -> Iterator[None]:
    common = load("common")
    torch = sys.modules.get(PEER)
    threads = torch.get_num_threads() if torch else None
    common.use_sizes(common.TINY)
    yield
    common.use_sizes(common.FULL)
    if torch and threads:
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    import verigrad

    before = verigrad.get_num_threads()
    yield
    verigrad.set_num_threads(before)


@pytest.mark.parametrize(("cls", "method", "values"), cases())
def test_benchmark(cls: Any, method: str, values: tuple[Any, ...]) -> None:
    benchmark = cls()
    library = values[0] if values else "verigrad"
    try:
        if hasattr(benchmark, "setup"):
            benchmark.setup(*values)
        result = getattr(benchmark, method)(*values)
    except NotImplementedError as reason:
        if library == "verigrad":
            raise
        if "no counterpart" not in str(reason):
            pytest.skip(str(reason))
        return
    if method.startswith("track_"):
        assert result > 0


def test_every_area_has_a_benchmark() -> None:
    assert {"bench_import", "bench_op_overhead", "bench_mlp_step", "bench_dataloader", "bench_gemm"} <= set(
        MODULES
    )


def test_asv_builds_once() -> None:
    config = json.loads((ROOT / "benchmarks" / "asv.conf.json").read_text(encoding="utf-8"))
    assert len(config["build_command"]) == 1
    assert "pip wheel" in config["build_command"][0]


RESULTS = {
    "date": "2026-01-01",
    "cpu": "a processor",
    "cpus": 2,
    "system": "Linux x86_64",
    "python": "3.11",
    "versions": {"verigrad": "1", "torch": "2"},
    "rounds": 3,
    "rows": [
        {"name": "a", "title": "A", "threads": 1, "seconds": {"verigrad": 2e-6, "torch": 5e-6}},
        {"name": "b", "title": "B", "threads": 2, "seconds": {"verigrad": 0.25}},
    ],
}


def test_table_replaces_what_stands_between_the_markers(tmp_path: Path) -> None:
    compare = load("compare")
    source, document = tmp_path / "r.json", tmp_path / "doc.md"
    source.write_text(json.dumps(RESULTS), encoding="utf-8")
    document.write_text(f"before\n{compare.BEGIN}\nold\n{compare.END}\nafter\n", encoding="utf-8")
    compare.main(["--from-json", str(source), "--update", str(document)])
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| A | 1 | 2 µs | 5 µs | 2.50 |" in text
    assert "| B | 2 | 250 ms |  |  |" in text


def test_convolutions_have_a_table_of_their_own_between_the_markers() -> None:
    compare = load("compare")
    row = {
        "threads": 1,
        "seconds": {"verigrad": 1.0, "torch": 2.0},
        "spread": {"verigrad": 0.01, "torch": 0.25},
    }
    memory = {"verigrad": 3 << 20, "torch": 5 << 20}
    rows = [
        {"name": "lenet", "title": "L", **row, "peak_memory": memory},
        {"name": "add", "title": "A", **row},
    ]
    facts = {"commit": "0123abcd+", "simd": {"verigrad": "avx2"}, "order": "rotating"}
    parts = compare.table({**RESULTS, **facts, "rows": rows}).split("\n\n")
    assert "| A | 1 | 1 s | 2 s | 2.00 | 25 % |" in parts[0]
    assert parts[1] == "Convolutional networks and single convolutions:"
    assert "| L | 1 | 1 s | 2 s | 2.00 | 25 % | 3 MiB | 5 MiB |" in parts[2]
    for fact in ("commit 0123abcd+", "vector code: verigrad avx2", "rotating processes", "Spread", "Memory"):
        assert fact in parts[3]


def test_the_readme_shows_the_headlines(tmp_path: Path) -> None:
    compare = load("compare")
    assert set(compare.HEADLINES) <= {*compare.WORKLOADS, "import"}
    headline = {**RESULTS["rows"][0], "name": compare.HEADLINES[0], "title": "H"}
    source = tmp_path / "r.json"
    source.write_text(json.dumps({**RESULTS, "rows": [headline, *RESULTS["rows"]]}), encoding="utf-8")
    for name, rows in (("README.md", "H"), ("benchmarks.md", "HAB")):
        document = tmp_path / name
        document.write_text(f"{compare.BEGIN}\n{compare.END}\n", encoding="utf-8")
        compare.main(["--from-json", str(source), "--update", str(document)])
        lines = document.read_text(encoding="utf-8").splitlines()
        assert "".join(line[2] for line in lines if line[:2] == "| " and line[2] in "HAB") == rows


def test_large_operations_have_a_table_of_their_own() -> None:
    compare = load("compare")
    rows = [{**RESULTS["rows"][0], "name": "large_sort"}, *RESULTS["rows"]]
    parts = compare.table({**RESULTS, "rows": rows}).split("\n\n")
    assert "| B |" in parts[0] and parts[1] == "Operations on large tensors:" and "| A |" in parts[2]


@pytest.mark.parametrize("name", ["README.md", "docs/benchmarks.md"])
def test_no_table_of_times_stands_outside_of_the_markers(name: str) -> None:
    compare = load("compare")
    before, _, rest = (ROOT / name).read_text(encoding="utf-8").partition(compare.BEGIN)
    table, _, after = rest.partition(compare.END)
    title = compare.WORKLOADS["lenet"][0]
    assert title in table and title not in before + after


def test_every_library_begins_a_round() -> None:
    rotated = load("compare").rotated
    orders = [rotated(["a", "b", "c"], turn) for turn in range(4)]
    assert orders == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
    assert rotated([], 3) == []


def test_the_other_updates_of_torch_have_rows() -> None:
    compare = load("compare")
    for name in ("mlp_64", "mlp_wide", "mlp_tiny"):
        for update in ("foreach", "fused"):
            title, threads, _ = compare.WORKLOADS[f"{name}_{update}"]
            assert (title, threads) == (f"{compare.WORKLOADS[name][0]}; torch {update}=True", (1, 2))


@pytest.mark.parametrize("update", ["foreach", "fused"])
def test_the_other_updates_of_torch_run(update: str) -> None:
    torch = pytest.importorskip("torch")
    seen = []

    def noting(init: Any) -> Any:
        def noted(*arguments: Any, **options: Any) -> None:
            seen.append(options.get(update))
            init(*arguments, **options)

        return noted

    for optimizer, cls in (("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cls, "__init__", noting(cls.__init__))
            load("common").mlp_step("torch", (4, 3, 2), 5, optimizer, 1, update)()
    assert seen == [True, True]


def test_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    compare = load("compare")
    document = tmp_path / "doc.md"
    document.write_text("text\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no <!-- benchmarks: begin -->"):
        compare.update(document, "table")
    assert document.read_text(encoding="utf-8") == "text\n"


def test_compare_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare = load("compare")
    target = tmp_path / "results" / "r.json"
    options = [
        "--tiny",
        "--rounds",
        "1",
        "--budget",
        "0.01",
        "--libraries",
        "verigrad",
        "--only",
        "add,mlp_tiny",
    ]
    compare.main([*options, "--json", str(target)])
    results = json.loads(target.read_text(encoding="utf-8"))
    assert results["simd"]["verigrad"] in ("baseline", "avx2", "avx512")
    assert {"commit", "cpu", "cpu_model", "order"} <= set(results)
    rows = results["rows"]
    assert all(row["spread"] == {"verigrad": 0} for row in rows)
    assert [(row["name"], row["threads"]) for row in rows] == [("add", 1), ("mlp_tiny", 1), ("mlp_tiny", 2)]
    assert all(row["seconds"]["verigrad"] > 0 for row in rows)
    assert "add of 8 floats" in capsys.readouterr().out


def test_compare_refuses_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load("compare").main(["--only", "nothing"])
    assert "got nothing" in capsys.readouterr().err
