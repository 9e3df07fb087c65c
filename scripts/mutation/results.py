"""The file of results: a line of JSON per mutant, the last line of a mutant counts."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Mutants that are no changes of the program are replaced and do not count.
DISCARDED = ("invalid", "same code")
STATUSES = (*DISCARDED, "equivalent", "killed", "survived")


@dataclass
class Result:
    """What became of a mutant.

    Attributes:
        id: the mutant.
        file: where it is.
        line: the line, from 1.
        scope: the function, constant or row.
        family: the family of the file.
        operator: the kind of the change.
        before: the lines before it.
        after: the lines after it.
        status: one of STATUSES.
        phase: what killed it: "verify" or "suite"; for a survivor the last phase that it survived.
        how: "failure", "crash" or "hang".
        by: the record or the test that killed it.
        text: the failure, or the reason of an equivalent.
        records: how many records it went through.
        seconds: by phase.
        commit: the commit of the sources.
        date: the day of the run.
    """

    id: str
    file: str
    line: int
    scope: str
    family: str
    operator: str
    before: str
    after: str
    status: str
    phase: str = ""
    how: str = ""
    by: str = ""
    text: str = ""
    records: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    commit: str = ""
    date: str = ""

    @property
    def counts(self) -> bool:
        """Whether it is one of the sampled mutants."""
        return self.status not in DISCARDED


class Results:
    """Results on file, in the order in which the mutants were first seen.

    Attributes:
        by_id: the last result of each mutant.
        first: its first one, before samples were written for what survived.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self.by_id: dict[str, Result] = {}
        self.first: dict[str, Result] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry: dict[str, Any] = json.loads(line)
                except ValueError:  # cut off when a run was stopped
                    continue
                self._take(Result(**entry))

    def _take(self, result: Result) -> None:
        self.by_id[result.id] = result
        self.first.setdefault(result.id, result)

    def add(self, result: Result) -> None:
        """Appends a result."""
        with self._lock:
            self._take(result)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
                file.flush()
                os.fsync(file.fileno())
