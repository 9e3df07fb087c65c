"""`SummaryWriter` writes what TensorBoard shows, under the names of ``torch.utils.tensorboard``.

Raises:
    ImportError: tensorboard is not installed (it comes with the extra "tensorboard").
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn

from .._C import Tensor
from . import _summaries

__all__ = ["FileWriter", "SummaryWriter"]


class FileWriter:
    """An event file: what is added is written by a thread of its own.

    Args:
        log_dir: the folder, made if it is missing.
        max_queue: how many events may wait before adding one waits as well; default 10.
        flush_secs: how often what waits is written, in seconds; default 120.
        filename_suffix: the end of the file's name; default none.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        self.event_writer = _summaries.EventFileWriter(
            os.fspath(log_dir), max_queue, flush_secs, filename_suffix
        )

    def get_logdir(self) -> str:
        """The folder."""
        folder: str = self.event_writer.get_logdir()
        return folder

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Adds an Event of TensorBoard; ``walltime`` in seconds since 1970, default now."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(self, summary: Any, global_step: Any = None, walltime: float | None = None) -> None:
        """Adds a Summary of TensorBoard as an event."""
        self.add_event(_summaries.event.Event(summary=summary), global_step, walltime)

    def flush(self) -> None:
        """Writes what waits."""
        self.event_writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Goes on in a new file of the same folder, after `close`."""
        self.event_writer.reopen()


_NOT_HERE = {
    "add_graph": "verigrad.viz.graph draws the graph of a tensor, as SVG",
    "add_onnx_graph": "there is no ONNX here",
    "add_video": "add_images shows the pictures next to each other",
    "add_audio": "write a file with Python's wave",
    "add_embedding": "add_tensor and add_images have the numbers and pictures",
    "add_image_with_boxes": "draw on the image and use add_image",
    "add_pr_curve": "draw it with matplotlib and use add_figure",
    "add_pr_curve_raw": "draw it with matplotlib and use add_figure",
    "add_custom_scalars": "add_scalars puts several curves into one chart",
    "add_custom_scalars_multilinechart": "add_scalars puts several curves into one chart",
    "add_custom_scalars_marginchart": "add_scalars puts several curves into one chart",
    "add_mesh": "draw it with matplotlib and use add_figure",
}


class SummaryWriter:
    """Writes numbers, histograms, images and texts to event files, which TensorBoard shows.

    Steps are `global_step`, times `walltime`, in seconds since 1970, default now. Values are numbers, numpy
    arrays or tensors, also of a CUDA device. After `close` the next value begins a new file.

    Args:
        log_dir: the folder of the run; default ``runs/<date>_<time>_<host><comment>``.
        comment: the end of the default folder's name.
        purge_step: for a run that goes on after it broke off: TensorBoard hides what an older file of the
            folder has of this step and later ones.
        max_queue: how many events may wait before adding one waits as well; default 10.
        flush_secs: how often what waits is written, in seconds; default 120.
        filename_suffix: the end of the files' names; default none.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            import socket

            stamp = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{stamp}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.default_bins = _summaries.default_bins()
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._writer()

    def __getattr__(self, name: str) -> NoReturn:
        reason = f": {_NOT_HERE[name]}" if name in _NOT_HERE else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{reason}")

    def _open(self, folder: str) -> FileWriter:
        return FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)

    def _writer(self) -> FileWriter:
        """The file of the run itself, opened again after `close`."""
        if self.file_writer is None:
            self.file_writer = self._open(self.log_dir)
            self.all_writers = {self.log_dir: self.file_writer}
            if self.purge_step is not None:
                kinds = _summaries.event
                start = kinds.SessionLog(status=kinds.SessionLog.START)
                self.file_writer.add_event(kinds.Event(file_version="brain.Event:2"), self.purge_step)
                self.file_writer.add_event(kinds.Event(session_log=start), self.purge_step)
                self.purge_step = None
        return self.file_writer

    def get_logdir(self) -> str:
        """The folder of the run."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Adds a number to the curve ``tag``; a slash in it makes groups, as ``"loss/train"``.

        Args:
            tag: the curve.
            scalar_value: a number, or an array or a tensor of one element.
            global_step: the step.
            walltime: the time.
            new_style: write it as a tensor, which TensorBoard loads faster; default False.
            double_precision: of ``new_style``, keep float64; default False, which keeps float32.

        Raises:
            NotImplementedError: it is neither number, array nor tensor.
            AssertionError: it has several elements.
        """
        summary = _summaries.scalar(tag, scalar_value, new_style, double_precision)
        self._writer().add_summary(summary, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds numbers to several curves of one chart; each has a folder of its own below that of the run.

        Args:
            main_tag: the chart.
            tag_scalar_dict: numbers by the names of their curves.
            global_step: the step.
            walltime: the time.
        """
        walltime = time.time() if walltime is None else walltime
        summaries = {tag: _summaries.scalar(main_tag, value) for tag, value in tag_scalar_dict.items()}
        self._writer()
        for tag, summary in summaries.items():
            folder = f"{self.log_dir}/{main_tag.replace('/', '_')}_{tag}"
            writers = self.all_writers or {}
            if folder not in writers:
                writers[folder] = self._open(folder)
            writers[folder].add_summary(summary, global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Tensor, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds all elements of a tensor.

        Raises:
            TypeError: it is no tensor.
            ValueError: it has 2 GiB or more.
        """
        self._writer().add_summary(_summaries.tensor(tag, tensor), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Adds the distribution of the elements of ``values``.

        Args:
            tag: the name.
            values: an array or a tensor.
            global_step: the step.
            bins: "tensorflow", whose limits grow by a tenth from 1e-12 to 1e20, or what `numpy.histogram`
                takes.
            walltime: the time.
            max_bins: join neighbours until there are about as few; default None, which leaves them.

        Raises:
            ValueError: there are no elements, or none within the bins.
        """
        if isinstance(bins, str) and bins == "tensorflow":
            bins = self.default_bins
        summary = _summaries.histogram(tag, values, bins, max_bins)
        self._writer().add_summary(summary, global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: int,
        sum: float,
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a distribution that was counted elsewhere.

        Args:
            tag: the name.
            min: the least value.
            max: the greatest.
            num: how many there are.
            sum: their sum.
            sum_squares: that of their squares.
            bucket_limits: the upper ends of the bins.
            bucket_counts: how many lie in each.
            global_step: the step.
            walltime: the time.

        Raises:
            ValueError: there are not as many limits as counts.
        """
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        numbers = {"min": min, "max": max, "num": num, "sum": sum, "sum_squares": sum_squares}
        summary = _summaries.raw_histogram(tag, bucket_limits, bucket_counts, **numbers)
        self._writer().add_summary(summary, global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Adds an image; needs Pillow.

        Args:
            tag: the name.
            img_tensor: floats from 0 to 1 or uint8 from 0 to 255, with 1, 3 or 4 channels.
            global_step: the step.
            walltime: the time.
            dataformats: the order of its dimensions: "CHW" (default), "HWC", "HW", ... or of several images
                "NCHW", which stand in rows of eight.

        Raises:
            AssertionError: the shape, or ``dataformats``, does not fit.
            ImportError: Pillow is not installed.
        """
        self._writer().add_summary(_summaries.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Adds several images in rows of eight; otherwise as `add_image`."""
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Adds a figure of matplotlib, or a list of figures of one size, as an image.

        Args:
            tag: the name.
            figure: the figure or the list.
            global_step: the step.
            close: let pyplot forget it; default True.
            walltime: the time.
        """
        import sys

        figures = figure if isinstance(figure, list) else [figure]
        pixels = [_summaries.pixels_of(each) for each in figures]
        pyplot = sys.modules.get("matplotlib.pyplot")
        if close and pyplot is not None:
            for each in figures:
                pyplot.close(each)
        if isinstance(figure, list):
            import numpy as np

            self.add_image(tag, np.stack(pixels), global_step, walltime, "NCHW")
        else:
            self.add_image(tag, pixels[0], global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds a text, which TensorBoard shows as Markdown.

        Raises:
            TypeError: it is no string.
        """
        if not isinstance(text_string, str):
            raise TypeError(f"add_text: expected text_string to be a str, got {type(text_string).__name__}")
        self._writer().add_summary(_summaries.text(tag, text_string), global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, Sequence[Any]] | None = None,
        run_name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """Adds a run to the table of hyperparameters, in a folder of its own below this one.

        Args:
            hparam_dict: bools, strings, numbers, tensors of one element, or None, by name.
            metric_dict: the numbers that were reached, by the tag of their curve.
            hparam_domain_discrete: of a name, all values that it may have.
            run_name: the folder; default the time.
            global_step: the step.

        Raises:
            TypeError: something is no dict, or the values of a domain are of another type.
            ValueError: a hyperparameter of another type.
        """
        summaries = _summaries.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        summaries += [_summaries.scalar(tag, value) for tag, value in metric_dict.items()]
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        with SummaryWriter(folder) as writer:
            for summary in summaries:
                writer._writer().add_summary(summary, global_step)

    def flush(self) -> None:
        """Writes what waits."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the files."""
        for writer in (self.all_writers or {}).values():
            writer.flush()
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
