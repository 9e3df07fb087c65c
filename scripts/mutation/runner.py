"""Runs mutants: builds them, asks the verifier, then the suite."""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from mutation import checks, reach
from mutation.operators import Mutant
from mutation.report import load_equivalents, reason_of
from mutation.results import Result, Results
from mutation.sampling import Sample, family
from mutation.targets import HOST, Target
from mutation.workspace import Tree, signature, tracked_files


@dataclass(frozen=True)
class Options:
    """What a run does.

    Attributes:
        seed: of the sample.
        count: how many mutants.
        jobs: how many at a time, each in a tree of its own.
        compilers: compilers at a time in each tree.
        suite: "none", "affected" or "whole": which tests the survivors of the verifier go through.
        verify: whether the verifier runs.
        minutes: when no further mutant is begun; None for no limit.
        flags: further arguments for CMake.
        pytest: further arguments for pytest.
        target: what is mutated.
    """

    seed: int = 1
    count: int = 400
    jobs: int = 1
    compilers: int = 2
    suite: str = "affected"
    verify: bool = True
    minutes: float | None = None
    flags: tuple[str, ...] = ()
    pytest: tuple[str, ...] = ()
    target: Target = HOST


def commit_of(root: Path) -> str:
    """The short name of the commit, with a mark where the sources differ from it."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def quotas(found: list[Mutant], seed: int, count: int) -> dict[str, int]:
    """How many mutants of each family are wanted."""
    sample = Sample(found, seed)
    return dict(Counter(sample.slot() for _ in islice(range(count), count)))


def replay(found: list[Mutant], seed: int, count: int, results: Results) -> Iterator[Result]:
    """The results of a sample, with those that were discarded on the way."""
    sample = Sample(found, seed)
    for name, quota in sorted(quotas(found, seed, count).items()):
        counted = 0
        while counted < quota:
            mutant = sample.draw(name)
            result = results.by_id.get(mutant.id) if mutant else None
            if mutant is None or result is None:
                break
            counted += result.counts
            if not result.counts:
                sample.give_back(mutant)
            yield result


class Session:
    """Trees, the map of reach and the results.

    Args:
        root: the checkout.
        work: the folder of the copies, outside of the checkout.
        results: where results go.
        options: what to do.
    """

    def __init__(self, root: Path, work: Path, results: Results, options: Options) -> None:
        self.root, self.results, self.options = root, results, options
        name = signature(root, tracked_files(root))
        for old in work.glob("*") if work.exists() else ():
            if old.name != name:  # another state of the sources
                shutil.rmtree(old)
        self.folder = work / name
        self.cache = self.folder / "cache"
        self.cache.mkdir(parents=True, exist_ok=True)
        self.commit = commit_of(root)
        self.equivalents = load_equivalents()
        self.started = time.monotonic()
        self._kills: dict[str, Counter[str]] = {}  # by file: what killed its mutants so far
        for result in results.by_id.values():
            if result.phase == "verify" and result.by:
                self._kills.setdefault(result.file, Counter())[result.by] += 1
        self._sound: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._done = 0

    def prepare(self) -> None:
        """Builds what the mutants are compared with."""
        self.trees = []
        target = self.options.target
        for i in range(self.options.jobs):
            tree = Tree(
                self.root, self.folder / f"{target.device}{i}", list(self.options.flags),
                self.options.compilers, target=target,
            )  # fmt: skip
            print(f"mutate: tree {i} built in {tree.prepare():.0f} s", flush=True)
            self.trees.append(tree)
        path = self.folder / f"reach-{target.device}.json"
        if not path.exists():
            traced = Tree(
                self.root, self.folder / f"traced-{target.device}", reach.FLAGS, self.options.compilers, True,
                target,
            )  # fmt: skip
            traced.copy()
            print("mutate: which record reaches which line is not known yet; tracing all of them", flush=True)
            reach.make(traced, self.trees[0].original, self.cache).save(path)
        self.reach = reach.Reach.load(path)
        if self.reach.failed:
            print(
                f"mutate: these records fail without a mutant and are left out: {self.reach.failed}",
                flush=True,
            )

    def out_of_time(self) -> bool:
        """Whether no further mutant is begun."""
        minutes = self.options.minutes
        return minutes is not None and time.monotonic() - self.started > 60.0 * minutes

    def run_sample(self, found: list[Mutant]) -> None:
        """Runs what the sample still lacks. A family is worked on by one worker at a time, so that the choice
        does not depend on which of them is quicker."""
        sample = Sample(found, self.options.seed)
        tasks = sorted(quotas(found, self.options.seed, self.options.count).items())
        # One mutant of each family at a time, so that a run that is stopped has seen all of them.
        turns: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        for task in tasks:
            turns.put(task)

        def work(tree: Tree) -> None:
            while not self.out_of_time():
                try:
                    name, quota = turns.get_nowait()
                except queue.Empty:
                    return
                if self._advance(tree, sample, name) and quota > 1:
                    turns.put((name, quota - 1))

        self._everywhere(work)

    def _advance(self, tree: Tree, sample: Sample, name: str) -> bool:
        """Runs the next mutant of a family that counts; False if there is none."""
        while not self.out_of_time():
            mutant = sample.draw(name)
            if mutant is None:
                return False
            result = self.results.by_id.get(mutant.id)
            if result is None or (result.status == "survived" and self._more_to_do(result)):
                result = self.run(tree, mutant)
            if result.counts:
                return True
            sample.give_back(mutant)
        return False

    def _more_to_do(self, result: Result) -> bool:
        return reason_of(result, self.equivalents) is not None or (
            result.phase == "verify" and self.options.suite != "none"
        )

    def run_these(self, found: list[Mutant]) -> None:
        """Runs the given mutants again."""
        waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        for mutant in found:
            waiting.put(mutant)

        def work(tree: Tree) -> None:
            while not self.out_of_time():
                try:
                    self.run(tree, waiting.get_nowait())
                except queue.Empty:
                    return

        self._everywhere(work)

    def _everywhere(self, work: Callable[[Tree], None]) -> None:
        with ThreadPoolExecutor(self.options.jobs) as pool:
            for future in [pool.submit(work, tree) for tree in self.trees]:
                future.result()

    def run(self, tree: Tree, mutant: Mutant) -> Result:
        """Builds and judges one mutant."""
        result = Result(
            mutant.id, mutant.file, mutant.line, mutant.scope, family(mutant.file), mutant.operator,
            mutant.before, mutant.after, "survived", commit=self.commit, date=time.strftime("%Y-%m-%d"),
        )  # fmt: skip
        reason = reason_of(mutant, self.equivalents)
        if reason is not None:
            result.status, result.text = "equivalent", reason
        else:
            build = tree.build(mutant)
            result.seconds["build"] = round(build.seconds, 2)
            if build.kind != "changed":
                result.status, result.text = build.kind, build.text[-300:]
            else:
                self._judge(tree, mutant, result)
        self.results.add(result)
        self._tell(result)
        return result

    def _judge(self, tree: Tree, mutant: Mutant, result: Result) -> None:
        if self.options.verify:
            with self._lock:
                kills = dict(self._kills.get(mutant.file, {}))
            names = self.reach.order(mutant, kills)
            usual = max((self.reach.seconds.get(name, 0.0) for name in names), default=0.0)
            verdict = self._verify(tree, names, max(120.0, 10.0 * usual))
            result.seconds["verify"], result.records = verdict.seconds, len(verdict.times) + verdict.killed
            self._note(result, verdict, "verify")
            if verdict.killed:
                with self._lock:
                    self._kills.setdefault(mutant.file, Counter())[verdict.by] += 1
                return
        if self.options.suite != "none":
            build = tree.build_all(mutant)
            result.seconds["build"] = round(result.seconds["build"] + build.seconds, 2)
            target = self.options.target
            parts = [checks.affected_tests(tree.source, result.family, target)]
            if self.options.suite == "whole":
                parts.append(checks.other_tests(tree.source, result.family, target))
            runs = [partial(self._suite, tree, tests) for tests in parts if tests]
            if tree.program is not None:
                runs.insert(0, partial(checks.program, tree.program, self.cache))
            for run in runs:
                verdict = run()
                result.seconds["suite"] = round(result.seconds.get("suite", 0.0) + verdict.seconds, 2)
                self._note(result, verdict, "suite")
                if verdict.killed:
                    return

    def _verify(self, tree: Tree, names: list[str], limit: float) -> checks.Verdict:
        """Runs records; one that fails without the mutant as well is left out."""
        times: dict[str, float] = {}
        seconds = 0.0
        while True:
            verdict, _ = checks.verify(tree.package, self.cache, names, limit, target=tree.target)
            times |= verdict.times
            seconds += verdict.seconds
            if verdict.killed and not self._is_sound(tree, verdict.by, limit):
                names = [name for name in names if name not in times and name != verdict.by]
                continue
            verdict.times, verdict.seconds = times, round(seconds, 2)
            return verdict

    def _is_sound(self, tree: Tree, record: str, limit: float) -> bool:
        """Whether a record passes without a mutant in that tree; asked once."""
        key = f"{tree.folder} {record}"
        if key not in self._sound and record in self.reach.records:
            control, _ = checks.verify(tree.original, self.cache, [record], limit, target=tree.target)
            self._sound[key] = not control.killed
            if control.killed:
                print(
                    f"mutate: {record} fails without a mutant and does not count: {control.text}", flush=True
                )
        return self._sound.get(key, True)

    def _suite(self, tree: Tree, tests: list[str]) -> checks.Verdict:
        """Runs tests; one that fails without the mutant as well is left out."""
        more = list(self.options.pytest)
        while True:
            with self._lock:
                unsound = [test for test, good in self._sound.items() if "::" in test and not good]
            left_out = [f"--deselect={test}" for test in unsound]
            verdict = checks.suite(tree.package, self.cache, tree.source, tests, [*left_out, *more])
            if not verdict.killed or "::" not in verdict.by or self._sound.get(verdict.by):
                return verdict
            control = checks.suite(tree.original, self.cache, tree.source, [verdict.by], more)
            with self._lock:
                self._sound[verdict.by] = not control.killed
            if not control.killed:
                return verdict
            print(f"mutate: {verdict.by} fails without a mutant and is left out", flush=True)

    @staticmethod
    def _note(result: Result, verdict: checks.Verdict, phase: str) -> None:
        result.status = "killed" if verdict.killed else "survived"
        result.phase, result.how, result.by, result.text = phase, verdict.how, verdict.by, verdict.text

    def _tell(self, result: Result) -> None:
        with self._lock:
            self._done += result.counts
            seconds = " ".join(f"{phase} {value:.0f} s" for phase, value in result.seconds.items())
            by = f" by {result.phase} ({result.how} in {result.by})" if result.status == "killed" else ""
            where = f"{result.file}:{result.line}"
            print(
                f"{self._done:4d} {result.id} {where} {result.operator}: {result.status}{by}; {seconds}",
                flush=True,
            )
