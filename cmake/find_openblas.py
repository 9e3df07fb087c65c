"""Print where scipy-openblas32 keeps its files, as one CMake list.

Items: the shared library, the import library (empty except on Windows), licence files.
"""

import importlib.metadata
from pathlib import Path

import scipy_openblas32

name = scipy_openblas32.get_library()
folder = Path(scipy_openblas32.get_lib_dir())
candidates = [folder / f"lib{name}{end}" for end in (".so", ".dylib")] + [folder / f"{name}.dll"]
found = [path for path in candidates if path.is_file()]
if not found:
    raise SystemExit(f"no shared library {name} in {folder}")
import_library = folder / f"{name}.lib"

licenses = []
for entry in importlib.metadata.files("scipy-openblas32") or []:
    if ".dist-info" in entry.parts[0] and "LICENSE" in entry.name.upper():
        licenses.append(Path(str(entry.locate())).resolve())

items = [found[0], import_library if import_library.is_file() else "", *licenses]
print(";".join(item.as_posix() if isinstance(item, Path) else item for item in items))
