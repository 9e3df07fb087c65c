"""Downloads, from a server on this machine: the right content or a clear error, and nothing half-written."""

import gzip
import hashlib
import io
import os
import tarfile
import time
import zipfile

import pytest

from verigrad.vision import _download, datasets
from verigrad.vision._download import Resource, download

DEAD = "http://127.0.0.1:9/"  # nothing listens on the discard port


@pytest.fixture
def served(server, small, monkeypatch):
    """A server that has the small data set, as MNIST's first mirror."""
    monkeypatch.setattr(datasets.MNIST, "resources", small.resources)
    monkeypatch.setattr(datasets.MNIST, "mirrors", (server.address,))
    for name, content in small.content.items():
        server.answers[f"/{name}.gz"] = gzip.compress(content)
    return server


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_into_the_given_folder(served, small, tmp_path, capsys):
    root = tmp_path / "root"
    dataset = datasets.MNIST(root, train=False, download=True)
    assert len(dataset) == 3
    raw = root / "MNIST" / "raw"
    assert sorted(os.listdir(raw)) == ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    assert all((raw / name).read_bytes() == small.content[name] for name in os.listdir(raw))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["downloading http"] * 2
    served.requests.clear()
    datasets.MNIST(root, train=False, download=True)  # already there
    assert served.requests == []


def test_into_the_cache(served, cache):
    datasets.MNIST(download=True)
    assert everything_below(cache) == [
        os.path.join("MNIST", "raw", "train-images-idx3-ubyte"),
        os.path.join("MNIST", "raw", "train-labels-idx1-ubyte"),
    ]
    assert len(datasets.MNIST()) == 7


def test_without_download_nothing_is_asked_for(served, tmp_path):
    with pytest.raises(RuntimeError, match="download=True"):
        datasets.MNIST(tmp_path)
    assert served.requests == []


def refused(tmp_path, message):
    root = tmp_path / "root"
    with pytest.raises(RuntimeError, match=f"Error downloading .*{message}"):
        datasets.MNIST(root, download=True)
    assert everything_below(root) == []


IMAGES = "/train-images-idx3-ubyte.gz"


def test_the_wrong_content(served, small, tmp_path):
    content = bytearray(small.content["train-images-idx3-ubyte"])
    content[100] ^= 1
    served.answers[IMAGES] = gzip.compress(bytes(content))
    refused(tmp_path, "expected content with SHA-256")


def test_shorter_and_longer_content(served, small, tmp_path):
    content = small.content["train-images-idx3-ubyte"]
    served.answers[IMAGES] = gzip.compress(content[:-1])
    refused(tmp_path, f"expected {len(content)} bytes of content, got {len(content) - 1}")
    served.answers[IMAGES] = gzip.compress(content + b"\0")
    refused(tmp_path, "got more")
    served.answers[IMAGES] = gzip.compress(content[:100] + bytes(10**6))  # a bomb
    refused(tmp_path, "got more")


def test_a_truncated_gzip(served, tmp_path):
    served.answers[IMAGES] = served.answers[IMAGES][:-10]
    refused(tmp_path, "Compressed file ended")


def test_a_page_instead_of_a_file(served, tmp_path):
    served.answers[IMAGES] = b"<html>please log in</html>"
    refused(tmp_path, "Not a gzipped file")


def test_a_connection_that_is_cut(served, small, tmp_path):
    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"\x1f\x8b" + bytes(98))

    served.answers[IMAGES] = cut
    refused(tmp_path, "")


def test_an_endless_answer(served, tmp_path):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(1 << 16))

    served.answers[IMAGES] = endless
    refused(tmp_path, "expected at most .* bytes, got more")

    def announced(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**15))
        handler.end_headers()

    served.answers[IMAGES] = announced
    refused(tmp_path, "expected at most .* bytes, got 1000000000000000")


def test_a_server_that_says_nothing(served, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "_TIMEOUT", 0.2)
    served.answers[IMAGES] = lambda handler: time.sleep(0.6)
    refused(tmp_path, "timed out")


def test_errors_of_the_server(served, tmp_path):
    del served.answers[IMAGES]
    refused(tmp_path, "404")
    served.answers[IMAGES] = lambda handler: handler.send_error(503)
    refused(tmp_path, "503")


def test_the_second_mirror_is_asked_when_the_first_is_down_or_wrong(served, small, tmp_path, monkeypatch):
    served.answers["/bad" + IMAGES] = gzip.compress(b"something else")
    monkeypatch.setattr(datasets.MNIST, "mirrors", (DEAD, f"{served.address}bad/", served.address))
    assert len(datasets.MNIST(tmp_path / "root", download=True)) == 7
    assert served.requests[:2] == ["/bad" + IMAGES, IMAGES]


def test_no_network(tmp_path, monkeypatch, small):
    monkeypatch.setattr(datasets.MNIST, "mirrors", (DEAD, "http://127.0.0.1:10/"))
    root = tmp_path / "root"
    with pytest.raises(RuntimeError, match="Error downloading") as caught:
        datasets.MNIST(root, download=True)
    message = str(caught.value)
    assert message.count("refused") == 2
    assert "Without a network, put train-images-idx3-ubyte" in message
    assert everything_below(root) == []


def test_the_md5_of_the_publisher(server, small, tmp_path):
    name = "t10k-labels-idx1-ubyte"
    zipped = gzip.compress(small.content[name])
    server.answers[f"/{name}.gz"] = zipped
    good = Resource(name, len(small.content[name]), md5=hashlib.md5(zipped).hexdigest())
    assert download(good, [server.address], tmp_path / "d").read_bytes() == small.content[name]
    bad = good._replace(md5="0" * 32)
    with pytest.raises(RuntimeError, match="expected a file with MD5"):
        download(bad, [server.address], tmp_path / "e")
    assert everything_below(tmp_path / "e") == []


def test_only_the_web(tmp_path, small):
    source = small.folder.as_uri() + "/"
    with pytest.raises(RuntimeError, match="expected an http or https address"):
        download(small.resources[0], [source], tmp_path / "d")


def test_a_folder_that_cannot_be_written(served, tmp_path, monkeypatch):
    # Simulated: the superuser, who runs tests in containers, may write anywhere.
    original = os.open

    def denied(path, flags, *arguments, **options):
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(PermissionError):
        datasets.MNIST(tmp_path / "root", download=True)
    assert everything_below(tmp_path / "root") == []


def test_a_file_where_the_folder_should_be(served, tmp_path):
    (tmp_path / "root").write_text("")
    with pytest.raises(OSError):
        datasets.MNIST(tmp_path / "root", download=True)


def test_a_bar_on_a_terminal(served, tmp_path, monkeypatch):
    pytest.importorskip("tqdm")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    datasets.MNIST(tmp_path / "root", download=True)
    assert "train-images-idx3-ubyte.gz" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


# Archives


def archive_of(members, kind):
    content = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(content, "w") as archive:
            for name, body in members.items():
                archive.writestr(name, body)
    else:
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name, body in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
    return content.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives(server, tmp_path, kind):
    content = archive_of({"in/a": b"A" * 1000, "in/b": b"B", "../evil": b"E"}, kind)
    server.answers[f"/x.{kind}"] = content
    address, digest = f"{server.address}x.{kind}", hashlib.md5(content).hexdigest()
    paths = _download.download_archive(address, digest, {"in/a": "a", "in/b": "c"}, tmp_path / "d")
    assert [path.read_bytes() for path in paths] == [b"A" * 1000, b"B"]
    assert everything_below(tmp_path) == ["d/a", "d/c"]

    def refused(message, digest=digest, members=("in/a",)):
        with pytest.raises(RuntimeError, match=f"(?s)Error downloading {address}: .*{message}"):
            _download.download_archive(address, digest, dict.fromkeys(members, "a"), tmp_path / "e")
        assert everything_below(tmp_path / "e") == []

    refused("expected a file with MD5 000", "0" * 32)
    refused("in/z.*Without a network, put a into", members=["in/z"])
    server.answers[f"/x.{kind}"] = content[: len(content) // 2]
    refused("", hashlib.md5(content[: len(content) // 2]).hexdigest())

    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:50])

    server.answers[f"/x.{kind}"] = cut
    refused("the connection was cut")
    del server.answers[f"/x.{kind}"]
    refused("404")


def test_archives_that_are_too_large(server, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "_LARGEST", 100)
    server.answers["/x.zip"] = bytes(101)
    with pytest.raises(RuntimeError, match="expected at most 100 bytes, got 101"):
        _download.download_archive(f"{server.address}x.zip", "", {}, tmp_path)
    server.answers["/x.zip"] = lambda handler: (
        handler.send_response(200), handler.end_headers(), handler.wfile.write(bytes(300))
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="expected at most 100 bytes, got more"):
        _download.download_archive(f"{server.address}x.zip", "", {}, tmp_path)
    with pytest.raises(RuntimeError, match="refused"):
        _download.download_archive(f"{DEAD}x.zip", "", {}, tmp_path)


def test_emnist_is_fetched_from_its_archive(server, small, tmp_path, monkeypatch):
    names = ("images-idx3-ubyte", "labels-idx1-ubyte")
    members = {
        f"gzip/emnist-digits-test-{name}.gz": gzip.compress(small.content[f"t10k-{name}"]) for name in names
    }
    content = archive_of(members, "zip")
    server.answers["/gzip.zip"] = content
    monkeypatch.setattr(datasets.EMNIST, "url", f"{server.address}gzip.zip")
    monkeypatch.setattr(datasets.EMNIST, "md5", hashlib.md5(content).hexdigest())
    dataset = datasets.EMNIST(tmp_path, "digits", train=False, download=True)
    assert len(dataset) == 3
    assert everything_below(tmp_path / "EMNIST") == [f"raw/emnist-digits-test-{name}.gz" for name in names]
    server.requests.clear()
    datasets.EMNIST(tmp_path, "digits", train=False, download=True)
    assert server.requests == []
