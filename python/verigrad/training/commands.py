"""The commands of `verigrad`, on click: options in, lines out. The work is done in `runs`."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import verigrad

from . import runs
from .images import read_gray_image
from .interrupt import Interrupted
from .models import MODELS

if TYPE_CHECKING:
    _ParamType = click.ParamType[float]
else:
    _ParamType = click.ParamType  # not generic at run time before click 8.3

_DEFAULT = runs.RunConfig()
_RATES = ", ".join(f"{lr:g} ({name})" for name, (_, lr) in runs.OPTIMIZERS.items())


class _Number(_ParamType):
    """A finite number, at least (or above) *low* and below *high*."""

    name = "number"

    def __init__(self, low: float, high: float = math.inf, *, low_open: bool = False) -> None:
        self.low, self.high, self.low_open = low, high, low_open

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)  # type: ignore[arg-type]  # a string, or the default
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not a number.", param, ctx)
        above = number > self.low if self.low_open else number >= self.low
        if not (above and number < self.high):  # NaN fails both
            low = f"above {self.low:g}" if self.low_open else f"from {self.low:g}"
            high = "finite" if self.high == math.inf else f"below {self.high:g}"
            self.fail(f"expected a number {low}, {high}, got {value}.", param, ctx)
        return number


class _Path(click.Path):
    """A path that is not empty: the empty one would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("expected a path, got an empty one.", param, ctx)
        return super().convert(value, param, ctx)


_FOLDER = _Path(path_type=Path)
_threads = click.option(
    "--threads", type=click.IntRange(1, 1024), help="CPU threads to use. The results do not depend on it."
)
_data_dir = click.option("--data-dir", type=_Path(), help="Folder with the IDX files, plain or .gz.")
_best = click.option("--best", is_flag=True, help="The network with the highest accuracy, not the last.")
_download = click.option("--download", is_flag=True, help="Download the data if they are not there.")


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(message="verigrad %(version)s", package_name="verigrad")
@click.pass_context
def app(context: click.Context) -> None:
    """Train and use small networks, and verify the library on this machine."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _read_options(context: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Take the options in a TOML file as defaults."""
    if path is None:
        return None
    import tomllib

    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"expected TOML in {path}, got {error}") from None
    known = {one.name: one for one in context.command.params if one.name not in ("config", "resume")}
    defaults: dict[str, Any] = {}
    for key, value in values.items():
        option = known.get(key.replace("-", "_"))
        if option is None:
            raise click.UsageError(f"expected options of train in {path}, got {key!r}")
        if isinstance(value, dict | list) or (isinstance(value, bool) != getattr(option, "is_flag", False)):
            raise click.UsageError(f"expected another value for {key!r} in {path}, got {value!r}")
        # As text, so that it is checked as one of the command line is.
        defaults[key.replace("-", "_")] = value if isinstance(value, bool) else str(value)
    context.default_map = defaults
    return path


@app.command()
@click.option(
    "--config",
    type=_FOLDER,
    is_eager=True,
    expose_value=False,
    callback=_read_options,
    help="TOML file with options by name, such as batch-size = 32. Those given here win.",
)
@click.option(
    "--resume",
    type=_FOLDER,
    metavar="DIR",
    help="Go on with the interrupted run in DIR, with its options. Only --data-dir, --download and --threads "
    "may be given beside it.",
)
@click.option(
    "--dataset", type=click.Choice(list(runs.DATASETS)), default=_DEFAULT.dataset, show_default=True
)
@_data_dir
@_download
@click.option("--model", type=click.Choice(list(MODELS)), default=_DEFAULT.model, show_default=True)
@click.option("--augment", is_flag=True, help="Rotate and shift the training images at random, a little.")
@click.option(
    "--dropout",
    type=_Number(0, 1),
    help="Probability of dropping a unit. Default: "
    f"{', '.join(f'{info.dropout:g} ({name})' for name, info in MODELS.items())}.",
)
@click.option(
    "--label-smoothing",
    type=_Number(0, 1),
    default=_DEFAULT.label_smoothing,
    show_default=True,
    help="Share of the target that is spread over all classes, in the training loss.",
)
@click.option("--epochs", type=click.IntRange(1, 10**6), default=_DEFAULT.epochs, show_default=True)
@click.option("--batch-size", type=click.IntRange(1, 10**9), default=_DEFAULT.batch_size, show_default=True)
@click.option(
    "--lr",
    type=_Number(0, low_open=True),
    help=f"Learning rate. Default: {_RATES}.",
)
@click.option("--momentum", type=_Number(0, 1), help=f"Of sgd.  [default: {_DEFAULT.momentum}]")
@click.option("--weight-decay", type=_Number(0), help="Of the optimizer, whose own default it replaces.")
@click.option(
    "--optimizer", type=click.Choice(list(runs.OPTIMIZERS)), default=_DEFAULT.optimizer, show_default=True
)
@click.option(
    "--scheduler",
    type=click.Choice(runs.SCHEDULERS),
    default=_DEFAULT.scheduler,
    show_default=True,
    help="cosine, linear: to zero over the run; warmup: cosine after a rise over the first tenth; step: a "
    "tenth after each third; plateau: a tenth where the validation loss does not fall.",
)
@click.option(
    "--validation",
    type=_Number(0, 1),
    default=_DEFAULT.validation,
    show_default=True,
    help="Share of the training images to hold back: for the best epoch and for --early-stopping. The test "
    "images are then looked at once, at the end.",
)
@click.option(
    "--early-stopping",
    type=click.IntRange(1, 10**6),
    metavar="EPOCHS",
    help="Stop after so many epochs without a better validation accuracy, and go back to the best one.",
)
@click.option(
    "--find-lr",
    is_flag=True,
    help="Instead of training, try learning rates from 1e-6 to 10 and name the one at which the loss falls "
    "most. With --out, learning-rate.png there shows them.",
)
@click.option(
    "--ensemble",
    type=click.IntRange(2, 1000),
    metavar="N",
    help="Train N networks, with seeds from --seed on, and average their probabilities.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=_DEFAULT.seed, show_default=True)
@_threads
@click.option("--device", type=click.Choice(runs.DEVICES), default=_DEFAULT.device, show_default=True)
@click.option(
    "--out", type=_FOLDER, help="Folder for the results.  [default: runs/<dataset>-<model>-<number>]"
)
@click.option("--overwrite", is_flag=True, help="Replace the run that is in --out.")
@click.pass_context
def train(
    context: click.Context,
    resume: Path | None,
    dataset: str,
    data_dir: str | None,
    download: bool,
    model: str,
    augment: bool,
    dropout: float | None,
    label_smoothing: float,
    epochs: int,
    batch_size: int,
    lr: float | None,
    momentum: float | None,
    weight_decay: float | None,
    optimizer: str,
    scheduler: str,
    validation: float,
    early_stopping: int | None,
    find_lr: bool,
    ensemble: int | None,
    seed: int,
    threads: int | None,
    device: str,
    out: Path | None,
    overwrite: bool,
) -> int:
    """Train a network.

    Writes config.json, metrics.csv, model.safetensors, best.safetensors (of the highest accuracy on the
    validation images, else the test images) and a checkpoint after every epoch, and at the end curves.png,
    misclassified.png (test images) and filters.png (of the first layer). Without options: the bundled part of
    MNIST, offline. The same options and seed give the same model.safetensors, byte for byte, for any number
    of threads, also when the run was interrupted (Ctrl-C, SIGTERM) or killed and then resumed.
    """
    _use_threads(threads)
    if resume is not None:
        beside = _given(context) - {"resume", "data_dir", "download", "threads"}
        if beside:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(beside))
            raise click.UsageError(f"expected --resume with the options of its run, got {names}")
        where = None if data_dir is None else os.path.abspath(data_dir)
        many = (resume / runs.ENSEMBLE).exists()
        go_on: Callable[..., Any] = runs.resume_ensemble if many else runs.resume_run
        return _finish(lambda: go_on(resume, data_dir=where, download=download, say=click.echo))
    if find_lr and (ensemble is not None or overwrite):
        raise click.UsageError("expected --find-lr without --ensemble and --overwrite, got one of them")
    if overwrite and out is None:
        raise click.UsageError("expected --overwrite only with --out, got it alone")
    if early_stopping is not None and not validation:
        raise click.UsageError("expected --early-stopping only with --validation, got it alone")
    if momentum is None:
        momentum = _DEFAULT.momentum if optimizer == "sgd" else 0.0
    config = runs.RunConfig(
        dataset=dataset,
        data_dir=None if data_dir is None else os.path.abspath(data_dir),
        model=model,
        epochs=epochs,
        batch_size=batch_size,
        lr=runs.OPTIMIZERS[optimizer][1] if lr is None else lr,
        momentum=momentum,
        weight_decay=weight_decay,
        optimizer=optimizer,
        scheduler=scheduler,
        validation=validation,
        early_stopping=early_stopping,
        seed=seed,
        device=device,
        augment=augment,
        dropout=MODELS[model].dropout if dropout is None else dropout,
        label_smoothing=label_smoothing,
    )
    if find_lr:
        sweep = runs.find_run_lr(config, out, download=download)
        click.echo(f"learning rate {sweep.suggestion:.2g}: the loss falls most there")
        return 0
    options: dict[str, Any] = {"overwrite": overwrite, "download": download, "say": click.echo}
    if ensemble is not None:
        return _finish(lambda: runs.train_ensemble(config, ensemble, out, **options))
    return _finish(lambda: runs.train_run(config, out, **options))


def _given(context: click.Context) -> set[str]:
    """The options of the command line or a file."""
    default = (click.core.ParameterSource.DEFAULT, None)
    return {name for name in context.params if context.get_parameter_source(name) not in default}


def _finish(run: Callable[[], runs.RunResult | runs.EnsembleResult]) -> int:
    """Tell how a run ended; the exit code."""
    try:
        result = run()
    except Interrupted as interrupted:
        # Here, since click would take it for a Ctrl-C that nobody has dealt with.
        click.echo(f"verigrad: {interrupted}", err=True)
        return 128 + interrupted.signal
    if isinstance(result, runs.EnsembleResult):
        for number, right in enumerate(result.members, 1):
            click.echo(f"member {number}: test accuracy {_share(right, result.count)}")
        click.echo(f"spread of the predicted class's probability {result.spread:.4f}")
    click.echo(f"test accuracy {_share(result.correct, result.count)}")
    click.echo(f"results in {result.folder}")
    return 0


@app.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@_best
@_data_dir
@_download
@_threads
def evaluate(folder: Path, best: bool, data_dir: str | None, download: bool, threads: int | None) -> None:
    """Evaluate the network of the run in DIR on the test images of its data set."""
    _use_threads(threads)
    config, loss, rows = runs.evaluate_run(folder, best=best, data_dir=data_dir, download=download)
    width = max(len(name) for name, _, _ in rows)
    for name, right, count in rows:
        click.echo(f"  {name:<{width}}  {_share(right, count)}")
    correct = sum(right for _, right, _ in rows)
    total = sum(count for _, _, count in rows)
    click.echo(f"{config.dataset}: test loss {loss:.4f}, test accuracy {_share(correct, total)}")


@app.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.argument("image", metavar="IMAGE", type=_FOLDER)
@click.option("--invert", is_flag=True, help="The picture is dark on light, such as ink on paper.")
@_best
@_threads
def predict(folder: Path, image: Path, invert: bool, best: bool, threads: int | None) -> None:
    """Classify the picture IMAGE with the network of the run in DIR.

    The picture may have any size and colours; it is turned to gray and to 28 x 28 pixels. It should show one
    digit (or piece of clothing) that fills it as in MNIST, light on a dark ground; if it is dark on light,
    give --invert.
    """
    _use_threads(threads)
    pixels = read_gray_image(image, invert)
    probabilities = runs.predict_run(folder, pixels, best=best)
    if int(pixels.long().sum()) > 128 * pixels.numel():
        other = "without --invert" if invert else "with --invert"
        click.echo(f"note: the picture is mostly light, dark is expected; try it {other}", err=True)
    name, highest = max(probabilities, key=lambda pair: pair[1])
    click.echo(f"class {name}, probability {highest:.4f}")
    width = max(len(name) for name, _ in probabilities)
    for name, probability in probabilities:
        click.echo(f"  {name:<{width}}  {probability:.4f}  {'#' * round(40 * probability)}".rstrip())


@app.command()
@click.option("--op", metavar="NAME", help="Only this op.")
@click.option("--family", metavar="NAME", help="Only the ops of this family, such as unary or convolution.")
@click.option("--jobs", type=click.IntRange(1, 4096), help="Processes. Default: one for each processor.")
@click.option("--quick", is_flag=True, help="Fewer of the calls with small tensors; all boundaries.")
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where the tensors are.",
)
@click.option(
    "--json", "json_path", type=_Path(dir_okay=False), metavar="FILE", help="Also write the table here."
)
def verify(
    op: str | None, family: str | None, jobs: int | None, quick: bool, device: str, json_path: str | None
) -> int:
    """Check every op against its reference and its gradients by finite differences, on this machine.

    Prints a table; exit code 1 if anything fails.
    """
    from verigrad.testing.verify import run

    return int(
        run(
            op=op,
            json_path=json_path,
            progress=sys.stderr.isatty(),
            family=family,
            jobs=jobs,
            quick=quick,
            device=device,
        )
    )


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        verigrad.set_num_threads(threads)


def _share(right: int, count: int) -> str:
    return f"{100 * right / count:.2f} % ({right} of {count})" if count else "- (no images)"
