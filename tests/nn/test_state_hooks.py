"""Hooks, versions and extra state of state dicts; set_submodule."""

import copy

import pytest

import verigrad as vg
from verigrad import nn


@pytest.fixture(params=["verigrad", "torch"])
def lib(request):
    """Both libraries: the same test of both says that they agree."""
    return pytest.importorskip(request.param)


def network(lib):
    return lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.Sequential(lib.nn.Linear(3, 1)))


def test_metadata(lib):
    class Second(lib.nn.Module):
        _version = 2

    net = network(lib)
    net.add_module("last", Second())
    state = net.state_dict()
    assert dict(state._metadata) == {
        "": {"version": 1},
        "0": {"version": 1},
        "1": {"version": 1},
        "1.0": {"version": 1},
        "last": {"version": 2},
    }
    assert not hasattr(net.state_dict(destination={}), "_metadata")


def test_save_hooks(lib):
    net = network(lib)
    calls = []
    pre = net[1][0].register_state_dict_pre_hook(lambda *args: calls.append(args))

    def post(module, state_dict, prefix, local_metadata):
        state_dict[prefix + "added"] = lib.ones(1)
        local_metadata["note"] = 5
        calls.append(module)

    net[1].register_state_dict_post_hook(post)
    state = net.state_dict(prefix="net.", keep_vars=True)
    assert calls == [(net[1][0], "net.1.0.", True), net[1]]
    assert list(state)[-2:] == ["net.1.0.bias", "net.1.added"]
    assert state._metadata["net.1"] == {"version": 1, "note": 5}
    pre.remove()
    net.state_dict()
    assert len(calls) == 3


def test_a_post_hook_answers_nothing(lib):
    module = lib.nn.Module()
    module.register_state_dict_post_hook(lambda *args: 3)
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        module.state_dict()


def test_load_pre_hook_renames_old_keys(lib):
    net = network(lib)
    seen = []

    def rename(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
        seen.append((module, prefix, local_metadata.get("version"), missing, unexpected, errors))
        for key in [key for key in state_dict if key.startswith(prefix + "w_")]:
            state_dict[prefix + key[len(prefix + "w_") :]] = state_dict.pop(key)

    net[1][0].register_load_state_dict_pre_hook(rename)
    old = network(lib).state_dict()
    metadata = old._metadata
    old = {key.replace("1.0.", "1.0.w_"): value for key, value in old.items()}
    before = dict(old)
    assert net.load_state_dict(old).missing_keys == []
    assert seen == [(net[1][0], "1.0.", None, [], [], [])]
    assert list(old) == list(before)
    assert net[1][0].weight.tolist() == old["1.0.w_weight"].tolist()
    new = network(lib).state_dict()
    new._metadata = metadata
    net.load_state_dict(new)
    assert seen[1][2] == 1


def test_load_pre_hook_reports(lib):
    net = network(lib)
    net[0].register_load_state_dict_pre_hook(lambda *args: args[-1].append("this is no such file"))
    with pytest.raises(RuntimeError, match="this is no such file"):
        net.load_state_dict(network(lib).state_dict())


def test_load_post_hooks_forgive(lib):
    net = network(lib)
    order = []

    def forgive(module, keys):
        order.append(module)
        keys.missing_keys.clear()

    net[1][0].register_load_state_dict_post_hook(lambda module, keys: order.append(module))
    net.register_load_state_dict_post_hook(forgive)
    state = network(lib).state_dict()
    del state["1.0.bias"]
    assert net.load_state_dict(state).missing_keys == []
    assert order == [net[1][0], net]
    assert net[0].weight.tolist() == state["0.weight"].tolist()
    state["extra"] = lib.ones(1)
    with pytest.raises(RuntimeError, match='Unexpected key.*"extra"'):
        net.load_state_dict(state)


def test_a_load_post_hook_answers_nothing(lib):
    net = network(lib)
    net.register_load_state_dict_post_hook(lambda module, keys: keys)
    with pytest.raises(AssertionError, match="not expected to return new values"):
        net.load_state_dict(net.state_dict())


def test_shapes_are_checked_before_post_hooks_run():
    net = network(vg)
    net.register_load_state_dict_post_hook(lambda module, keys: pytest.fail("must not run"))
    state = network(vg).state_dict()
    state["1.0.bias"] = vg.ones(7)
    before = net[0].weight.tolist()
    with pytest.raises(RuntimeError, match="size mismatch for 1.0.bias"):
        net.load_state_dict(state)
    assert net[0].weight.tolist() == before


def test_extra_state(lib):
    class Counted(lib.nn.Linear):
        count = 7

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net = lib.nn.Sequential(Counted(1, 1))
    state = net.state_dict()
    assert list(state) == ["0.weight", "0.bias", "0._extra_state"]
    other = lib.nn.Sequential(Counted(1, 1))
    other[0].count = 0
    other.load_state_dict(state)
    assert other[0].count == 7
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match='Missing key.*"0._extra_state"'):
        other.load_state_dict(state)
    with pytest.raises(RuntimeError):
        lib.nn.Module().get_extra_state()
    with pytest.raises(RuntimeError):
        lib.nn.Module().set_extra_state(1)


def test_copies_have_their_own_hooks():
    net = network(vg)
    handle = net.register_state_dict_pre_hook(lambda *args: None)
    other = copy.copy(net)
    handle.remove()
    assert len(other._state_hooks) == 1 and len(net._state_hooks) == 0
    # A deep copy runs the same functions.
    calls = []
    net[0].register_state_dict_post_hook(lambda module, *args: calls.append(module))
    deep = copy.deepcopy(net)
    deep.state_dict()
    assert calls == [deep[0]]


@pytest.mark.parametrize(
    "kind", ["state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post"]
)
def test_hooks_must_be_callable(kind):
    with pytest.raises(TypeError, match="expected hook to be callable, got int"):
        getattr(nn.Module(), f"register_{kind}_hook")(3)


def test_set_submodule(lib):
    net = network(lib)
    net.set_submodule("1.0", lib.nn.Identity())
    assert type(net[1][0]).__name__ == "Identity"
    net.set_submodule("1.new", lib.nn.ReLU())
    net.set_submodule("2", lib.nn.ReLU())
    assert [name for name, _ in net.named_modules()] == ["", "0", "1", "1.0", "1.new", "2"]
    for target, module, strict, error in (
        ("", lib.nn.ReLU(), False, ValueError),
        ("0", 3, False, ValueError),
        ("5.a", lib.nn.ReLU(), False, AttributeError),
        ("0.weight", lib.nn.ReLU(), False, AttributeError),
        ("0.weight.a", lib.nn.ReLU(), False, AttributeError),
        ("1.b", lib.nn.ReLU(), True, AttributeError),
    ):
        with pytest.raises(error):
            net.set_submodule(target, module, strict)


def test_hook_methods_are_those_of_torch():
    import inspect

    torch = pytest.importorskip("torch")
    names = [name for name in dir(nn.Module) if name.startswith("register_") or name.endswith("extra_state")]
    assert len(names) >= 13
    for name in [*names, "set_submodule", "get_submodule"]:
        own, other = (
            [
                (p.name, p.default, p.kind)
                for p in inspect.signature(getattr(module, name)).parameters.values()
            ]
            for module in (nn.Module, torch.nn.Module)
        )
        assert own == other, name
