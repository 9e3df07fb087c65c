"""Side-by-side table of verigrad and its peers.

    python benchmarks/compare.py [--json FILE] [--update README.md docs/benchmarks.md]

Each library runs in a process of its own, with fixed threads. A round runs every library once, one after the
other, so that a slow period of the machine hits all of them, and each round begins with another one; the
table shows the median over the rounds and how far they lie apart.
docs/benchmarks.md explains the method.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, large

Factory = Callable[[str, int], common.Work]

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"

# Networks of `common.mlp_step`: title, widths, batch, optimizer.
_PERCEPTRONS: dict[str, tuple[str, tuple[int, ...], int, str]] = {
    "mlp_64": ("MLP 784-64-64-10 step, batch 64, SGD momentum", (784, 64, 64, 10), 64, "sgd"),
    "mlp_wide": ("MLP 784-1000-10 step, batch 64, SGD momentum", (784, 1000, 10), 64, "sgd"),
    "mlp_tiny": ("MLP 10-32-32-2 step, batch 16, Adam", (10, 32, 32, 2), 16, "adam"),
}


def _perceptron(name: str, torch_update: str = "") -> tuple[str, tuple[int, ...], Factory]:
    title, widths, batch, optimizer = _PERCEPTRONS[name]

    def make(library: str, threads: int) -> common.Work:
        sized = tuple(min(width, common.sizes.wide_layer) if width == 1000 else width for width in widths)
        return common.mlp_step(library, sized, batch, optimizer, threads, torch_update)

    return title + (f"; torch {torch_update}=True" if torch_update else ""), (1, 2), make


def _optimizer(name: str, torch_update: str) -> tuple[str, tuple[int, ...], Factory]:
    title = f"{name} step over 100 parameters of 64 elements"
    title += f"; torch {torch_update}=True" if torch_update else ""
    return title, (1,), lambda lib, threads: common.optimizer_step(lib, name.lower(), threads, torch_update)


def _recurrent(kind: str, units: int, batch: int, steps: int) -> tuple[str, tuple[int, ...], Factory]:
    def make(library: str, threads: int) -> common.Work:
        return common.recurrent_step(library, kind, units, batch, steps, threads)

    return f"{kind} step, {units} units, batch {batch}, {steps} steps of time, SGD momentum", (1, 2), make


def _transformer(width: int, batch: int) -> tuple[str, tuple[int, ...], Factory]:
    title = f"GPT step, 4 layers of width {width}, {batch} sequences of 64, Adam"
    return title, (1, 2), lambda library, threads: common.gpt_step(library, width, batch, threads)


def _large(name: str) -> tuple[str, tuple[int, ...], Factory]:
    return large.OPERATIONS[name][0], (1, 2), lambda lib, threads: large.large(lib, name, threads)


# Title, thread counts, factory. The import of a library is measured apart. PyTorch's other implementations of
# the update have rows of their own.
WORKLOADS: dict[str, tuple[str, tuple[int, ...], Factory]] = {
    **{
        name + ("_" + update if update else ""): _perceptron(name, update)
        for name in _PERCEPTRONS
        for update in ("", "foreach", "fused")
    },
    **{
        f"step_{name.lower()}" + ("_" + update if update else ""): _optimizer(name, update)
        for name in ("SGD", "Adam")
        for update in ("", "foreach", "fused")
    },
    "lenet": (
        "LeNet-5 step, batch 64, SGD momentum",
        (1, 2),
        lambda library, threads: common.cnn_step(library, "lenet", threads=threads),
    ),
    "cnn": (
        "CNN 32-64-128 step, batch 64, SGD momentum",
        (1, 2),
        lambda library, threads: common.cnn_step(library, "cnn", threads=threads),
    ),
    "gpt_32": _transformer(32, 4),
    "gpt_64": _transformer(64, 8),
    "gpt_128": _transformer(128, 16),
    "conv_56": (
        "conv 3x3, 64 channels, 56x56, batch 32, forward and backward",
        (1, 2),
        lambda library, threads: common.conv_step(library, 64, 56, threads),
    ),
    "conv_28": (
        "conv 3x3, 128 channels, 28x28, batch 32, forward and backward",
        (1, 2),
        lambda library, threads: common.conv_step(library, 128, 28, threads),
    ),
    "lstm_32": _recurrent("LSTM", 32, 16, 32),
    "lstm_64": _recurrent("LSTM", 64, 16, 32),
    "lstm_128": _recurrent("LSTM", 128, 32, 64),
    "gru_64": _recurrent("GRU", 64, 16, 32),
    "rnn_64": _recurrent("RNN", 64, 16, 32),
    "add": ("add of 8 floats", (1,), lambda library, threads: common.add_8(library, threads=threads)),
    "add_grad": (
        "add of 8 floats, recorded",
        (1,),
        lambda library, threads: common.add_8(library, grad=True, threads=threads),
    ),
    "linear": (
        "Linear(8, 8) forward, recorded",
        (1,),
        lambda library, threads: common.linear_8(library, threads),
    ),
    "loader": (
        "DataLoader epoch, 60000x1x28x28, batch 64, shuffled",
        (1, 2),
        lambda library, threads: common.loader_epoch(library, threads),
    ),
    "folder": (
        "DataLoader epoch, 2000 PNGs of 96x96, batch 32, 2 workers",
        (1,),
        lambda library, threads: common.folder_epoch(library, threads),
    ),
    "gemm_256": (
        "matrix product 256 x 256",
        (1, 2),
        lambda library, threads: common.gemm(library, 256, threads),
    ),
    "gemm_1024": (
        "matrix product 1024 x 1024",
        (1, 2),
        lambda library, threads: common.gemm(library, 1024, threads),
    ),
    **{f"large_{name}": _large(name) for name in large.OPERATIONS},
}
CONVOLUTIONS = ("lenet", "cnn", "conv_56", "conv_28")  # they have a table of their own, with peak memory
# The rows that README.md shows; docs/benchmarks.md has them all.
HEADLINES = (
    *("mlp_64", "mlp_wide", "mlp_tiny", "lenet", "cnn", "gpt_32", "gpt_64", "gpt_128"),
    *("lstm_32", "lstm_64", "lstm_128"),
    *("step_sgd", "step_adam", "add_grad", "linear", "loader", "gemm_1024", "import"),
)
# The tables: what stands above each, and its rows; those of none stand in the first.
TABLES: dict[str, tuple[str, ...]] = {
    "Convolutional networks and single convolutions:": CONVOLUTIONS,
    "Operations on large tensors:": tuple(f"large_{name}" for name in large.OPERATIONS),
}


def seconds_per_call(work: common.Work, budget: float) -> float:
    """Median over blocks of calls, each long enough for the clock; about `budget` seconds in all."""
    work()
    work()
    calls, block = 1, 0.0
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        block = time.perf_counter() - start
        if block >= min(0.01, budget / 10):
            break
        calls = max(2 * calls, int(calls * 0.012 / max(block, 1e-9)) if block > 1e-4 else 2 * calls)
    blocks = [block]
    while sum(blocks) < budget and len(blocks) < 101:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        blocks.append(time.perf_counter() - start)
    return statistics.median(blocks) / calls


def run_worker(library: str, threads: int, names: list[str], budget: float) -> dict[str, float]:
    """Measure the workloads that exist for a library, in this process."""
    found = {}
    for name in names:
        _, counts, factory = WORKLOADS[name]
        if threads in counts:
            try:
                work = factory(library, threads)
            except NotImplementedError:
                continue
            found[name] = seconds_per_call(work, budget)
    return found


def peak_memory(library: str, threads: int, name: str) -> dict[str, float]:
    """Peak memory in bytes of this process, which has done nothing but three calls of a workload."""
    import resource

    work = WORKLOADS[name][2](library, threads)
    for _ in range(3):
        work()
    return {name: 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def start_worker(
    library: str, threads: int, names: list[str], budget: float, tiny: bool, memory: bool = False
) -> dict[str, float]:
    """What `run_worker` measures (or `peak_memory`, for one workload) in a new process."""
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", library]
    command += ["--threads", str(threads), "--budget", str(budget), "--only", ",".join(names)]
    command += ["--memory"] * memory
    environment = os.environ | common.thread_environment(threads)
    result = subprocess.run(
        command + ["--tiny"] * tiny, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SystemExit(f"compare: {library} with {threads} threads failed:\n{result.stderr}")
    measured: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return measured


def processor() -> dict[str, str]:
    """What Linux says about the first processor; the name alone is often vague on virtual machines."""
    found: dict[str, str] = {}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("vendor_id", "cpu family", "model", "model name", "stepping", "cache size"):
            found[key.strip()] = value.strip()
    return found


def commit() -> str | None:
    """The commit that is measured, with a plus sign if files differ from it; None outside of a clone."""
    root = Path(__file__).resolve().parents[1]
    answers = []
    for command in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]):
        try:
            done = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        answers.append(done.stdout.strip())
    return answers[0] + "+" * bool(answers[1])


def simd_levels(libraries: Iterable[str]) -> dict[str, str]:
    """The instruction set that each library uses, where it says so."""
    levels = {}
    if "verigrad" in libraries:
        levels["verigrad"] = common.load("verigrad")._C._testing.simd_level()
    if "torch" in libraries:
        levels["torch"] = common.load("torch").backends.cpu.get_cpu_capability().lower()
    return levels


def rotated(libraries: list[str], turn: int) -> list[str]:
    """Another library begins in each round: what comes first may meet a cooler or busier machine."""
    turn %= max(len(libraries), 1)
    return libraries[turn:] + libraries[:turn]


def installed(libraries: list[str]) -> dict[str, str]:
    versions = {}
    for library in libraries:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            print(f"{library} is not installed: left out", file=sys.stderr)
    return versions


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds of all libraries. Returns what `--json` writes."""
    names = options.only.split(",") if options.only else list(WORKLOADS)
    versions = installed(options.libraries.split(","))
    samples: dict[tuple[str, int, str], list[float]] = {}
    for number in range(options.rounds):
        for threads in sorted({count for name in names for count in WORKLOADS[name][1]}):
            for library in rotated(list(versions), number):
                print(f"round {number + 1}: {library}, {threads} threads", file=sys.stderr)
                found = start_worker(library, threads, names, options.budget, options.tiny)
                for name, seconds in found.items():
                    samples.setdefault((name, threads, library), []).append(seconds)
        if not options.only:
            for library in rotated(list(versions), number):
                times = [common.measure_import(library)[0] for _ in range(3)]
                samples.setdefault(("import", 1, library), []).append(min(times))

    rows = []
    for name in [*names, *([] if options.only else ["import"])]:
        title, counts = ("import", (1,)) if name == "import" else WORKLOADS[name][:2]
        for threads in counts:
            found = {
                library: samples[name, threads, library]
                for library in versions
                if (name, threads, library) in samples
            }
            row: dict[str, Any] = {"name": name, "title": title, "threads": threads}
            row["seconds"] = {library: statistics.median(times) for library, times in found.items()}
            row["spread"] = {library: spread(times) for library, times in found.items()}
            if name in CONVOLUTIONS:
                row["peak_memory"] = {
                    library: start_worker(library, threads, [name], options.budget, options.tiny, True)[name]
                    for library in found
                }
            rows.append(row)
    return {
        "date": date.today().isoformat(),
        "commit": commit(),
        "cpu": processor().get("model name") or platform.processor() or platform.machine(),
        "cpu_model": processor(),
        "cpus": os.cpu_count(),
        "simd": simd_levels(versions),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "rounds": options.rounds,
        "order": "rotating",
        "rows": rows,
    }


def spread(times: list[float]) -> float:
    """Largest less smallest, as a share of the median."""
    return (max(times) - min(times)) / statistics.median(times)


def show_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return (
                f"{seconds * factor:.3g} {unit}"
                if seconds * factor < 1000
                else f"{seconds * factor:.0f} {unit}"
            )
    return f"{seconds * 1e9:.0f} ns"


def _lines(results: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """The lines of one table."""
    libraries = [one for one in results["versions"] if any(one in row["seconds"] for row in rows)]
    peers = [library for library in libraries if library != "verigrad"]
    spreads = any("spread" in row for row in rows)
    memory = [one for one in libraries if any(one in row.get("peak_memory", {}) for row in rows)]
    head = ["", "threads", *libraries, *(f"{peer} / verigrad" for peer in peers)]
    head += ["spread"] * spreads + [f"memory, {library}" for library in memory]
    lines = ["| " + " | ".join(head) + " |", "| :-- |" + " --: |" * (len(head) - 1)]
    for row in rows:
        seconds = row["seconds"]
        cells = [row["title"], str(row["threads"]), *(show_time(seconds.get(one)) for one in libraries)]
        for peer in peers:
            both = peer in seconds and "verigrad" in seconds
            cells.append(f"{seconds[peer] / seconds['verigrad']:.2f}" if both else "")
        if spreads:
            cells.append(f"{100 * max(row['spread'].values()):.0f} %" if row.get("spread") else "")
        used = row.get("peak_memory", {})
        cells += [f"{used[one] / 2**20:.0f} MiB" if one in used else "" for one in memory]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def shortened(results: dict[str, Any]) -> dict[str, Any]:
    """The same with the headlines alone."""
    return {**results, "rows": [row for row in results["rows"] if row["name"] in HEADLINES]}


def table(results: dict[str, Any]) -> str:
    """The results as Markdown tables, those of `TABLES` apart, with what is needed to judge them."""
    parts = []
    grouped = {name for names in TABLES.values() for name in names}
    first = tuple(row["name"] for row in results["rows"] if row["name"] not in grouped)
    for title, names in {"": first, **TABLES}.items():
        rows = [row for row in results["rows"] if row["name"] in names]
        if rows:
            parts.append("\n".join([title, ""] * bool(title) + _lines(results, rows)))
    versions = ", ".join(f"{library} {version}" for library, version in results["versions"].items())
    levels = ", ".join(f"{library} {level}" for library, level in results.get("simd", {}).items())
    note = (
        f"Median of {results['rounds']} rounds, {results.get('order', 'alternating')} processes. "
        f"{results['cpu']}, {results['cpus']} CPUs, {f'vector code: {levels}, ' if levels else ''}"
        f"{results['system']}, Python {results['python']}, {versions}, "
        f"{'commit ' + results['commit'] + ', ' if results.get('commit') else ''}{results['date']}. "
        "A ratio above 1 means that verigrad is faster."
    )
    if any(row.get("spread") for row in results["rows"]):
        note += " Spread: largest less smallest round over the median, of the library where it is widest."
    if any(row.get("peak_memory") for row in results["rows"]):
        note += " Memory: the peak of a process in three such steps."
    return "\n\n".join([*parts, note])


def update(path: Path, text: str) -> None:
    """Replace what stands between the two markers of a document."""
    document = path.read_text(encoding="utf-8")
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"compare: no {BEGIN} ... {END} in {path}")
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Side-by-side table of verigrad and its peers.")
    parser.add_argument("--rounds", type=int, default=5, help="processes per library (default: 5)")
    parser.add_argument(
        "--budget", type=float, default=0.5, help="seconds per workload and round (default: 0.5)"
    )
    parser.add_argument("--libraries", default=",".join(common.LIBRARIES), help="comma-separated")
    parser.add_argument("--only", default="", help=f"comma-separated, of {', '.join(WORKLOADS)}")
    parser.add_argument("--tiny", action="store_true", help="small inputs: a smoke test, not a measurement")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--from-json", type=Path, nargs="+", help="show earlier results instead of measuring")
    parser.add_argument("--update", type=Path, nargs="+", default=[], help="documents whose table to replace")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = sorted(set(filter(None, options.only.split(","))) - set(WORKLOADS))
    if unknown:
        parser.error(f"--only: expected names of {', '.join(WORKLOADS)}, got {', '.join(unknown)}")
    if options.rounds < 1 or options.budget <= 0:
        parser.error("expected --rounds of at least 1 and a positive --budget")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if options.tiny:
        common.use_sizes(common.TINY)
    if options.worker:
        names = options.only.split(",")
        if options.memory:
            found = peak_memory(options.worker, options.threads, names[0])
        else:
            found = run_worker(options.worker, options.threads, names, options.budget)
        print(json.dumps(found))
        return
    if options.from_json:
        measured = [json.loads(path.read_text(encoding="utf-8")) for path in options.from_json]
    else:
        measured = [measure(options)]
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(measured[0], indent=1) + "\n", encoding="utf-8")
    print("\n\n".join(map(table, measured)))
    for path in options.update:
        shown = [shortened(one) if path.name == "README.md" else one for one in measured]
        update(path, "\n\n".join(map(table, shown)))


if __name__ == "__main__":
    main()
