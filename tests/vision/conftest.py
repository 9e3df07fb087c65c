"""A small data set in MNIST's files, and a local web server in place of the mirrors."""

import contextlib
import gzip
import hashlib
import http.server
import threading

import numpy as np
import pytest

import verigrad
from verigrad.vision import datasets
from verigrad.vision._download import Resource
from verigrad.vision.idx import write_idx


class Small:
    """Files of 7 training and 3 test images, their content and resources."""

    def __init__(self, folder):
        self.folder = folder
        self.content = {}
        folder.mkdir()
        dice = np.random.default_rng(0)
        for split, count in (("train", 7), ("t10k", 3)):
            arrays = {
                f"{split}-images-idx3-ubyte": dice.integers(0, 256, (count, 28, 28), dtype=np.uint8),
                f"{split}-labels-idx1-ubyte": dice.integers(0, 10, count, dtype=np.uint8),
            }
            for name, array in arrays.items():
                write_idx(folder / name, verigrad.from_numpy(array))
                self.content[name] = (folder / name).read_bytes()

    @property
    def names(self):
        return tuple(self.content)

    @property
    def resources(self):
        return tuple(
            Resource(name, len(content), sha256=hashlib.sha256(content).hexdigest())
            for name, content in self.content.items()
        )

    def put(self, folder, names=None, zipped=False):
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.names if names is None else names:
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(self.content[name]))
            else:
                (folder / name).write_bytes(self.content[name])


@pytest.fixture
def small(tmp_path):
    return Small(tmp_path / "small")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test sees the user's cache, or a mirror of the real network."""
    monkeypatch.setenv("VERIGRAD_CACHE", str(tmp_path / "cache"))
    for cls in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
        monkeypatch.setattr(cls, "mirrors", ("http://127.0.0.1:9/",))
    for cls in (datasets.EMNIST, datasets.CIFAR10, datasets.CIFAR100):
        monkeypatch.setattr(cls, "url", f"http://127.0.0.1:9/{cls.url.rpartition('/')[2]}")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


class Server:
    """Serves ``answers``: path -> bytes, or a function of the request handler."""

    def __init__(self):
        self.answers = {}
        self.requests = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                server.requests.append(self.path)
                answer = server.answers.get(self.path)
                with contextlib.suppress(ConnectionError):
                    if answer is None:
                        self.send_error(404)
                    elif callable(answer):
                        answer(self)
                    else:
                        self.send_response(200)
                        self.send_header("Content-Length", str(len(answer)))
                        self.end_headers()
                        self.wfile.write(answer)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()
