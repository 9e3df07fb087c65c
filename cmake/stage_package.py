"""Make a build tree importable: `PYTHONPATH=<build>/package python -c "import verigrad"`.

Arguments: the source folder, the package folder of the build tree, libraries to copy beside the module.
Python sources are links, so that an edit needs no new build.
"""

import shutil
import sys
import tomllib
from pathlib import Path

SITE = '''"""Let this build tree win over an editable install, whose import hook is asked before any path."""

import sys

sys.meta_path[:] = [
    finder
    for finder in sys.meta_path
    if not ("editable" in type(finder).__module__ and "verigrad" in type(finder).__module__)
]
'''


def main() -> None:
    source, package = Path(sys.argv[1]), Path(sys.argv[2])
    package.mkdir(parents=True, exist_ok=True)
    entries = (source / "python" / "verigrad").iterdir()
    wanted = {path.name: path for path in entries if path.name != "__pycache__"}
    for link in package.iterdir():
        if link.is_symlink() and link.name not in wanted:
            link.unlink()
    for name, path in wanted.items():
        link = package / name
        if not link.is_symlink():
            link.symlink_to(path, target_is_directory=path.is_dir())
    for library in map(Path, sys.argv[3:]):
        copy = package / library.name
        if not copy.exists() or copy.stat().st_mtime < library.stat().st_mtime:
            shutil.copy2(library, copy)

    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = package.parent / f"verigrad-{project['version']}.dist-info"
    metadata.mkdir(exist_ok=True)
    lines = ["Metadata-Version: 2.1", "Name: verigrad", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in project["dependencies"]]
    (metadata / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (package.parent / "sitecustomize.py").write_text(SITE, encoding="utf-8")


if __name__ == "__main__":
    main()
