"""Pickles and archives written by hand: an assembler of opcodes, files around them, and hostile ones. Nothing
here runs a pickle."""

from __future__ import annotations

import io
import os
import pickle as op
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

MAGIC = 0x1950A86A20F9469CFC6C
EIGHT = {"0": struct.pack("<2f", 1.0, 2.0)}  # a storage of two float32


# The assembler


def pickled(*parts: bytes, protocol: int = 2) -> bytes:
    return op.PROTO + bytes([protocol]) + b"".join(parts) + op.STOP


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return op.BINUNICODE + struct.pack("<I", len(raw)) + raw


def num(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: op.NONE, True: op.NEWTRUE, False: op.NEWFALSE}[value]
    if isinstance(value, float):
        return op.BINFLOAT + struct.pack(">d", value)
    raw = op.encode_long(value)
    return op.LONG1 + bytes([len(raw)]) + raw


def tup(*parts: bytes) -> bytes:
    return op.MARK + b"".join(parts) + op.TUPLE


def nums(*values: Any) -> bytes:
    return tup(*map(num, values))


def glob(module: str, name: str) -> bytes:
    return op.GLOBAL + f"{module}\n{name}\n".encode()


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return glob(module, name) + tup(*arguments) + op.REDUCE


def many(*parts: bytes) -> bytes:
    return op.EMPTY_LIST + op.MARK + b"".join(parts) + op.APPENDS


def table(*pairs: bytes) -> bytes:
    return op.EMPTY_DICT + op.MARK + b"".join(pairs) + op.SETITEMS


ORDERED = call("collections", "OrderedDict")


def storage(
    count: Any = 2, key: str = "0", kind: str = "FloatStorage", where: str = "cpu", start: str = "storage"
) -> bytes:
    return tup(text(start), glob("torch", kind), text(key), text(where), num(count)) + op.BINPERSID


def tensor(
    of: bytes | None = None,
    offset: bytes = num(0),
    size: bytes = nums(2),
    stride: bytes = nums(1),
    grad: bytes = num(False),
    hooks: bytes = ORDERED,
    *more: bytes,
) -> bytes:
    of = storage() if of is None else of
    return call("torch._utils", "_rebuild_tensor_v2", of, offset, size, stride, grad, hooks, *more)


def parameter(data: bytes, grad: bytes = num(True), hooks: bytes = ORDERED, *state: bytes) -> bytes:
    name = "_rebuild_parameter_with_state" if state else "_rebuild_parameter"
    return call("torch._utils", name, data, grad, hooks, *state)


# Files around a pickle


def archive(
    content: bytes,
    storages: dict[str, bytes] | None = None,
    folder: str = "archive",
    method: int = zipfile.ZIP_STORED,
    **records: bytes,
) -> bytes:
    """What torch.save writes today; *records* replace or add others, by their names."""
    target = io.BytesIO()
    named = {"data.pkl": content, "byteorder": b"little"}
    named |= {f"data/{key}": value for key, value in (EIGHT if storages is None else storages).items()}
    named |= {"version": b"3\n", **records}
    with zipfile.ZipFile(target, "w", method) as file:
        for name, value in named.items():
            file.writestr(zipfile.ZipInfo(f"{folder}/{name}", (1980, 1, 1, 0, 0, 0)), value, method)
    return target.getvalue()


def stream(content: bytes, storages: dict[str, bytes] | None = None, width: int = 4) -> bytes:
    """What torch.save wrote before version 1.6. The persistent ids of storages have one entry more there."""
    storages = EIGHT if storages is None else storages
    system = table(text("little_endian"), num(True))
    parts = [pickled(num(MAGIC)), pickled(num(1001)), pickled(system), content]
    parts.append(pickled(many(*map(text, storages))))
    parts += [struct.pack("<q", len(value) // width) + value for value in storages.values()]
    return b"".join(parts)


# Hostile pickles


class Attack:
    """Makes a folder when a pickle of it is run."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (self.path,)


def programs(canary: str) -> dict[str, bytes]:
    """Pickles that would run something: in Python's unpickler the first ones make the folder *canary*."""
    path = text(canary)
    code = f"__import__('os').mkdir({canary!r})"
    found = {f"mkdir, protocol {number}": op.dumps(Attack(canary), number) for number in range(6)}
    found |= {
        "a list of it": op.dumps([1, {"a": Attack(canary)}], 2),
        "global": pickled(call("os", "mkdir", path)),
        "stack global": pickled(
            text("os") + text("mkdir") + op.STACK_GLOBAL + tup(path) + op.REDUCE, protocol=4
        ),
        "dotted": pickled(
            text("zipfile") + text("os.mkdir") + op.STACK_GLOBAL + tup(path) + op.REDUCE, protocol=4
        ),
        "inst": pickled(op.MARK + path + op.INST + b"os\nmkdir\n"),
        "obj": pickled(op.MARK + glob("os", "mkdir") + path + op.OBJ),
        "eval": pickled(call("builtins", "eval", text(code))),
        "old eval": pickled(call("__builtin__", "eval", text(code))),
        "exec": pickled(call("builtins", "exec", text(code))),
        "within a tensor": pickled(tensor(call("os", "mkdir", path))),
        "as a hook": pickled(tensor(hooks=call("os", "mkdir", path))),
        "as a key": pickled(table(call("os", "mkdir", path), num(1))),
        "state": pickled(ORDERED + call("os", "mkdir", path) + op.BUILD),
        "id": pickled(call("os", "mkdir", path) + op.BINPERSID),
        "discarded": pickled(call("os", "mkdir", path) + op.POP + num(1)),
    }
    return found


def refused() -> dict[str, bytes]:
    """Pickles of names, opcodes and arguments that are no data."""
    names = """
        os:system posix:system nt:system subprocess:Popen builtins:getattr builtins:__import__
        builtins:open builtins:object builtins:type builtins:bytes importlib:import_module
        operator:attrgetter functools:partial copyreg:_reconstructor types:CodeType pickle:loads
        torch:load torch.hub:load torch.serialization:load torch._utils:_import_dotted_name
        torch.jit._script:unpackage_script_module torch.storage:_load_from_bytes verigrad:load
        io:open numpy._core.multiarray:_reconstruct numpy.core.multiarray:scalar
        collections:defaultdict torch torch.nn.modules.linear:Linear torch:Generator _codecs:decode
        runpy:run_path shutil:rmtree torch._utils:_rebuild_qtensor
        torch._utils:_rebuild_wrapper_subclass __main__:Attack torch.FloatStorage:__init__
        collections:OrderedDict.fromkeys torch.Size:__subclasses__
    """
    found = {}
    for name in names.split():
        module, _, rest = name.partition(":")
        found[f"name {name}"] = pickled(glob(module, rest))
        found[f"new name {name}"] = pickled(text(module) + text(rest) + op.STACK_GLOBAL, protocol=4)
    two = num(1) + num(2)
    size, floats = glob("torch", "Size"), glob("torch", "FloatStorage")
    opcodes = {
        "POP": op.POP, "POP_MARK": op.POP_MARK, "DUP": op.DUP, "NEWOBJ": op.NEWOBJ,
        "NEWOBJ_EX": op.NEWOBJ_EX, "OBJ": op.OBJ, "EXT1": op.EXT1 + b"\1", "EXT2": op.EXT2 + b"\1\0",
        "EXT4": op.EXT4 + b"\1\0\0\0", "PERSID": op.PERSID + b"0\n", "GET": op.GET + b"0\n",
        "PUT": op.PUT + b"0\n", "INT": op.INT + b"1\n", "LONG": op.LONG + b"1L\n",
        "FLOAT": op.FLOAT + b"1\n", "STRING": op.STRING + b"'a'\n", "LIST": op.LIST,
        "UNICODE": op.UNICODE + b"a\n", "DICT": op.DICT, "FROZENSET": op.FROZENSET,
        "PROTO": op.PROTO + b"\2", "NEXT_BUFFER": op.NEXT_BUFFER,
        "READONLY_BUFFER": op.READONLY_BUFFER, "unknown": b"\xff", "zero": b"\0",
    }  # fmt: skip
    found |= {f"opcode {name}": pickled(op.MARK, two, code) for name, code in opcodes.items()}
    found |= {
        "empty stack": pickled(),
        "two objects": pickled(two),
        "open mark": pickled(op.MARK + two),
        "no mark": pickled(two + op.TUPLE),
        "tuple across a mark": pickled(num(1) + op.MARK + op.TUPLE1),
        "memo of nothing": pickled(op.BINPUT + b"\0"),
        "memo never filled": pickled(op.BINGET + b"\0"),
        "memo beyond": pickled(op.LONG_BINGET + b"\xff" * 4),
        "no stop": pickled(num(1))[:-1],
        "nothing": b"",
        "protocol 0": b"I1\n.",
        "protocol 1": pickled(num(1), protocol=1),
        "protocol 6": pickled(num(1), protocol=6),
        "a tail": pickled(num(1)) + b"N.",
        "names by themselves": pickled(many(size, floats)),
        "a storage by itself": pickled(many(storage())),
        "no name": pickled(op.GLOBAL + b"os"),
        "a name without end": pickled(op.GLOBAL + b"o" * 5000 + b"\nx\n"),
        "a name in no text": pickled(op.GLOBAL + b"\xff\xfe\nx\n"),
        "a name of surrogates": pickled(text("\ud800") + text("\n\x1b[31m") + op.STACK_GLOBAL, protocol=4),
        "a name of numbers": pickled(two + op.STACK_GLOBAL, protocol=4),
        "text in no text": pickled(op.BINUNICODE + b"\2\0\0\0\xff\xff"),
        "a call of a number": pickled(num(1) + tup() + op.REDUCE),
        "a call of a dtype": pickled(glob("torch", "float32") + tup() + op.REDUCE),
        "a call of a storage": pickled(floats + nums(10**9) + op.REDUCE),
        "a call of Tensor": pickled(call("torch", "Tensor", num(2))),
        "arguments in a list": pickled(size + many() + op.REDUCE),
        "too many arguments": pickled(call("torch", "Size", nums(1), num(2))),
        "no arguments": pickled(call("torch._utils", "_rebuild_tensor_v2")),
        "append to a tuple": pickled(tup() + num(1) + op.APPEND),
        "append to a tensor": pickled(tensor() + num(1) + op.APPEND),
        "items of a list": pickled(many() + two + op.SETITEM),
        "items of a tensor": pickled(tensor() + two + op.SETITEM),
        "odd items": pickled(table(num(1))),
        "add to a dict": pickled(table() + op.MARK + two + op.ADDITEMS, protocol=4),
        "build a list": pickled(many() + table(text("a"), num(1)) + op.BUILD),
        "build a dict": pickled(table() + table(text("__class__"), num(1)) + op.BUILD),
        "build a tensor": pickled(tensor() + table(text("data"), num(1)) + op.BUILD),
        "build a name": pickled(size + table(text("call"), num(1)) + op.BUILD),
        "build a class": pickled(ORDERED + table(text("__class__"), size) + op.BUILD),
        "build a method": pickled(ORDERED + table(text("items"), num(1)) + op.BUILD),
        "build with slots": pickled(ORDERED + tup(num(None), table(text("a"), num(1))) + op.BUILD),
        "metadata of a number": pickled(ORDERED + table(text("_metadata"), num(1)) + op.BUILD),
        "metadata of numbers": pickled(
            ORDERED + table(text("_metadata"), table(text(""), num(1))) + op.BUILD
        ),
        "metadata that changes": pickled(
            ORDERED + op.EMPTY_DICT + op.BINPUT + b"\1", op.BINPUT + b"\2" + op.EMPTY_DICT,
            text("_metadata") + op.BINGET + b"\2" + op.SETITEM + op.BUILD,
            op.MARK + op.BINGET + b"\1" + num(1) + size + op.SETITEM + op.TUPLE + op.TUPLE2,
        ),
        "a list as key": pickled(table(many(), num(1))),
        "a set of lists": pickled(call("builtins", "set", many(many()))),
        "a long key": pickled(table(num(2**61 - 1 << 40), num(1))),
        "a long element": pickled(op.EMPTY_SET + op.MARK + num(2**70) + op.ADDITEMS, protocol=4),
        "a codec": pickled(call("_codecs", "encode", text("a"), text("rot13"))),
        "a codec of modules": pickled(call("_codecs", "encode", text("a"), text("zlib_codec"))),
        "no Latin-1": pickled(call("_codecs", "encode", text("\u20ac"), text("latin1"))),
        "a bytearray of a number": pickled(call("builtins", "bytearray", num(10**12))),
        "a set of a number": pickled(call("builtins", "set", num(1))),
        "a complex of texts": pickled(call("builtins", "complex", text("1"), text("2"))),
        "a Counter of a list": pickled(call("collections", "Counter", many())),
        "an OrderedDict of numbers": pickled(call("collections", "OrderedDict", many(num(1)))),
        "a size of texts": pickled(call("torch", "Size", tup(text("a")))),
        "a negative size": pickled(call("torch", "Size", nums(-1))),
        "a device of a number": pickled(call("torch", "device", num(1))),
        "a device of nobody": pickled(call("torch", "device", text("xla"), num(0))),
        "a device of many": pickled(call("torch", "device", text("cuda"), num(2**40))),
    }  # fmt: skip
    return found


def wrong_tensors() -> dict[str, bytes]:
    """Pickles of tensors that do not fit the two elements of their storage, or make no sense."""
    huge = 2**62
    yes = num(True)
    whole_id = text("storage"), glob("torch", "FloatStorage"), text("0"), text("cpu"), num(2)
    parts = {
        "offset": tensor(offset=num(1)),
        "negative offset": tensor(offset=num(-1)),
        "huge offset": tensor(offset=num(2**63)),
        "text offset": tensor(offset=text("0")),
        "size": tensor(size=nums(3)),
        "stride": tensor(stride=nums(2)),
        "negative stride": tensor(offset=num(1), stride=nums(-1)),
        "stride that overflows": tensor(size=nums(3), stride=nums(2**63 - 1)),
        "size that overflows": tensor(size=nums(2**32, 2**32), stride=nums(0, 0)),
        "huge size": tensor(size=nums(huge), stride=nums(0)),
        "empty and huge": tensor(size=nums(0, huge, huge), stride=nums(1, 1, 1)),
        "17 dimensions": tensor(size=nums(*[1] * 17), stride=nums(*[1] * 17)),
        "fewer strides": tensor(stride=nums()),
        "bool sizes": tensor(size=nums(True)),
        "float sizes": tensor(size=nums(1.0)),
        "sizes in a list": tensor(size=many(num(2))),
        "no storage": tensor(num(1)),
        "a dtype as storage": tensor(glob("torch", "FloatStorage")),
        "grad of 1": tensor(grad=num(1)),
        "grad of integers": tensor(storage(1, kind="LongStorage"), size=nums(1), grad=num(True)),
        "hooks": tensor(hooks=table(num(1), num(2))),
        "hooks of a tensor": tensor(hooks=tensor()),
        "a codec of a tensor": call("_codecs", "encode", text("a"), tensor()),
        "an id with a tensor": tensor(tup(*whole_id, tensor()) + op.BINPERSID),
        "metadata": tensor(
            storage(), num(0), nums(), nums(), num(False), ORDERED, table(text("conj"), num(True))
        ),
        "parameter of a number": parameter(num(1)),
        "parameter of a parameter": parameter(parameter(tensor())),
        "parameter of integers": parameter(tensor(storage(1, kind="LongStorage"), size=nums(1))),
        "parameter with hooks": parameter(tensor(), num(True), table(num(1), num(2))),
        "attribute data": parameter(tensor(), yes, ORDERED, table(text("data"), num(1))),
        "attribute grad": parameter(tensor(), yes, ORDERED, table(text("grad"), num(1))),
        "attribute __class__": parameter(tensor(), yes, ORDERED, table(text("__class__"), num(1))),
        "attribute of a name": parameter(tensor(), yes, ORDERED, table(text("a"), glob("torch", "Size"))),
        "attribute 1": parameter(tensor(), yes, ORDERED, table(num(1), num(1))),
        "state of a list": parameter(tensor(), yes, ORDERED, many()),
        "a type that is no tensor": call(
            "torch._tensor", "_rebuild_from_type_v2", glob("_codecs", "encode"), glob("torch", "Tensor"),
            tup(text("a"), text("latin1")), table(),
        ),
        "a type of text": call(
            "torch._tensor", "_rebuild_from_type_v2", text("a"), text("b"), tup(), table()
        ),
        "a tensor as key": table(tensor(), num(1)),
        "version 3": call("torch._utils", "_rebuild_tensor_v3", storage()),
        "id of a number": tensor(num(0) + op.BINPERSID),
        "id of a text": tensor(text("storage") + op.BINPERSID),
        "short id": tensor(tup(text("storage")) + op.BINPERSID),
        "id of a module": tensor(storage(start="module")),
        "negative count": tensor(storage(-1)),
        "bool count": tensor(storage(True), size=nums(2)),
        "huge count": tensor(storage(2**62)),
        "count beyond numbers": tensor(storage(2**2000)),
        "fewer elements": tensor(storage(1), size=nums(1)),
        "more elements": tensor(storage(3)),
        "another dtype": tensor(storage(2, kind="DoubleStorage")),
        "half": tensor(storage(4, kind="HalfStorage")),
        "no dtype": tensor(
            tup(text("storage"), glob("torch", "Size"), text("0"), text("cpu"), num(2)) + op.BINPERSID
        ),
        "two dtypes": tup(tensor(), tensor(storage(2, kind="IntStorage"))),
        "two sizes": tup(tensor(), tensor(storage(1), size=nums(1))),
        "two devices": tup(tensor(), tensor(storage(2, where="cuda:0"))),
        "a missing record": tensor(storage(key="1")),
        "another record": tensor(storage(key="../version")),
        "a path": tensor(storage(key="../../../etc/passwd")),
        "an absolute path": tensor(storage(key="/etc/passwd")),
        "nobody's device": tensor(storage(where="xla:0")),
        "no device": tensor(storage(where="")),
        "bools of other bytes": tensor(storage(8, kind="BoolStorage")),
    }  # fmt: skip
    return {name: pickled(part) for name, part in parts.items()}


def bombs() -> dict[str, bytes]:
    """Small pickles that ask for much memory, time or depth."""
    lengths = {
        "BINUNICODE": op.BINUNICODE + b"\xff" * 4, "BINUNICODE8": op.BINUNICODE8 + b"\xff" * 7 + b"\x7f",
        "BINBYTES": op.BINBYTES + b"\xff" * 4, "BINBYTES8": op.BINBYTES8 + b"\xff" * 8,
        "BYTEARRAY8": op.BYTEARRAY8 + b"\xff" * 5 + b"\0\0\0", "LONG1": op.LONG1 + b"\xff",
        "LONG4": op.LONG4 + b"\xff" * 3 + b"\x7f", "negative LONG4": op.LONG4 + b"\xff" * 4,
        "BINSTRING": op.BINSTRING + b"\xff" * 4, "FRAME": op.FRAME + b"\xff" * 8,
        "SHORT_BINBYTES": op.SHORT_BINBYTES + b"\xff",
    }  # fmt: skip
    found = {f"length of {name}": pickled(code, protocol=5) for name, code in lengths.items()}
    get, put = op.BINGET + b"\0", op.BINPUT + b"\0"
    laughs = tup(num(1), num(2)) + put + (get + op.TUPLE2 + put) * 60
    long = text("x" * 10_000) + put
    numbers = many(*[num(1)] * 5000) + put
    found |= {
        "a list in itself": pickled(op.EMPTY_LIST + put + get + op.APPEND),
        "a dict in itself": pickled(op.EMPTY_DICT + put + num(1) + get + op.SETITEM),
        "a list in itself by a tuple": pickled(op.EMPTY_LIST + put + get + op.TUPLE1 + op.APPEND),
        "doubled 60 times": pickled(laughs),
        "doubled as key": pickled(op.EMPTY_DICT + laughs + num(1) + op.SETITEM),
        "deep lists": pickled(op.EMPTY_LIST * 5000 + op.APPEND * 4999),
        "deep tuples": pickled(op.EMPTY_TUPLE + op.TUPLE1 * 5000),
        "deep key": pickled(op.EMPTY_DICT + op.EMPTY_TUPLE + op.TUPLE1 * 5000 + num(1) + op.SETITEM),
        "101 levels": pickled(op.EMPTY_TUPLE + op.TUPLE1 * 100),
        "marks": pickled(op.MARK * 5000),
        "copies of bytes": pickled(
            op.MARK + long + call("_codecs", "encode", get, text("latin1")) * 200 + op.TUPLE
        ),
        "copies of bytearrays": pickled(
            op.MARK + call("_codecs", "encode", long, text("latin1")) + put,
            call("builtins", "bytearray", get) * 200 + op.TUPLE,
        ),
        "copies of sets": pickled(op.MARK + numbers + call("builtins", "set", get) * 200 + op.TUPLE),
        "copies of sizes": pickled(
            op.MARK + nums(*[1] * 5000) + put + call("torch", "Size", get) * 200 + op.TUPLE
        ),
    }
    return found


# Pickles in good form of things in none


CALLS = {
    "torch._utils": ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"),
    "torch._tensor": ("_rebuild_from_type_v2",),
    "torch": ("Size", "device", "float32", "FloatStorage", "Tensor"),
    "collections": ("OrderedDict", "Counter"),
    "builtins": ("bytearray", "set", "complex"),
    "_codecs": ("encode",),
    "os": ("mkdir",),
}
INTS = (0, 1, 2, 3, -1, 255, 2**31, 2**63 - 1, 2**63, -(2**63), 2**70)
TEXTS = (
    "",
    "w",
    "cpu",
    "cuda:0",
    "storage",
    "latin1",
    "_metadata",
    "data",
    "requires_grad",
    "a.b",
    "\ud800",
    "é" * 50,
)


def anything(rng: random.Random, depth: int = 0) -> bytes:
    """The opcodes of a random value, in which names, calls and tensors meet what they do not expect."""
    kind = rng.random()
    again = op.BINPUT + bytes([rng.randrange(4)]) if rng.random() < 0.3 else b""

    def more(most: int = 4) -> list[bytes]:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(most))]

    if kind < 0.3 or depth > 4:
        simple = (None, True, False, 0.5, float("nan"), rng.choice(INTS), rng.choice(INTS), rng.randrange(4))
        made = num(rng.choice(simple))
    elif kind < 0.4:
        made = text(rng.choice(TEXTS))
    elif kind < 0.45:
        made = op.BINGET + bytes([rng.randrange(4)])
    elif kind < 0.6:
        made = rng.choice((tup, many))(*more())
    elif kind < 0.68:
        made = table(*(part for value in more() for part in (anything(rng, 5), value)))
    elif kind < 0.72:
        made = ORDERED + table(text("_metadata"), anything(rng, depth + 1)) + op.BUILD
    elif kind < 0.82:
        module = rng.choice(tuple(CALLS))
        name = rng.choice(CALLS[module])
        made = call(module, name, *more(6)) if rng.random() < 0.8 else glob(module, name)
    elif kind < 0.86:
        made = parameter(
            anything(rng, depth + 1), num(True), ORDERED, table(text("a"), anything(rng, depth + 1))
        )
    else:
        parts = [storage(), num(0), nums(2), nums(1), num(False), ORDERED]
        if rng.random() < 0.6:
            parts[rng.randrange(len(parts))] = anything(rng, depth + 1)
        made = tensor(*parts)
    return made + again


# Hostile archives


def wrong_archives() -> dict[str, bytes]:
    """Zip files that lie about themselves, or are no files of torch.save."""
    good = pickled(tensor())
    whole = archive(good)
    at = whole.index(b"archive/data/0") - 30  # its local header
    entry = whole.rindex(b"archive/data/0") - 46  # in the directory
    end = whole.rindex(b"PK\5\6")
    directory = int.from_bytes(whole[end + 16 : end + 20], "little")

    def changed(position: int, value: bytes) -> bytes:
        return whole[:position] + value + whole[position + len(value) :]

    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as file:
        for name in ("archive/data.pkl", "other/data.pkl"):
            file.writestr(name, good)
    single = io.BytesIO()
    with zipfile.ZipFile(single, "w") as file:
        file.writestr("data.pkl", good)
    return {
        "compressed": archive(good, method=zipfile.ZIP_DEFLATED),
        "a bomb": archive(pickled(tensor(storage(2**24))), {"0": bytes(2**26)}, method=zipfile.ZIP_DEFLATED),
        "compressed by LZMA": archive(good, method=zipfile.ZIP_LZMA),
        "size in the directory": changed(entry + 24, (2**31 - 1).to_bytes(4, "little")),
        "both sizes in the directory": changed(entry + 20, (2**31 - 1).to_bytes(4, "little") * 2),
        "method in the directory": changed(entry + 10, b"\x08\0"),
        "method in the header": changed(at + 8, b"\x08\0"),
        "encrypted": changed(entry + 8, b"\1\0"),
        "encrypted in the header": changed(at + 6, b"\1\0"),
        "unknown method": changed(entry + 10, b"\xff\xff"),
        "name in the header": changed(at + 30, b"archive/data/1"),
        "name in the directory": changed(entry + 46, b"archive/data/1"),
        "no header": changed(at, b"PK\1\2"),
        "place in another record": changed(entry + 42, bytes(4)),
        "place behind the file": changed(entry + 42, (2**31).to_bytes(4, "little")),
        "place in the directory": changed(entry + 42, directory.to_bytes(4, "little")),
        "extra field beyond": changed(at + 28, b"\xff\xff"),
        "checksum": changed(entry + 16, b"\1\2\3\4"),
        "data": changed(at + 44, b"\xff"),
        "length of the directory": changed(end + 12, b"\xff" * 4),
        "place of the directory": changed(end + 16, b"\xff" * 4),
        "no directory": whole[:directory],
        "no end": whole[:end],
        "two folders": twice.getvalue(),
        "no folder": single.getvalue(),
        "a folder above": archive(good, folder=".."),
        "no pickle": archive(good).replace(b"data.pkl", b"data.pkm"),
        "record twice": archive(good, {"0": EIGHT["0"], "1": EIGHT["0"]}).replace(b"data/1", b"data/0"),
        "TorchScript": archive(good, **{"constants.pkl": good}),
        "version 99": archive(good, version=b"99"),
        "version of text": archive(good, version=b"three"),
        "byteorder": archive(good, byteorder=b"middle"),
        "long byteorder": archive(good, byteorder=b"l" * 5000),
        "a record of another length": archive(good, {"0": bytes(7)}),
        "a longer record": archive(good, {"0": bytes(12)}),
        "an empty record": archive(good, {"0": b""}),
        "zip64": changed(entry + 20, b"\xff" * 8),
    }


def wrong_streams() -> dict[str, bytes]:
    """Streams of pickles and storages that do not fit each other."""
    good = pickled(tensor())
    whole = stream(good)
    one = text("storage"), glob("torch", "FloatStorage"), text("0"), text("cpu"), num(2)
    view = tup(text("1"), num(0), num(1))
    linear = glob("torch.nn.modules.linear", "Linear")
    module = tup(text("module"), linear, text("linear.py"), text("class Linear:")) + op.BINPERSID
    return {
        "another magic": whole.replace(op.encode_long(MAGIC), op.encode_long(MAGIC + 1)),
        "another version": whole.replace(num(1001), num(1002)),
        "no system": pickled(num(MAGIC)) + pickled(num(1001)) + pickled(num(None)) + good,
        "no storages": stream(good, {}),
        "more storages": stream(good, {"0": EIGHT["0"], "1": EIGHT["0"]}),
        "keys of numbers": whole.replace(pickled(many(text("0"))), pickled(many(num(0)))),
        "a key twice": whole.replace(pickled(many(text("0"))), pickled(many(text("0"), text("0")))),
        "fewer elements": stream(good, {"0": bytes(4)}),
        "more elements": stream(good, {"0": bytes(12)}),
        "no data": whole[:-8],
        "fewer data": whole[:-1],
        "a tail": whole + b"\0",
        "a huge storage": stream(pickled(tensor(storage(2**40)))),
        "a view of a storage": stream(pickled(tensor(tup(*one, view) + op.BINPERSID))),
        "a whole module": whole.replace(good, pickled(module)),
    }  # fmt: skip
