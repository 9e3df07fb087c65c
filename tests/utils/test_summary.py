"""summary: counts by hand, what it leaves behind, the table."""

import copy
import warnings

import pytest

import verigrad as vg
from verigrad import nn
from verigrad.utils import summary


class Residual(nn.Module):
    """A block that calls one layer twice."""

    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.act = nn.ReLU(inplace=True)
        self.gain = nn.Parameter(vg.ones(1))

    def forward(self, x):
        return x + self.gain * self.inner(self.act(self.inner(x)))


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), Residual(8), nn.Linear(8, 3, bias=False))


def test_counts():
    net = network()
    net[4].requires_grad_(False)
    result = summary(net, (5, 3, 4))
    assert result.total_params == 12 * 8 + 8 + 8 * 8 + 8 + 1 + 24
    assert (result.trainable_params, result.non_trainable_params) == (result.total_params - 24, 24)
    assert result.total_mult_adds == 5 * (12 * 8 + 2 * 8 * 8 + 8 * 3)
    assert result.input_bytes == 5 * 12 * 4
    # Flatten is a view and ReLU works in place.
    assert result.activation_bytes == 4 * 5 * (8 + 8 + 8 + 8 + 3)
    assert result.parameter_bytes == 4 * result.total_params
    seen = [(row.path, row.type, row.depth, row.output_shapes, row.repeated) for row in result.layers]
    assert seen == [
        ("", "Sequential", 0, [(5, 3)], False),
        ("0", "Flatten", 1, [(5, 12)], False),
        ("1", "Linear", 1, [(5, 8)], False),
        ("2", "Tanh", 1, [(5, 8)], False),
        ("3", "Residual", 1, [(5, 8)], False),
        ("3.inner", "Linear", 2, [(5, 8)], False),
        ("3.act", "ReLU", 2, [(5, 8)], False),
        ("3.inner", "Linear", 2, [(5, 8)], True),
        ("4", "Linear", 1, [(5, 3)], False),
    ]
    assert sum(row.parameters for row in result.layers) == result.total_params


TABLE = """\
========================================================
Layer (type: name)   Output shape  Parameters  Mult-adds
========================================================
Sequential           [5, 3]                --         --
├─ Flatten: 0        [5, 12]               --         --
├─ Linear: 1         [5, 8]               104        480
├─ Tanh: 2           [5, 8]                --         --
├─ Residual: 3       [5, 8]                 1         --
│  ├─ Linear: inner  [5, 8]                72        320
│  ├─ ReLU: act      [5, 8]                --         --
│  └─ Linear: inner  [5, 8]        (repeated)        320
└─ Linear: 4         [5, 3]                24        120
========================================================
Total parameters: 201
Trainable parameters: 201
Non-trainable parameters: 0
Total mult-adds: 1,240
========================================================
Input: 240 B
Activations: 700 B
Parameters and buffers: 804 B
========================================================
"""


def test_table():
    assert str(summary(network(), (5, 3, 4))) == TABLE.strip()


def test_depth():
    rows = list(summary(network(), (5, 3, 4), depth=1).rows())
    assert len(rows) == 6
    assert rows[4] == ("├─ Residual: 3", "[5, 8]", "73", "640")
    rows = list(summary(network(), (5, 3, 4), depth=0).rows())
    assert rows == [("Sequential", "[5, 3]", "201", "1,240")]


CASES = [
    ("Linear", (3, 4), {}, (2, 5, 3), 2 * 5 * 4 * 3),
    ("Conv1d", (4, 6, 3), {"stride": 2, "groups": 2}, (5, 4, 9), 5 * 6 * 4 * (2 * 3)),
    ("Conv2d", (3, 8, (3, 2)), {"padding": 1}, (2, 3, 6, 6), 2 * 8 * 6 * 7 * (3 * 6)),
    ("Conv2d", (4, 4, 3), {"groups": 4}, (1, 4, 5, 5), 4 * 9 * 9),
    ("ConvTranspose1d", (4, 6, 3), {"groups": 2}, (5, 4, 9), 5 * 4 * 9 * (3 * 3)),
    ("ConvTranspose2d", (3, 8, 2), {"stride": 2}, (2, 3, 4, 4), 2 * 3 * 16 * (8 * 4)),
    ("Bilinear", (2, 3, 4), {}, [(5, 2), (5, 3)], 5 * 4 * 6),
    ("BatchNorm2d", (3,), {}, (2, 3, 4, 4), 2 * 3 * 16),
    ("BatchNorm1d", (3,), {}, (2, 3), 6),
    ("InstanceNorm1d", (3,), {}, (2, 3, 4), 24),
    ("LayerNorm", (4,), {}, (2, 3, 4), 24),
    ("GroupNorm", (2, 4), {}, (2, 4, 3), 24),
    ("ReLU", (), {}, (2, 3), 0),
]


@pytest.mark.parametrize(
    ("name", "args", "options", "shape", "mult_adds"), [case for case in CASES if hasattr(nn, case[0])]
)
def test_mult_adds(name, args, options, shape, mult_adds):
    assert summary(getattr(nn, name)(*args, **options), shape).total_mult_adds == mult_adds


def test_subclasses_count_as_their_layer():
    class Special(nn.Linear):
        pass

    assert summary(Special(2, 3), (1, 2)).total_mult_adds == 6


def test_shared_parameters_count_once_in_the_total():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    result = summary(net, (1, 2))
    assert result.total_params == 8 and result.layers[2].parameters == 6


def test_everything_is_put_back():
    net = network()
    net.train()
    net[3].eval()
    net[3].act.train()
    before = copy.deepcopy(net.state_dict())
    random = vg.get_rng_state()
    modes = [module.training for module in net.modules()]
    seen = []
    net[2].register_forward_hook(lambda module, args, out: seen.append((module.training, out.requires_grad)))
    summary(net, (5, 3, 4))
    assert seen == [(False, False)]
    assert [module.training for module in net.modules()] == modes
    assert [len(module._call_hooks or ()) for module in net.modules()].count(1) == 1
    assert sum(len(module._call_hooks or ()) for module in net.modules()) == 1
    assert vg.equal(vg.get_rng_state(), random) and vg.is_grad_enabled()
    assert all(vg.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_an_error_leaves_nothing_behind():
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(4, 1)))
    with pytest.raises(RuntimeError) as caught:
        summary(net, (1, 2))
    assert caught.value.__notes__ == ["summary: raised in Linear '1.1' after 2 calls of layers"]
    assert all(module.training and not module._call_hooks for module in net.modules())


class Several(nn.Module):
    """Two inputs, an option, two outputs."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(2, 3)
        self.two = nn.Linear(4, 3, dtype=vg.float64)

    def forward(self, a, b, swap=False):
        results = self.one(a), self.two(b.double())
        return {"x": results[1], "y": [results[0]]} if swap else results


def test_several_inputs_and_outputs():
    result = summary(Several(), [(5, 2), (5, 4)], dtypes=[vg.float32, vg.int64])
    assert result.layers[0].output_shapes == [(5, 3), (5, 3)]
    assert result.input_bytes == 5 * (2 * 4 + 4 * 8)
    assert "[5, 3], [5, 3]" in str(result)
    assert len(summary(Several(), [(5, 2), (5, 4)], swap=True).layers[0].output_shapes) == 2
    a, b = vg.ones(1, 2), vg.ones(1, 4)
    for data in ([a, b], (a, b), {"a": a, "b": b, "swap": True}):
        assert summary(Several(), input_data=data).total_mult_adds == 6 + 12
    assert summary(nn.Linear(2, 1), input_data=a).total_mult_adds == 2


def test_inputs_follow_the_dtype_of_the_model():
    assert summary(nn.Linear(2, 1).double(), (3, 2)).input_bytes == 3 * 2 * 8
    assert summary(nn.ReLU(), [3, 2]).input_bytes == 3 * 2 * 4


def test_empty_batches():
    result = summary(nn.Linear(2, 1), (0, 2))
    assert result.layers[0].output_shapes == [(0, 1)] and result.total_mult_adds == 0


def test_lazy_layers_are_made():
    net = nn.Sequential(nn.LazyLinear(3), nn.LazyLinear(1))
    result = summary(net, (1, 4))
    assert [row.type for row in result.layers] == ["Sequential", "Linear", "Linear"]
    assert [row.parameters for row in result.layers] == [0, 15, 4] and result.total_params == 19


def test_layers_that_are_not_called_count_in_the_total():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            return "nothing"

    result = summary(Unused(), (1,))
    assert result.total_params == 6 and len(result.layers) == 1
    assert list(result.rows()) == [("Unused", "--", "--", "--")]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: summary(3, (1,)), TypeError, "expected model to be a Module, got int"),
        (lambda: summary(nn.ReLU()), ValueError, "either input_size or input_data"),
        (lambda: summary(nn.ReLU(), (1,), vg.ones(1)), ValueError, "either input_size or input_data"),
        (lambda: summary(nn.ReLU(), (1.5,)), TypeError, "expected input_size to hold integers"),
        (lambda: summary(nn.ReLU(), (1,), depth=-1), ValueError, "expected depth >= 0"),
        (
            lambda: summary(nn.ReLU(), (1,), dtypes=[vg.float32] * 2),
            ValueError,
            "expected 1 dtypes, one for each input, got 2",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_units_of_memory():
    from verigrad.utils._summary import _memory

    sizes = {0: "0 B", 999: "999 B", 1000: "1.00 kB", 2_500_000: "2.50 MB", 7 * 10**12: "7000.00 GB"}
    assert {size: _memory(size) for size in sizes} == sizes


def test_names_are_found_on_first_use():
    import verigrad.utils

    assert verigrad.utils.summary is summary and verigrad.utils.data.DataLoader
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = verigrad.utils.nothing
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary(nn.Linear(1, 1), (1, 1))
