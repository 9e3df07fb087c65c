"""Files of torch.save: read by load and written by save, against PyTorch where it is installed."""

import base64
import collections
import errno
import io
import os
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest

import verigrad
from verigrad import _torch_writer, nn

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]

# `sample(torch)` in the two formats of torch.save (PyTorch 2.13), for where PyTorch is not installed;
# `test_the_files_below_are_what_pytorch_writes` makes them anew.
FILES = {
    "archive": """
        c-o~^-EZ4e6u(XyH#Ly91J<rU`4}HA>(YF+c30L+7D@$1(0KwyNGNiX+r+}PbL^W=OhT%J(hU$2Ji-IwmA?S-!UMeWA$UL_ctAp
        EAR+A$o>uO?PCeUGQnnrC#_`Sh{m$>)d(OR^dU_0@Y!=;QQ|K5ny=KSS#Y-)dnECGOc1_EnS7Wx9YBpWl#!X_mjxW9BwXla<&st
        3)0a`FXkm~{^y9lW!aVcBA(Ib}aOAQZi^(?#9AlUI;ud!Q_AT7)Faq8?-PqU3-EPzNg+cn9BU{Zn%CoF(iPt#|!+k<gkB#=F?BR
        !?3_hCX$>%u-rZ+Do0y9nHEz&#v9AlIQmI%AzoN9=IeB!i{()ILn<0z*#+uww-7HQ+uD>%#p*#CJ{4+`$BU5*$x5&v52G%<4iPP
        6VuT1RgNp!7Kdbq02CDz{7QsrQtf;RvR996CRc8DLP?$@YqK6^ADMQRL{_vElf-wPHt5H{+ii08`W$7eEak9%cu6?aqi#~-1Xs!
        *WgK67oNX<aB%RB$ahk}b-KsMp;F-~&i>V>AO~}<gJI!C{(IXt+wk<29?y9TP6Y`K_CRx8JKTar?ox!)G}9D;JYV`gEU`=rL8e6
        lB?HRb(Sb^g>jl?ohg{3tr35RKOCX?7u7!nwLnW|kz!@&iw=Q8=8xUNeFA_WxZ1>qdtQ%16<u~>5>~q)Kf4oaGWMgw^Y0scSSla
        n**V{2kV;6fqE#aEBn5gj4R%B5>yY}l_EDJV<N1a2;ji`efZ<w~#c6P8sYFhc00uOAZ!UR+=!e4A(QzHdTqiQH%>kWck)~q#c?R
        MfGnr#tcW2T{h_V*L4-o%j_a%eqvsw@?1+L=2L5U}o5>DM{>p<|DZPtGw#Gw)yhV3z(ddxWCJxT0cBlmE9O0kKG5ocywW^!n$J7
        LQb_Y3p~g_|(P++)PFH$Ez+2n;ofQ60L<Q!lGAhS4LT4k-z`A{qoWI&!f_f2H*?eW6z=;aLHu1N5g8>wEQg!DX5jzimIv=Wp!n_
        P*Iiga-paeOG>e*tf)$*R4%KETIOx~-EZ%$$yA5TRSHaOs55$SOx>hBc@HMh(F0&6hWsUkh8;CYl4ujp#YoPl(TI~H$rEkF=@`!
        s5uWe>NW!CClZ(M$8AFNQO=6>c5Xb(R#1@m-X!XXiMkawRC9%=^n~Y(9ieQJVd$cU(<AFtVM8R(AqPTci-s#gJaw75ENCnS-#lv
        <LdFNIK4#CZl5d+Kw_YZvk1MWpSNd""",
    "stream": """
        c-noF%Wl&^6o!3CQ!uoYTcKRb-JuYYko3YW1))~LP{7@IQ(3Mvjg5?*-<}kKR4JRJrEdUY!4e*UHCtfMBOoEML`aA-GmZ+C0wa6I
        b3F6?=l2=6lyxom`D*6J=%Y6eM)ED?-WQeiE0A<+NRp&R9MQ;)0(+Uni64cK*#c{Ty$O6u17ee~<~t#jHA`bb`m{mp#D7K-s4K|m
        Rv!x{UKCUG8H%N{nIBSQjf|Dyj3}(5-^etZOw(mD0dXl)NwoWMjl`sO+jpr3DQ7~~Et&0j0>!0K?0R{-N&O(v?3gSz{h(%35++e>
        FPAi^x^DGzVYbq#6J*jY+Ds5RbUqDg=(7gdnyGTJQY;oGrz(|+@dC0UN4L>rX=Udqwmmc?Low72wi~J;cc4A@cse^McA6LvIZ+IH
        Ow!AEJ(0V-6g9+As-bkS+mJbNPm0=0vCqVQfofp*ANCqf>^vrv#2OC#Pwik=ZA7TGambL{IGidSp*U*d*qWFeU&W}26IPb{jlw0r
        j*}}mrCSOwOpMdB)psv=dnt;zNT`$G%xv}R2i`u;R=<7!^m%x7tb?;@l__Z?IJW>@H{?6NHa0faIa-orB5ED7^pO+v_iu4NjYT2B
        *qnG?3Y<DFtTn}VSj5HDWVdp+qA1ubT>g*mLa9_KPmY($xWs%b%y&T)tc@b~T}pjlrYM`J2y%$=E#$lG2yT)mwvfxk@<gSCNk*0#
        d5V#9xs-T?;;M;jB5{7)alMP1XA=!K(j!xCW7@<`ez+I-57h%M_wu6jDy&NKvXr*|?x=J}S;|U(w^o&P)9hk*i`}oMe*@NK2&w""",
}


def sample(library):
    """An object with most of what a state has, of PyTorch or of verigrad."""
    w = library.arange(6.0).reshape(2, 3)
    config = {
        "lr": 0.1,
        "betas": (0.9, 0.999),
        "steps": [1, -2, 2**40],
        "name": "é",
        "none": None,
        "flag": True,
    }
    return collections.OrderedDict(
        w=w,
        t=w.t(),
        p=library.nn.Parameter(w[0]),
        config=config,
        b=library.tensor([True, False]),
        n=library.tensor(7),
        size=w.shape,
    )


def file_of(name):
    return zlib.decompress(base64.b85decode("".join(FILES[name].split())))


def load(content, *arguments, **options):
    return verigrad.load(io.BytesIO(content), *arguments, **options)


def saved(obj):
    buffer = io.BytesIO()
    verigrad.save(obj, buffer, format="torch")
    return buffer.getvalue()


def of_torch(obj, **options):
    import torch

    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    return buffer.getvalue()


def to_torch(content):
    import torch

    return torch.load(io.BytesIO(content), weights_only=True)


def shown(value):
    """The structure, types and elements of an object, the same for both libraries."""
    if hasattr(value, "requires_grad"):
        array = value.detach().numpy()
        kind = type(value).__name__, str(value.dtype).partition(".")[2], value.requires_grad
        return *kind, tuple(value.shape), value.numel() and tuple(value.stride()), array.tobytes()
    if isinstance(value, dict):
        return type(value).__name__, [(key, shown(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [shown(one) for one in value]
    return repr(value)


def memory(tensor):
    return tensor.detach().data_ptr()


# Reading


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_pytorch(name, tmp_path):
    content = file_of(name)
    (tmp_path / "f.pt").write_bytes(content)
    for back in (load(content), verigrad.load(tmp_path / "f.pt"), load(content, weights_only=False)):
        assert shown(back) == shown(sample(verigrad))
        assert memory(back["w"]) == memory(back["t"]) == memory(back["p"])
        back["t"][0, 1] = 50  # shared, and ours to write to
        assert back["w"].tolist() == [[0, 1, 2], [50, 4, 5]]


@pytest.mark.parametrize("name", FILES)
def test_the_files_below_are_what_pytorch_writes(name):
    torch = pytest.importorskip("torch")
    content = file_of(name)
    assert shown(to_torch(content)) == shown(sample(torch))
    if name == "archive":
        now = zipfile.ZipFile(io.BytesIO(of_torch(sample(torch)))).read("archive/data.pkl")
        assert zipfile.ZipFile(io.BytesIO(content)).read("archive/data.pkl") == now


WAYS = [
    *({"pickle_protocol": protocol} for protocol in (2, 3, 4, 5)),
    {"_use_new_zipfile_serialization": False},
    {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
]


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_every_protocol_of_pytorch(options):
    torch = pytest.importorskip("torch")
    value = sample(torch)
    value["more"] = {
        "bytes": b"\0\xffa", "bytearray": bytearray(b"x"), "complex": 1 + 2j, "set": {1, "a"},
        "none": torch.zeros(0, 3), "ints": [0, 255, 256, 65535, 65536, -1, 2**31, -(2**31) - 1, 2**64],
        "negative": -(10**80), "long": "x" * 300, "floats": [0.0, -0.0, 1e308, float("inf")],
        1: {(1, "a"): 2.5, None: [], True: ()}, "list": [[[]]],
    }  # fmt: skip
    back = load(of_torch(value, **options))
    assert shown(back) == shown(value)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,), (2, 0, 3), (1, 1, 1, 1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_every_dtype_and_shape_both_ways(dtype, shape):
    torch = pytest.importorskip("torch")
    array = (np.arange(np.prod(shape, dtype=int)) % 2).astype(dtype).reshape(shape)
    theirs = torch.from_numpy(array)
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        back = load(of_torch(theirs, **options))
        assert type(back) is verigrad.Tensor
        assert shown(back) == shown(theirs)
    assert shown(to_torch(saved(verigrad.from_numpy(array)))) == shown(theirs)


VIEWS = {
    "transposed": lambda x: x.t(),
    "steps": lambda x: x[1:, ::2],
    "row": lambda x: x[2],
    "column": lambda x: x[:, 3],
    "expanded": lambda x: x[:1].expand(5, 6),
    "element": lambda x: x[1, 1],
    "permuted": lambda x: x.reshape(2, 2, 6).permute(2, 0, 1),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", VIEWS)
def test_views_keep_strides_and_memory_both_ways(name, stream):
    torch = pytest.importorskip("torch")
    view = VIEWS[name]
    theirs = torch.arange(24.0).reshape(4, 6)
    value = {"view": view(theirs), "whole": theirs}
    back = load(of_torch(value, _use_new_zipfile_serialization=not stream))
    assert shown(back) == shown(value)
    assert memory(back["view"]) - memory(back["whole"]) == view(theirs).storage_offset() * 4

    ours = verigrad.arange(24.0).reshape(4, 6)
    again = to_torch(saved({"view": view(ours), "whole": ours}))
    assert shown(again) == shown(value)
    assert memory(again["view"]) - memory(again["whole"]) == view(theirs).storage_offset() * 4


def test_parameters_gradients_and_attributes():
    torch = pytest.importorskip("torch")
    noted, plain = torch.nn.Parameter(torch.ones(2)), torch.ones(1)
    noted.decay, plain.origin = False, "file"
    value = [
        torch.nn.Parameter(torch.zeros(2), requires_grad=False),
        torch.ones(2, requires_grad=True),
        torch.ones(2, requires_grad=True) * 2,
        noted,
        plain,
        torch.nn.Buffer(torch.ones(1)),
    ]
    for back in (load(of_torch(value)), load(of_torch(value, _use_new_zipfile_serialization=False))):
        assert [type(one).__name__ for one in back] == [
            "Parameter",
            "Tensor",
            "Tensor",
            "Parameter",
            *["Tensor"] * 2,
        ]
        assert [one.requires_grad for one in back] == [False, True, True, True, False, False]
        assert all(one.is_leaf for one in back)
        assert back[3].decay is False and back[4].origin == "file" and back[5].persistent is True


def test_one_object_twice_is_one_object():
    torch = pytest.importorskip("torch")
    weight, shared = torch.ones(2), [1]
    back = load(of_torch({"a": weight, "b": weight, "c": shared, "d": shared}))
    assert back["a"] is back["b"] and back["c"] is back["d"]


def test_states_of_modules_optimizers_and_schedules():
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2, 2])
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    schedule.step()
    value = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
    }
    back = load(of_torch(value))
    assert shown(back) == shown(value)
    assert back["model"]._metadata == model.state_dict()._metadata
    assert type(back["schedule"]["milestones"]) is collections.Counter
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    ours.load_state_dict(back["model"])
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    theirs.load_state_dict(to_torch(saved(ours.state_dict())))
    assert shown(theirs.state_dict()) == shown(model.state_dict())
    assert list(to_torch(saved(ours.state_dict()))._metadata) == ["", "0", "1", "2"]


def test_dtypes_and_devices():
    torch = pytest.importorskip("torch")
    back = load(
        of_torch([torch.float32, torch.int64, torch.bool, torch.device("cpu"), torch.device("cuda", 1)])
    )
    assert back == [
        verigrad.float32,
        verigrad.int64,
        verigrad.bool,
        verigrad.device("cpu"),
        verigrad.device("cuda", 1),
    ]


REFUSED = {
    "HalfStorage (elements of float16) near 'a.w'": lambda torch: {"a": {"b": 1, "w": torch.zeros(2).half()}},
    "BFloat16Storage (elements of bfloat16) near 'w'": lambda torch: {"w": _parameter(torch)},
    "CharStorage (elements of int8)": lambda torch: torch.zeros(2, dtype=torch.int8),
    "ComplexFloatStorage (elements of complex64)": lambda torch: torch.zeros(2, dtype=torch.complex64),
    "(a tensor of a dtype that verigrad lacks)": lambda torch: torch.zeros(2, dtype=torch.float8_e4m3fn),
    "(a sparse tensor)": lambda torch: torch.eye(2).to_sparse(),
    "got torch...meta...": lambda torch: torch.zeros(2, device="meta"),
    "torch.nn.modules.linear.Linear...; save the state_dict() of": lambda torch: torch.nn.Linear(1, 1),
    "torch.float16 (a dtype that verigrad lacks)": lambda torch: torch.float16,
    "the device 'mps:0'": lambda torch: torch.device("mps", 0),
    "torch.storage.UntypedStorage (a storage by itself)": lambda torch: torch.zeros(2).untyped_storage(),
    "builtins.frozenset": lambda torch: frozenset([1]),
    "builtins.print": lambda torch: {"function": print},
    "multiarray.scalar near 'loss'": lambda torch: {"loss": np.float64(1)},
    "multiarray._reconstruct": lambda torch: np.zeros(2),
    "keys that are texts, numbers, None or tuples of these, got Tensor": lambda torch: {torch.zeros(1): 1},
    "attribute 'data'": lambda torch: _annotated(torch, "data_", "data"),
    "attribute '__len__'": lambda torch: _annotated(torch, "__lex__", "__len__"),
    "attribute 'extra' of type list": lambda torch: _annotated(torch, "extra", "extra", []),
}  # fmt: skip


def _parameter(torch):
    return torch.nn.Parameter(torch.ones(2).bfloat16())


def _annotated(torch, placeholder, name, value=1):
    tensor = torch.ones(1)
    setattr(tensor, placeholder, value)
    return tensor, (placeholder, name)


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_no_data_is_refused_by_its_name(words):
    torch = pytest.importorskip("torch")
    value = REFUSED[words](torch)
    old, new = "", ""
    if "attribute" in words:
        value, (old, new) = value
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        content = of_torch(value, **options)
        if old != new:  # names that no program can set
            content = _pickled(content, _named(old), _named(new))
        with pytest.raises(RuntimeError) as caught:
            load(content)
        assert str(caught.value).startswith("load: expected")
        for part in words.split("..."):
            assert part in str(caught.value)


def _named(text):
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def _pickled(content, old, new):
    """A file with some bytes of its pickle replaced."""
    if not content.startswith(b"PK"):
        assert content.count(old) == 1
        return content.replace(old, new)
    source, target = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name).replace(old, new))
    return target.getvalue()


def test_map_location():
    for name in FILES:
        # "mps" is a device that verigrad does not know; the text has as many characters as "cpu".
        content = _pickled(file_of(name), b"X\3\0\0\0cpu", b"X\3\0\0\0mps")
        with pytest.raises(
            RuntimeError, match="load: .*'mps'; map_location says where the tensors go instead"
        ):
            load(content)
        for location in ("cpu", verigrad.device("cpu"), {"mps": "cpu"}):
            assert shown(load(content, location)) == shown(sample(verigrad))


def test_archives_of_the_other_byte_order_and_without_checksums():
    source = zipfile.ZipFile(io.BytesIO(file_of("archive")))
    swapped, blank = io.BytesIO(), bytearray(file_of("archive"))
    with zipfile.ZipFile(swapped, "w") as archive:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("data/0"):
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            if entry.filename.endswith("data/2"):
                data = data[::-1]
            if entry.filename.endswith("byteorder"):
                data = b"big"
            archive.writestr(f"another/{entry.filename.partition('/')[2]}", data)
    assert shown(load(swapped.getvalue())) == shown(sample(verigrad))
    # As after torch.serialization.set_crc32_options(False); a single checksum that is 0 is a wrong one.
    for entry in source.infolist():
        wrong = zlib.crc32(source.read(entry)).to_bytes(4, "little")
        at = bytes(blank).index(entry.filename.encode(), source.start_dir) - 46
        assert blank[at + 16 : at + 20] == wrong
        if entry.filename.endswith("data/0"):
            once = bytes(blank[: at + 16]) + bytes(4) + file_of("archive")[at + 20 :]
        blank[at + 16 : at + 20] = bytes(4)
    assert shown(load(bytes(blank))) == shown(sample(verigrad))
    with pytest.raises(RuntimeError, match="checksum"):
        load(once)


def test_checksums_can_be_off():
    torch = pytest.importorskip("torch")
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        content = of_torch(sample(torch))
    finally:
        torch.serialization.set_crc32_options(before)
    assert shown(load(content)) == shown(sample(verigrad))


# Writing


def test_pytorch_reads_what_save_writes(tmp_path):
    torch = pytest.importorskip("torch")
    value = sample(verigrad)
    value["more"] = {
        "ints": [0, 255, 256, 65535, 65536, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**64, -(2**2039)],
        "floats": [0.0, -0.0, 1e308, float("inf")], 1: {(1, "a"): 2.5, None: [], True: ()}, "": [[[]]],
        "leaf": verigrad.ones(2, requires_grad=True), "empty": verigrad.zeros(0, 3), "é\0": "\n" * 300,
    }  # fmt: skip
    verigrad.save(value, tmp_path / "f.pt", format="torch")
    for back in (
        torch.load(tmp_path / "f.pt"),
        torch.load(tmp_path / "f.pt", mmap=True, weights_only=True),
        to_torch(saved(value)),
    ):
        assert shown(back) == shown(value)
        assert memory(back["w"]) == memory(back["t"]) == memory(back["p"])
        assert isinstance(back["size"], torch.Size)
    assert shown(verigrad.load(tmp_path / "f.pt")) == shown(value)


def test_the_archive_is_sound_and_its_data_are_aligned():
    content = saved(sample(verigrad))
    assert content == saved(sample(verigrad))
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    assert archive.namelist() == [
        *("archive/data.pkl", "archive/byteorder"),
        *(f"archive/data/{key}" for key in range(3)),
        "archive/version",
    ]
    elements = np.arange(6, dtype=np.float32).tobytes()
    assert content.index(elements) % 64 == 0


def test_records_of_more_than_two_gigabytes_in_small(monkeypatch, tmp_path):
    monkeypatch.setattr(_torch_writer, "_LARGE", 10)  # bytes from which sizes have 64 bits
    monkeypatch.setattr(_torch_writer, "_CHUNK", 7)
    content = saved(sample(verigrad))
    assert content.index(np.arange(6, dtype=np.float32).tobytes()) % 64 == 0
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert shown(load(content)) == shown(sample(verigrad))
    (tmp_path / "f.pt").write_bytes(content)
    torch = pytest.importorskip("torch")
    for options in ({}, {"mmap": True}):
        assert shown(torch.load(tmp_path / "f.pt", weights_only=True, **options)) == shown(sample(torch))


def test_what_nothing_shows_is_not_written():
    base = verigrad.arange(1000.0).reshape(10, 100)
    archive = zipfile.ZipFile(io.BytesIO(saved({"column": base[:, 5], "again": [base[:, 5]]})))
    assert archive.getinfo("archive/data/0").file_size == 40
    archive = zipfile.ZipFile(io.BytesIO(saved([base[4:6], base[5:7], base[8]])))
    assert [archive.getinfo(f"archive/data/{key}").file_size for key in (0, 1)] == [1200, 400]
    back = load(saved([base[4:6], base[5:7], base[8], verigrad.zeros(0), base[5][:0]]))
    back[0][1, 0] = -1
    assert back[1][0, 0].item() == -1
    assert verigrad.equal(back[2], base[8])


def test_numbers_over_one_memory_with_several_dtypes_are_written_apart():
    array = np.arange(4, dtype=np.int32)
    value = [
        verigrad.from_numpy(array),
        verigrad.from_numpy(array.view(np.float32)),
        verigrad.from_numpy(array[1:]),
    ]
    back = load(saved(value))
    assert shown(back) == shown(value)
    assert memory(back[2]) - memory(back[0]) == 4


@pytest.mark.parametrize("format", ["safetensors", "torch"])
def test_bools_are_written_as_zero_and_one(format):
    array = np.array([[0, 255], [2, 1]], np.uint8).view(bool)
    buffer = io.BytesIO()
    verigrad.save([verigrad.from_numpy(array), verigrad.from_numpy(array)[0, 1]], buffer, format=format)
    back = load(buffer.getvalue())
    assert [one.tolist() for one in back] == [[[False, True], [True, True]], True]
    assert array.view(np.uint8).tolist() == [[0, 255], [2, 1]]


def test_refusals_of_save(tmp_path):
    path = tmp_path / "f"
    verigrad.save("old", path, format="torch")
    endless = []
    endless.append(endless)
    for value, error, words in (
        ({"a": [1j]}, TypeError, "got builtins.complex at a.0"),
        (endless, ValueError, "at most 100 levels"),
        (2**2040, ValueError, "ints of at most 255 bytes with format='torch', got 256"),
        ("\ud800", ValueError, "lone surrogate"),
        ({(1, 2**64): 1}, ValueError, "integer keys of 64 bits with format='torch', got a longer one"),
        ({tuple(range(100)): 1}, ValueError, "keys of at most 100 values with format='torch', got 101"),
    ):
        with pytest.raises(error, match=f"^save: expected .*{words}"):
            verigrad.save(value, path, format="torch")
    with pytest.raises(ValueError, match="save: expected format 'safetensors' or 'torch', got 'pickle'"):
        verigrad.save(1, path, format="pickle")
    with pytest.raises(TypeError, match="save: expected a path or a binary file, got int"):
        verigrad.save(1, 5, format="torch")
    assert verigrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs limits of file sizes")
@pytest.mark.parametrize("limit", [0, 100, 700, 8192, 20_000])
def test_a_full_disk_leaves_the_old_file(tmp_path, limit):
    path = tmp_path / "f"
    verigrad.save("old", path, format="torch")
    code = (
        "import resource, signal, sys, verigrad\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit},) * 2)\n"
        "try:\n"
        "    verigrad.save({'new': verigrad.ones(5000)}, sys.argv[1], format='torch')\n"
        "except OSError as error:\n"
        "    sys.exit(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (errno.EFBIG, "")
    assert verigrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["f"]


# ResNet-18 as in torchvision, whose keys these are


def resnet18(library):
    """The network for ImageNet, of either library's layers."""
    nn = library.nn

    class Block(nn.Module):
        def __init__(self, planes, out, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(planes, out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
            self.downsample = None
            if stride > 1:
                self.downsample = nn.Sequential(
                    nn.Conv2d(planes, out, 1, stride, bias=False), nn.BatchNorm2d(out)
                )

        def forward(self, x):
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            return (y + (x if self.downsample is None else self.downsample(x))).relu()

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            planes = 64
            for stage, out in enumerate((64, 128, 256, 512)):
                blocks = nn.Sequential(Block(planes, out, 1 + (stage > 0)), Block(out, out, 1))
                setattr(self, f"layer{stage + 1}", blocks)
                planes = out
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(512, 1000)

        def forward(self, x):
            x = self.maxpool(self.bn1(self.conv1(x)).relu())
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(self.avgpool(x).flatten(1))

    return ResNet()


def test_the_weights_of_resnet18_travel_both_ways(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = resnet18(torch), resnet18(verigrad)
    images = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)
    theirs(torch.from_numpy(images))  # moves the running statistics away from their start
    theirs.eval()
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images)).numpy()

    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    state = verigrad.load(tmp_path / "resnet18.pth")
    assert len(state) == 122 and sum(one.numel() for one in ours.parameters()) == 11_689_512
    assert sorted(state) == sorted(ours.state_dict())
    small = verigrad.vision.models.small_resnet18().state_dict()
    assert sorted(small) == sorted(state)  # the network for small images has the same names
    ours.load_state_dict(state)
    ours.eval()
    with verigrad.no_grad():
        result = ours(verigrad.from_numpy(images)).numpy()
    assert np.abs(result - expected).max() <= 1e-5 * np.abs(expected).max()

    verigrad.save(ours.state_dict(), tmp_path / "back.pth", format="torch")
    again = resnet18(torch)
    again.load_state_dict(torch.load(tmp_path / "back.pth", weights_only=True))
    again.eval()
    with torch.no_grad():
        assert np.array_equal(again(torch.from_numpy(images)).numpy(), expected)
