"""atomic_write: the new file or the old one, and nothing left behind."""

import errno
import os
import stat
import threading
import time

import pytest

from verigrad.utils import _files
from verigrad.utils._cache import cache_dir
from verigrad.utils._extras import require
from verigrad.utils._files import atomic_write


def leftovers(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".verigrad-tmp"))


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "f"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
        assert len(leftovers(tmp_path)) == 1
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("place", ["mkdir", "fsync", "replace"])
def test_errors_of_the_system_name_the_file_that_was_asked_for(tmp_path, monkeypatch, place):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def refuse(first, *rest, **options):
        name = None if place == "fsync" else first
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

    with monkeypatch.context() as patch:
        patch.setattr(os, place, refuse)
        with pytest.raises(OSError, match="Read-only file system") as caught, atomic_write(path) as file:
            file.write(b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_other_errors_are_as_they_were(tmp_path):
    for error in (
        ConnectionResetError(104, "reset"),
        FileNotFoundError(2, "none", "elsewhere"),
        OSError("text"),
    ):
        with pytest.raises(OSError) as caught, atomic_write(tmp_path / "f"):
            raise error
        assert caught.value is error


def test_file_and_folder_reach_the_disk(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace

    def noted(descriptor):
        kind = os.fstat(descriptor).st_mode
        steps.append("folder" if stat.S_ISDIR(kind) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("rename"), replace(*names)))
    with atomic_write(tmp_path / "f") as file:
        file.write(b"new")
    assert steps == ["file", "rename", "folder"]


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_writer_may_replace_the_temporary_file(tmp_path):
    umask = os.umask(0o027)
    try:
        with _files.atomic_path(tmp_path / "f") as path:
            assert os.path.getsize(path) == 0
            with open(f"{path}.other", "wb") as file:
                file.write(b"new")
            os.chmod(f"{path}.other", 0o600)
            os.replace(f"{path}.other", path)
            assert not (tmp_path / "f").exists()
    finally:
        os.umask(umask)
    assert (tmp_path / "f").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_devices_and_pipes_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular file"), atomic_write(tmp_path / "pipe"):
        pass
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_long_names(tmp_path):
    name = "\u00e9" * 125 + ".bin"  # 254 bytes in UTF-8
    with atomic_write(tmp_path / name) as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == [name]


def test_stale_folders_of_the_same_target_are_removed(tmp_path):
    prefix, host = _files._prefix("f"), _files._host()
    dead = f"{prefix}{host}-{2**22 + 1}-abc.verigrad-tmp"  # beyond Linux's largest process id
    crashed_here = f"{prefix}{host}-{os.getpid()}-abc.verigrad-tmp"  # ours, and not being written
    alive = f"{prefix}{host}-{os.getppid()}-abc.verigrad-tmp"
    foreign = f"{prefix}ffffffff-1-abc.verigrad-tmp"
    foreign_old = f"{prefix}ffffffff-2-abc.verigrad-tmp"
    other_target = f"{_files._prefix('g')}{host}-{2**22 + 1}-abc.verigrad-tmp"
    for name in (dead, crashed_here, alive, foreign, foreign_old, other_target):
        (tmp_path / name).mkdir()
        (tmp_path / name / "new").write_bytes(b"half")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(tmp_path / foreign_old, (two_days_ago, two_days_ago))
    with atomic_write(tmp_path / "f") as file:
        file.write(b"x")
    assert sorted(os.listdir(tmp_path)) == sorted([alive, foreign, other_target, "f"])


def test_threads_do_not_remove_each_others_files(tmp_path):
    errors = []

    def write(number):
        try:
            for _ in range(20):
                with atomic_write(tmp_path / "f") as file:
                    file.write(b"%d" % number * 1000)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert os.listdir(tmp_path) == ["f"]
    assert len(set((tmp_path / "f").read_bytes())) == 1


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VERIGRAD_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("VERIGRAD_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(_cache_module().sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "verigrad"
    for ignored in ("relative/path", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_dir() == tmp_path / ".cache" / "verigrad"
    monkeypatch.setattr(_cache_module().sys, "platform", "darwin")
    assert cache_dir() == tmp_path / "Library" / "Caches" / "verigrad"
    monkeypatch.setattr(_cache_module().sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_dir() == tmp_path / "local" / "verigrad"


def _cache_module():
    from verigrad.utils import _cache

    return _cache


def test_a_missing_extra_is_named():
    assert require("json", "json", "train", "x").loads("1") == 1
    with pytest.raises(ImportError, match=r'thing: expected NoSuch .* pip install "verigrad\[train\]"'):
        require("no_such_module_at_all", "NoSuch", "train", "thing")
