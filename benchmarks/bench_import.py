"""What a user pays before the first line of work: import time, memory, and size on disk."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from . import common


class Import:
    """A new process that only imports the library."""

    params = common.LIBRARIES
    param_names = ["library"]
    timeout = 120

    def setup(self, library: str) -> None:
        common.require(library)

    def track_import_ms(self, library: str) -> float:
        """Least of several runs, with files in the page cache."""
        return 1e3 * min(common.measure_import(library)[0] for _ in range(1 + common.sizes.import_rounds))

    def track_import_peak_memory(self, library: str) -> int:
        return common.measure_import(library)[1]

    track_import_ms.unit = "ms"  # type: ignore[attr-defined]
    track_import_peak_memory.unit = "bytes"  # type: ignore[attr-defined]


class Size:
    """Bytes of the installed package."""

    timeout = 120

    def setup(self) -> None:
        folders = [Path(folder) for folder in common.load("verigrad").__path__]
        self.files = sorted(
            file
            for folder in folders
            for file in folder.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        )

    def track_installed_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files)

    def track_native_bytes(self) -> int:
        """Our own libraries, without OpenBLAS."""
        own = ("_C.", "libverigrad")
        return sum(
            file.stat().st_size for file in self.files if file.name.startswith(own) and ".so" in file.name
        )

    def track_zipped_bytes(self) -> int:
        """The installed files compressed as in a wheel."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in self.files:
                archive.write(file)
        return buffer.tell()

    track_installed_bytes.unit = "bytes"  # type: ignore[attr-defined]
    track_native_bytes.unit = "bytes"  # type: ignore[attr-defined]
    track_zipped_bytes.unit = "bytes"  # type: ignore[attr-defined]
