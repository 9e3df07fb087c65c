"""Side-by-side table of verigrad and its peers.

    python benchmarks/compare.py [--json FILE] [--update README.md docs/benchmarks.md]

Each library runs in a process of its own, with fixed threads. A round runs every library once, one after the
other, so that a slow period of the machine hits all of them; the table shows the median over the rounds.
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
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common

Factory = Callable[[str, int], common.Work]

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"

# Title, thread counts, factory. The import of a library is measured apart.
WORKLOADS: dict[str, tuple[str, tuple[int, ...], Factory]] = {
    "mlp_64": (
        "MLP 784-64-64-10 step, batch 64, SGD momentum",
        (1, 2),
        lambda library, threads: common.mlp_step(library, (784, 64, 64, 10), 64, threads=threads),
    ),
    "mlp_wide": (
        "MLP 784-1000-10 step, batch 64, SGD momentum",
        (1, 2),
        lambda library, threads: common.mlp_step(
            library, (784, common.sizes.wide_layer, 10), 64, threads=threads
        ),
    ),
    "mlp_tiny": (
        "MLP 10-32-32-2 step, batch 16, Adam",
        (1, 2),
        lambda library, threads: common.mlp_step(
            library, (10, 32, 32, 2), 16, optimizer="adam", threads=threads
        ),
    ),
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


def start_worker(library: str, threads: int, names: list[str], budget: float, tiny: bool) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", library]
    command += ["--threads", str(threads), "--budget", str(budget), "--only", ",".join(names)]
    environment = os.environ | common.thread_environment(threads)
    result = subprocess.run(
        command + ["--tiny"] * tiny, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SystemExit(f"compare: {library} with {threads} threads failed:\n{result.stderr}")
    measured: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return measured


def cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


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
            for library in versions:
                print(f"round {number + 1}: {library}, {threads} threads", file=sys.stderr)
                found = start_worker(library, threads, names, options.budget, options.tiny)
                for name, seconds in found.items():
                    samples.setdefault((name, threads, library), []).append(seconds)
        if not options.only:
            for library in versions:
                times = [common.measure_import(library)[0] for _ in range(3)]
                samples.setdefault(("import", 1, library), []).append(min(times))

    rows = []
    for name in [*names, *([] if options.only else ["import"])]:
        title, counts = ("import", (1,)) if name == "import" else WORKLOADS[name][:2]
        for threads in counts:
            medians = {
                library: statistics.median(samples[name, threads, library])
                for library in versions
                if (name, threads, library) in samples
            }
            rows.append({"name": name, "title": title, "threads": threads, "seconds": medians})
    return {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "rounds": options.rounds,
        "rows": rows,
    }


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


def table(results: dict[str, Any]) -> str:
    """The results as a Markdown table, with what is needed to judge them."""
    libraries = list(results["versions"])
    peers = [library for library in libraries if library != "verigrad"]
    head = ["", "threads", *libraries, *(f"{peer} / verigrad" for peer in peers)]
    lines = ["| " + " | ".join(head) + " |", "| :-- |" + " --: |" * (len(head) - 1)]
    for row in results["rows"]:
        seconds = row["seconds"]
        cells = [
            row["title"],
            str(row["threads"]),
            *(show_time(seconds.get(library)) for library in libraries),
        ]
        for peer in peers:
            both = peer in seconds and "verigrad" in seconds
            cells.append(f"{seconds[peer] / seconds['verigrad']:.2f}" if both else "")
        lines.append("| " + " | ".join(cells) + " |")
    versions = ", ".join(f"{library} {version}" for library, version in results["versions"].items())
    lines += [
        "",
        f"Median of {results['rounds']} rounds, alternating processes. {results['cpu']}, "
        f"{results['cpus']} CPUs, {results['system']}, Python {results['python']}, {versions}, "
        f"{results['date']}. "
        "A ratio above 1 means that verigrad is faster.",
    ]
    return "\n".join(lines)


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
    parser.add_argument("--from-json", type=Path, help="show earlier results instead of measuring")
    parser.add_argument("--update", type=Path, nargs="+", default=[], help="documents whose table to replace")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
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
        print(
            json.dumps(run_worker(options.worker, options.threads, options.only.split(","), options.budget))
        )
        return
    if options.from_json:
        results = json.loads(options.from_json.read_text(encoding="utf-8"))
    else:
        results = measure(options)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = table(results)
    print(text)
    for path in options.update:
        update(path, text)


if __name__ == "__main__":
    main()
