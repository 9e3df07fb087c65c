"""SummaryWriter: what it writes is what was given, and what PyTorch's writes."""

import io
import math
import sys

import numpy as np
import pytest

import verigrad as vg

loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
tensorboard = pytest.importorskip("verigrad.utils.tensorboard")
SummaryWriter = tensorboard.SummaryWriter


def events(folder):
    """All events of a folder's files, in the order of their writing."""
    files = sorted(path for path in folder.iterdir() if "tfevents" in path.name)
    return [event for path in files for event in loader.LegacyEventFileLoader(str(path)).Load()]


def values(folder):
    return [(event.step, value) for event in events(folder) for value in event.summary.value]


def test_scalars(tmp_path):
    with SummaryWriter(tmp_path / "run") as writer:
        assert writer.get_logdir() == str(tmp_path / "run")
        writer.add_scalar("loss/train", 0.5, 3, walltime=12.0)
        writer.add_scalar("loss/train", vg.tensor([[0.25]], requires_grad=True), global_step=vg.tensor(4))
        writer.add_scalar("n", np.float64(2.0))
        writer.add_scalar("new", 0.1, 1, new_style=True)
        writer.add_scalar("new", 0.1, 2, new_style=True, double_precision=True)
    found = values(tmp_path / "run")
    assert [(step, v.tag, v.simple_value) for step, v in found[:3]] == [
        (3, "loss/train", 0.5), (4, "loss/train", 0.25), (0, "n", 2.0),
    ]  # fmt: skip
    assert found[3][1].tensor.float_val[0] == pytest.approx(0.1, rel=1e-7)
    assert found[4][1].tensor.double_val[0] == 0.1
    assert found[4][1].metadata.plugin_data.plugin_name == "scalars"
    assert [event.wall_time for event in events(tmp_path / "run") if event.step == 3] == [12.0]


def test_several_curves_of_a_chart(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(2):
            writer.add_scalars("loss/all", {"train": step, "test": vg.tensor(2.0 * step)}, step)
    for name, factor in (("train", 1), ("test", 2)):
        found = values(tmp_path / f"loss_all_{name}")
        assert [(step, v.tag, v.simple_value) for step, v in found] == [
            (0, "loss/all", 0.0), (1, "loss/all", factor),
        ]  # fmt: skip
    assert not values(tmp_path)


def test_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = SummaryWriter(comment="_lr1", filename_suffix=".mine")
    writer.close()
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("_lr1") and str(folder.relative_to(tmp_path)) == writer.log_dir
    (file,) = folder.iterdir()
    assert file.name.endswith(".mine")


def test_flush_close_and_after_it(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.add_scalar("a", 1)
    writer.add_scalars("b", {"c": 1})
    writer.flush()
    assert len(values(tmp_path)) == len(values(tmp_path / "b_c")) == 1
    writer.close()
    writer.close()
    writer.flush()
    writer.filename_suffix = ".2"
    writer.add_scalar("a", 2)
    writer.close()
    assert sorted(v.simple_value for _, v in values(tmp_path)) == [1.0, 2.0]
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 2


def test_a_run_that_goes_on(tmp_path):
    with SummaryWriter(tmp_path, purge_step=7) as writer:
        writer.add_scalar("a", 1, 7)
    found = events(tmp_path)
    assert [event.step for event in found] == [0, 7, 7, 7]
    assert found[1].file_version == "brain.Event:2" and found[2].session_log.status == 1


def test_histograms(tmp_path):
    data = vg.tensor([-1.0, 0.0, 0.25, 0.3, 3.0])
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("tensorflow", data, 1)
        writer.add_histogram("bins", data, bins=[0.0, 0.1, 0.2, 0.3, 1.0, 2.0])
        writer.add_histogram("joined", data, bins=np.linspace(-1, 3, 9).tolist(), max_bins=3)
        writer.add_histogram_raw("raw", 0.0, 2.0, 3, 3.0, 5.0, np.array([1.0, 2.0]), [1, 2], 4)
    first, bins, joined, raw = (value.histo for _, value in values(tmp_path))
    assert (first.min, first.max, first.num) == (-1.0, 3.0, 5.0)
    assert first.sum == pytest.approx(2.55) and first.sum_squares == pytest.approx(10.1525)
    assert sum(first.bucket) == 5 and len(first.bucket) == len(first.bucket_limit)
    assert first.bucket[0] == 0 and first.bucket_limit[0] <= -1 and first.bucket_limit[-1] >= 3
    assert list(bins.bucket) == [0, 1, 0, 1, 1] and list(bins.bucket_limit) == [0.0, 0.1, 0.2, 0.3, 1.0]
    assert sum(joined.bucket) == 5 and len(joined.bucket) <= 5
    assert list(raw.bucket) == [1.0, 2.0] and list(raw.bucket_limit) == [1.0, 2.0] and raw.sum_squares == 5.0


def pictures(folder):
    image = pytest.importorskip("PIL.Image")
    return {
        value.tag: np.asarray(image.open(io.BytesIO(value.image.encoded_image_string)))
        for _, value in values(folder)
        if value.HasField("image")
    }


def test_images(tmp_path):
    pytest.importorskip("PIL.Image")
    x = vg.rand(3, 4, 5)
    pixels = (x.cpu().numpy() * 255).astype(np.uint8)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("chw", x)
        writer.add_image("hwc", x.permute(1, 2, 0), dataformats="HWC")
        writer.add_image("hw", x[0], dataformats="HW")
        writer.add_image("gray", x[:1])
        writer.add_image("bytes", vg.tensor(pixels))
        writer.add_image("outside", x * 4 - 2)
        writer.add_image("alpha", vg.cat([x, vg.ones(1, 4, 5)]))
        writer.add_images("batch", vg.stack([x] * 9))
        writer.add_images("batch, last", vg.stack([x] * 2).permute(0, 2, 3, 1), dataformats="NHWC")
    found = pictures(tmp_path)
    whole = pixels.transpose(1, 2, 0)
    for tag in ("chw", "hwc", "bytes"):
        np.testing.assert_array_equal(found[tag], whole)
    for tag in ("hw", "gray"):
        np.testing.assert_array_equal(found[tag], np.repeat(whole[:, :, :1], 3, 2))
    assert found["outside"].min() == 0 and found["outside"].max() == 255 and found["alpha"].shape == (4, 5, 4)
    assert found["batch"].shape == (8, 40, 3) and not found["batch"][4:, 5:].any()
    np.testing.assert_array_equal(found["batch"][:4, 35:], whole)
    np.testing.assert_array_equal(found["batch"][4:, :5], whole)
    np.testing.assert_array_equal(found["batch, last"], np.concatenate([whole, whole], 1))


def test_figures(tmp_path):
    figures = pytest.importorskip("matplotlib.figure")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    shown = pyplot.figure(figsize=(2, 1), dpi=50)
    kept = pyplot.figure(figsize=(2, 1), dpi=50)
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("one", figures.Figure(figsize=(2, 1), dpi=50))
        writer.add_figure("two", [shown, figures.Figure(figsize=(2, 1), dpi=50)])
        writer.add_figure("kept", kept, close=False)
    found = pictures(tmp_path)
    assert found["one"].shape == (50, 100, 3) and found["two"].shape == (50, 200, 3)
    assert not pyplot.fignum_exists(shown.number) and pyplot.fignum_exists(kept.number)
    pyplot.close(kept)


def test_texts_and_tensors(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "*Zürich*", 2)
        writer.add_tensor("t", vg.tensor([[1, 2], [3, 4]], dtype=vg.int32), 1)
        for kind in (vg.float32, vg.float64, vg.int64, vg.uint8, vg.bool):
            writer.add_tensor("all", vg.ones(2, dtype=kind))
    (_, note), (_, t), *others = values(tmp_path)
    assert note.tag == "note/text_summary" and note.tensor.string_val[0].decode() == "*Zürich*"
    assert note.metadata.plugin_data.plugin_name == "text"
    assert list(t.tensor.int_val) == [1, 2, 3, 4] and [d.size for d in t.tensor.tensor_shape.dim] == [2, 2]
    fields = ("float_val", "double_val", "int64_val", "uint32_val", "bool_val")
    assert [list(getattr(v.tensor, f)) for f, (_, v) in zip(fields, others, strict=True)] == [[1, 1]] * 5


def test_hyperparameters(tmp_path):
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    given = {"lr": 0.1, "n": 3, "name": "adam", "fast": True, "t": vg.tensor(2.0), "none": None}
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams(given, {"accuracy": 0.9}, {"n": [3, 4], "name": ["adam", "sgd"]}, "first", 5)
        writer.add_hparams({}, {})
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
    found = {v.tag: v for _, v in values(tmp_path / "first")}
    assert found["accuracy"].simple_value == pytest.approx(0.9)

    def data(tag):
        return plugin.HParamsPluginData.FromString(found[tag].metadata.plugin_data.content)

    start = data("_hparams_/session_start_info").session_start_info.hparams
    assert {name: start[name].number_value for name in ("lr", "n", "t")} == {"lr": 0.1, "n": 3.0, "t": 2.0}
    assert start["name"].string_value == "adam" and start["fast"].bool_value is True and "none" not in start
    experiment = data("_hparams_/experiment").experiment
    domains = {info.name: info.domain_discrete.values for info in experiment.hparam_infos}
    assert [v.number_value for v in domains["n"]] == [3.0, 4.0] and len(domains["lr"]) == 0
    assert [v.string_value for v in domains["name"]] == ["adam", "sgd"]
    assert [info.name.tag for info in experiment.metric_infos] == ["accuracy"]
    assert data("_hparams_/session_end_info").session_end_info.status


REFUSED = {
    "scalar of a list": (lambda w: w.add_scalar("a", [1.0]), NotImplementedError, "Got <class 'list'>"),
    "scalar of two": (lambda w: w.add_scalar("a", vg.ones(2)), AssertionError, r"one element, .* \[2\]"),
    "scalars": (lambda w: w.add_scalars("a", {"b": 1, "c": "x"}), NotImplementedError, "Got <class 'str'>"),
    "tensor": (lambda w: w.add_tensor("a", 1.0), TypeError, "expected a Tensor for 'a', got float"),
    "empty histogram": (lambda w: w.add_histogram("a", vg.ones(0)), ValueError, "has no element"),
    "histogram outside": (
        lambda w: w.add_histogram("a", vg.ones(1), bins=[2.0, 3.0]), ValueError, "within the bins for 'a'",
    ),
    "raw histogram": (
        lambda w: w.add_histogram_raw("a", 0, 1, 1, 1, 1, [1.0], []), ValueError, "bucket_limits",
    ),
    "layout": (lambda w: w.add_image("a", vg.ones(1, 2, 2), dataformats="CHX"), AssertionError, "'CHX'"),
    "twice": (lambda w: w.add_image("a", vg.ones(1, 2, 2), dataformats="CHH"), AssertionError, "'CHH'"),
    "dimensions": (lambda w: w.add_image("a", vg.ones(2, 2)), AssertionError, r"3 dimensions .* \[2, 2\]"),
    "channels": (lambda w: w.add_image("a", vg.ones(2, 2, 2)), AssertionError, "3 or 4 channels, got 2"),
    "no images": (lambda w: w.add_images("a", vg.ones(0, 3, 2, 2)), AssertionError, "at least one image"),
    "text": (lambda w: w.add_text("a", 3), TypeError, "expected text_string to be a str, got int"),
    "hparams": (lambda w: w.add_hparams([], {}), TypeError, "expected hparam_dict to be a dict, got list"),
    "metrics": (lambda w: w.add_hparams({}, None), TypeError, "expected metric_dict to be a dict"),
    "a hyperparameter": (lambda w: w.add_hparams({"a": [1]}, {}), ValueError, r"got \[1\] for 'a'"),
    "a domain": (lambda w: w.add_hparams({"a": 1}, {}, {"a": ["x"]}), TypeError, r"discrete\[a\] should"),
    "a domain of none": (lambda w: w.add_hparams({"a": 1}, {}, {"b": [1]}), TypeError, r"discrete\[b\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_writes_nothing(name, tmp_path):
    call, kind, text = REFUSED[name]
    with SummaryWriter(tmp_path) as writer, pytest.raises(kind, match=text):
        call(writer)
    assert not values(tmp_path) and not any(path.is_dir() for path in tmp_path.iterdir())


def test_what_is_not_there_says_so(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(AttributeError, match=r"no attribute 'add_graph': verigrad\.viz\.graph draws"):
            writer.add_graph(vg.nn.Linear(1, 1))
        with pytest.raises(AttributeError, match="no attribute 'add_nothing'$"):
            writer.add_nothing()
        assert not hasattr(writer, "add_audio")


def test_without_the_package(monkeypatch):
    for name in [*sys.modules]:
        if name.startswith("verigrad.utils.") and name.endswith(("tensorboard", "_summaries")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(vg.utils, "tensorboard", raising=False)
    monkeypatch.delattr(vg.utils, "_summaries", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.summary_pb2", None)
    with pytest.raises(
        ImportError, match=r'expected tensorboard to be installed.*pip install "verigrad\[tensorboard\]"'
    ):
        vg.utils.tensorboard  # noqa: B018


def write(lib, writer):
    """The same of either library."""
    numbers = np.random.default_rng(0)
    writer.add_scalar("a", lib.tensor(0.1), 1, 1.0)
    writer.add_scalar("b", 0.1, 2, 1.0, new_style=True)
    writer.add_scalar("b", 0.1, 3, 1.0, new_style=True, double_precision=True)
    for place, scale in enumerate((1e-9, 1.0, 1e6)):
        writer.add_histogram("h", lib.tensor(scale * numbers.normal(size=300)), place, walltime=1.0)
    for bins in ("auto", 5, [0.0, 1.0, 2.0]):
        writer.add_histogram("h", numbers.normal(size=50), 0, bins, 1.0)
    writer.add_histogram("max", lib.tensor(numbers.normal(size=300)), 0, walltime=1.0, max_bins=100)
    writer.add_histogram("one", lib.zeros(3), walltime=1.0)
    image = numbers.uniform(-0.1, 1.1, (11, 3, 4, 5)).astype(np.float32)
    writer.add_image("i", lib.tensor(image[0]), 0, 1.0)
    writer.add_image("i", lib.tensor(image[0, 0]), 1, 1.0, dataformats="hw")
    writer.add_image("i", image[0, :1], 2, 1.0)
    writer.add_image("i", (image[0].clip(0, 1) * 255).astype(np.uint8), 3, 1.0)
    writer.add_images("i", lib.tensor(image), 4, 1.0)
    writer.add_images("i", lib.tensor(image[:3, :1].transpose(0, 2, 3, 1)), 5, 1.0, dataformats="NHWC")
    writer.add_text("t", "some text", 6, 1.0)
    writer.add_tensor("x", lib.tensor(image[0]), 7, 1.0)
    writer.add_scalars("m/n", {"p": 1.0, "q": 2.0}, 8, 1.0)
    given = {"lr": 0.1, "n": 3, "s": "x", "t": lib.tensor([2.0])}
    writer.add_hparams(given, {"acc": 0.5}, {"n": [1, 3], "s": ["x", "y"]}, "run", 9)
    writer.close()


def test_files_are_those_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("PIL.Image")
    theirs = pytest.importorskip("torch.utils.tensorboard")
    write(vg, SummaryWriter(tmp_path / "own"))
    write(torch, theirs.SummaryWriter(tmp_path / "other"))
    for folder in (".", "m_n_p", "m_n_q", "run"):
        own, other = (values(tmp_path / lib / folder) for lib in ("own", "other"))
        assert len(own) == len(other) > 0
        for (step, one), (its, two) in zip(own, other, strict=True):
            assert step == its and one.tag == two.tag
            if one.HasField("histo"):
                assert list(one.histo.bucket) == list(two.histo.bucket), one.tag
                assert list(one.histo.bucket_limit) == list(two.histo.bucket_limit)
                for field in ("min", "max", "num", "sum", "sum_squares"):
                    assert math.isclose(getattr(one.histo, field), getattr(two.histo, field), rel_tol=1e-12)
            else:
                assert one == two, one.tag


def test_names_and_signatures_are_those_of_pytorch():
    import inspect

    pytest.importorskip("torch")
    theirs = pytest.importorskip("torch.utils.tensorboard")
    absent = set(tensorboard._NOT_HERE)
    for name, method in vars(theirs.SummaryWriter).items():
        if name.startswith("_") or name in absent:
            continue
        found = inspect.signature(getattr(SummaryWriter, name)).parameters.values()
        wanted = inspect.signature(method).parameters.values()
        assert [(p.name, p.default) for p in found] == [(p.name, p.default) for p in wanted], name
    assert not [name for name in absent if hasattr(SummaryWriter, name)]
    assert tensorboard.__all__ == ["FileWriter", "SummaryWriter"]
