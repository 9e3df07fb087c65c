"""Runs records of the verifier against the library that PYTHONPATH finds; in a process of its own, since a
mutant may crash or hang.

Standard input: {"records": [names] or null, "limit": seconds, "device": name, "quick": bool,
"trace": folder or null, "library": file}. Standard output: a line of JSON for the start and the end of each
record. This file alone knows the verifier's interface.
"""

from __future__ import annotations

import faulthandler
import functools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numba

# The references are compiled once for all mutants; NUMBA_CACHE_DIR says where they are kept.
numba.njit = functools.partial(numba.njit, cache=True)  # type: ignore[assignment]


def tell(**what: Any) -> None:
    print(json.dumps(what), file=OUT, flush=True)


class Trace:
    """The table of places in a library that was built with scripts/mutation/trace.cpp."""

    def __init__(self, file: str) -> None:
        import ctypes

        import numpy as np

        import verigrad

        library = ctypes.CDLL(str(Path(verigrad.__file__).parent / file))
        table = (ctypes.c_ubyte * (1 << 26)).in_dll(library, "verigrad_trace")
        self.table = np.ctypeslib.as_array(table)

    def clear(self) -> None:
        self.table[:] = 0

    def save(self, path: Path) -> None:
        import numpy as np

        np.save(path, np.flatnonzero(self.table).astype(np.uint32))


def run_record(name: str, device: str, quick: bool) -> str:
    """Verifies one record and answers its first failure, an empty text for none."""
    from verigrad.testing.library import Library
    from verigrad.testing.opspec import records
    from verigrad.testing.verify import thinned, verify_record

    with Library("verigrad", device).as_default() as lib:
        spec = records()[name]
        result = verify_record(spec, lib, 1, thinned(spec) if quick else None)
    return f"{result.failures[0].kind}: {result.failures[0].message}"[:600] if result.failures else ""


def main() -> None:
    asked = json.load(sys.stdin)
    from verigrad.testing.opspec import records_on

    device = asked["device"]
    trace = Trace(asked["library"]) if asked["trace"] else None
    known = {name: spec.family for name, spec in records_on(device).items()}
    tell(known=known)
    names = list(known) if asked["records"] is None else asked["records"]
    for name in names:
        tell(start=name)
        if trace is not None:
            trace.clear()
        started = time.monotonic()
        faulthandler.dump_traceback_later(asked["limit"], exit=True)  # also where a kernel never comes back
        failure = run_record(name, device, asked["quick"])
        faulthandler.cancel_dump_traceback_later()
        tell(end=name, failure=failure, seconds=round(time.monotonic() - started, 3))
        if trace is not None:
            trace.save(Path(asked["trace"]) / f"{name}.npy")
        elif failure:
            break
    tell(done=True)


if __name__ == "__main__":
    OUT = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a check prints does not belong to the protocol
    main()
    OUT.close()
    os._exit(0)
