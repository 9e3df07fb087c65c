"""viz.graph: what is in the graph, and what its pictures hold."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

import verigrad as vg
from verigrad import nn, viz

SVG = "{http://www.w3.org/2000/svg}"


def leaf(*shape):
    return vg.ones(*shape, requires_grad=True)


def labels(picture, kind):
    return [vertex.label for vertex in picture.vertices if vertex.kind == kind]


def arrows(picture):
    names = [vertex.label for vertex in picture.vertices]
    return [(names[edge.source], names[edge.target]) for edge in picture.edges]


def test_ops_leaves_and_arrows_of_the_chain_rule_example():
    x1, w1, x2, w2 = (leaf() for _ in range(4))
    y = x1 * w1 + 3 * (x2**2 - w2)
    picture = viz.graph(y, params={"x1": x1, "w1": w1, "x2": x2, "w2": w2})
    assert labels(picture, "op") == ["Mul", "Pow", "Sub", "Mul", "Add"]
    assert arrows(picture) == [
        ("x1", "Mul"), ("w1", "Mul"), ("x2", "Pow"), ("Pow", "Sub"), ("w2", "Sub"), ("Sub", "Mul"),
        ("Mul", "Add"), ("Mul", "Add"), ("Add", "output"),
    ]  # fmt: skip
    assert all(edge.source < edge.target for edge in picture.edges)


def test_shapes_of_every_box():
    x = leaf(3, 4)
    picture = viz.graph((x.sum(dim=0) * 2).sum(), params=[("x", x)])
    assert [vertex.shapes for vertex in picture.vertices] == [((3, 4),), ((4,),), ((4,),), ((),), ((),)]
    assert [vertex.lines[1] for vertex in picture.vertices] == ["3 x 4", "4", "4", "scalar", "scalar"]


@pytest.mark.parametrize(
    "give", [lambda m: m, lambda m: dict(m.named_parameters()), nn.Module.named_parameters]
)
def test_parameters_bear_their_names(give):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    picture = viz.graph(model(vg.ones(5, 2)).sum(), params=give(model))
    assert sorted(labels(picture, "parameter")) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert labels(picture, "leaf") == []


def test_leaves_without_a_name():
    assert labels(viz.graph(leaf(2).exp()), "leaf") == ["leaf"]


def test_a_leaf_that_is_used_twice_is_one_box():
    x = leaf()
    assert labels(viz.graph(x * x + x), "leaf") == ["leaf"]


def test_an_intermediate_result_can_have_a_name():
    x = leaf(3)
    hidden = x * 2
    picture = viz.graph(hidden.sum(), params={"hidden": hidden, "elsewhere": leaf(2).exp()})
    assert arrows(picture) == [("leaf", "Mul"), ("Mul", "hidden"), ("hidden", "Sum"), ("Sum", "output")]


class Halves(vg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x[:1].clone(), x[1:].clone()

    @staticmethod
    def backward(ctx, first, second):
        return vg.cat([first, second])


def test_outputs_of_one_op_are_told_apart():
    first, second = Halves.apply(leaf(4))
    picture = viz.graph((first * 2, second, first), params={"second": second})
    halves = labels(picture, "op").index("Halves") + 1  # behind the leaf
    assert picture.vertices[halves].shapes == ((1,), (3,))
    assert [edge.output for edge in picture.edges if edge.source == halves] == [1, 0, 0]
    assert labels(picture, "output") == ["output 0", "output 1", "output 2"]
    assert picture.svg.count(">0</text>") == 2 and picture.dot.count('[label="1"]') == 1


def test_outputs_of_a_dict_bear_its_keys():
    x = leaf(2)
    assert labels(viz.graph({"loss": x.sum(), "norm": x.exp().sum()}), "output") == ["loss", "norm"]


def test_a_leaf_as_output():
    x = leaf(2)
    assert arrows(viz.graph(x, params={"x": x})) == [("x", "output")]


def test_after_the_backward_pass_the_graph_is_the_same():
    x = leaf(2)
    loss = x.exp().sum()
    before = viz.graph(loss)
    loss.backward()
    assert viz.graph(loss) == before


def test_a_custom_function_is_a_box():
    class Twice(vg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    assert labels(viz.graph(Twice.apply(leaf(2))), "op") == ["Twice"]


def test_a_deep_graph_needs_no_recursion():
    x = leaf()
    for _ in range(3000):
        x = x + 1
    assert len(viz.graph(x).vertices) == 3002


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: viz.graph(vg.ones(2)), RuntimeError, "expected output to require a gradient"),
        (lambda: viz.graph(3), TypeError, "expected a Tensor, or a sequence or dict of them, got int"),
        (lambda: viz.graph([leaf(), 3]), TypeError, "expected output 1 to be a Tensor, got int"),
        (lambda: viz.graph(leaf(), params=[leaf()]), TypeError, "expected params to be a Module"),
        (lambda: viz.graph(leaf(), params={"x": 3}), TypeError, "expected params to be a Module"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_dot_has_a_line_for_each_box_and_arrow():
    x = leaf(2)
    picture = viz.graph((x * 2).sum(), params={'a "name"\\': x})
    text = picture.dot
    assert str(picture) == text
    assert text.startswith("digraph {") and text.endswith("}\n")
    assert len(re.findall(r"^  n\d+ \[label=", text, re.MULTILINE)) == len(picture.vertices)
    assert len(re.findall(r"^  n\d+ -> n\d+", text, re.MULTILINE)) == len(picture.edges)
    assert r'label="a \"name\"\\\n2"' in text


def boxes(picture):
    root = ElementTree.fromstring(picture.svg)
    rects = root.findall(f"{SVG}rect")[1:]  # behind the ground
    found = [[float(rect.get(name)) for name in ("x", "y", "width", "height")] for rect in rects]
    return root, found


def residual(depth):
    x = leaf(4)
    for _ in range(depth):
        x = x + (x * 2).relu()
    return viz.graph(x.sum())


@pytest.mark.parametrize("depth", [1, 4])
def test_boxes_of_the_picture_do_not_overlap_and_lie_within_it(depth):
    picture = residual(depth)
    root, found = boxes(picture)
    width, height = float(root.get("width")), float(root.get("height"))
    assert len(found) == len(picture.vertices)
    for number, (x, y, w, h) in enumerate(found):
        assert x >= 0 and x + w <= width + 1 and y >= 0 and y + h <= height + 1
        for u, v, p, q in found[:number]:
            assert x + w < u or u + p < x or y + h < v or v + q < y


def test_arrows_of_the_picture_point_down_and_start_at_their_boxes():
    picture = residual(3)
    root, found = boxes(picture)
    paths = [path.get("d") for path in root.findall(f"{SVG}path")]
    assert len(paths) == len(picture.edges)
    for edge, path in zip(picture.edges, paths, strict=True):
        numbers = [float(value) for value in re.findall(r"-?\d+\.\d", path)]
        x, y, w, h = found[edge.source]
        assert abs(numbers[0] - (x + w / 2)) < 0.2 and abs(numbers[1] - (y + h)) < 0.2
        u, v, p, _ = found[edge.target]
        assert abs(numbers[-2] - (u + p / 2)) < 0.2 and 0 < v - numbers[-1] < 3
        assert y + h < v


def test_texts_of_the_picture_are_escaped():
    x = leaf(2)
    root = ElementTree.fromstring(viz.graph(x.sum(), params={"<a & b>": x}).svg)
    assert "<a & b>" in [text.text for text in root.iter(f"{SVG}text")]


def test_equal_graphs_give_equal_pictures():
    assert residual(3).svg == residual(3).svg


def test_a_notebook_shows_the_picture():
    picture = residual(1)
    assert picture._repr_svg_() == picture.svg


@pytest.mark.parametrize(("name", "start"), [("a.svg", "<svg"), ("a.dot", "digraph"), ("a.GV", "digraph")])
def test_saved_by_the_suffix(tmp_path, name, start):
    residual(1).save(tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_an_unknown_suffix_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"expected a file .svg, .dot or .gv, got .*a.png"):
        residual(1).save(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
