"""The process that runs programs: ``python -m tests.fuzz.worker TARGET FIRST COUNT STATE MEMORY``, or
``--program FILE MEMORY`` for a single one.

The state is a file of three 64-bit numbers: the seed at work, the programs done, the calls done. A finding
that Python can tell is printed as one line of JSON on standard output; a crash leaves the seed in the file.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import resource
import struct
import sys
import tempfile
import warnings
from pathlib import Path

EXIT_FINDING = 77


def limit(mebibytes: int) -> None:
    """Bounds the memory; sanitizers reserve most of the address space and have their own limit."""
    if not os.environ.get("VERIGRAD_TEST_SANITIZER"):
        resource.setrlimit(resource.RLIMIT_AS, (mebibytes << 20, mebibytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(argv: list[str]) -> int:
    """Runs one program or a range of seeds."""
    warnings.simplefilter("ignore")
    faulthandler.enable()
    from tests.fuzz import programs, targets

    os.chdir(
        tempfile.mkdtemp(dir=os.environ.get("VERIGRAD_FUZZ_FOLDER"))
    )  # what a program writes lands there
    if argv[0] == "--program":
        limit(int(argv[2]))
        try:
            programs.run(json.loads(Path(argv[1]).read_text(encoding="utf-8")))
        except programs.Finding as found:
            print(json.dumps({"signature": str(found)}), flush=True)
            return EXIT_FINDING
        return 0
    target, first, count, state_path, memory = argv[0], int(argv[1]), int(argv[2]), argv[3], int(argv[4])
    make = targets.TARGETS[target]()
    limit(memory)
    with open(state_path, "r+b") as file, mmap.mmap(file.fileno(), 24) as state:
        calls = 0
        for done in range(count):
            seed = first + done
            struct.pack_into("<3q", state, 0, seed, done, calls)
            try:
                calls += programs.run(make(seed))
            except programs.Finding as found:
                print(json.dumps({"seed": seed, "signature": str(found)}), flush=True)
                struct.pack_into("<3q", state, 0, seed, done + 1, calls)
                return EXIT_FINDING
        struct.pack_into("<3q", state, 0, first + count, count, calls)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
