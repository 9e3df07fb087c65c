"""The mutation tester: its mutants are plausible, its sample is that of the seed, its report adds up."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import verigrad
from verigrad.testing import report as verification

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from mutation import checks, reach, report, runner, sampling, tokens  # noqa: E402
from mutation.operators import Mutant, mutants  # noqa: E402
from mutation.results import Result, Results  # noqa: E402
from mutation.targets import CUDA  # noqa: E402

POPULATION = sampling.population(ROOT)
OF_CUDA = sampling.population(ROOT, CUDA)
KERNEL = "cpp/src/kernels/cpu/example.cpp"
OPS = "cpp/src/ops/example.cpp"


def function(body: str) -> str:
    return f"int f(int n) {{\n{body}\n}}\n"


def changed(body: str, file: str = KERNEL) -> dict[str, set[str]]:
    """The changed lines of a function's body by operator."""
    found: dict[str, set[str]] = {}
    for mutant in mutants(function(body), file):
        found.setdefault(mutant.operator, set()).add(mutant.after)
    return found


def test_tokens_keep_their_places() -> None:
    text = (
        "#include <a>\n#define X(a) \\\n  a + 1\n"
        'int a = b+c; // d + e\n/* < */ f(R"(x + ")", "y\\"", \'<\', 1e-3f);'
    )
    found = tokens.tokenize(text)
    assert all(text[t.start : t.end] == t.text for t in found)
    assert [t.text for t in found][:7] == ["int", "a", "=", "b", "+", "c", ";"]
    assert [t.text for t in found if t.kind == "string"] == ['R"(x + ")"', '"y\\""']
    assert [t.text for t in found if t.kind == "number"] == ["1e-3f"]


def test_scopes_have_names() -> None:
    text = """
namespace a {
constexpr int kBlock = 4 * 2;
template <class T>
struct Loop : Base<T> {
  explicit Loop(int n) : n_(n + 1), m_(2) { go(); }
  [[gnu::always_inline]] static void run(T* p) { p[0] = 1; }
  bool operator()(int x) const { return x > 0; }
  VG_VALUE({ return x * k.a; })
  int n_ = 3, m_;
};
enum class E { a = 1 };
void declared(int n = 5);
}  // namespace a
"""
    found = tokens.scopes(text)
    assert [(s.name, s.kind) for s in found] == [
        ("kBlock", "constant"),
        ("Loop::Loop", "function"),
        ("Loop::run", "function"),
        ("Loop::operator", "function"),
        ("Loop::value", "function"),
    ]
    assert [t.text for t in found[1].tokens][:4] == ["n_", "(", "n", "+"]


def test_rows_of_tables_are_formulas() -> None:
    text = 'VG_UNARY(exp, "ExpBackward0", Float, Output, mul(g, y))\n'
    found = {m.operator: m.after for m in mutants(text, "cpp/include/verigrad/unary.def")}
    assert found == {
        "tensor function": text.strip().replace("mul(", "div("),
        "negated formula": text.strip().replace("mul(g, y)", "neg(mul(g, y))"),
    }


@pytest.mark.parametrize(
    ("body", "operator", "expected"),
    [
        ("return n + m;", "arithmetic", {"return n - m;"}),
        ("return n < m;", "comparison", {"return n <= m;", "return n >= m;"}),
        ("return n && m;", "logical", {"return n || m;"}),
        ("n += m;", "assignment", {"n = m;", "n -= m;"}),
        ("return 8;", "constant", {"return 9;", "return 7;"}),
        ("return 0x10u;", "constant", {"return 0x11u;", "return 0xFu;"}),
        ("return 0.5f;", "constant", {"return 0.505f;"}),
        ("return true;", "constant", {"return false;"}),
        ("return std::min<int>(n, m);", "min and max", {"return std::max<int>(n, m);"}),
        ("go(n, m);", "arguments", {"go(m, n);"}),
        ("go(n, m);", "statement", {";"}),
        ("if (n) return;", "condition", {"if (!(n)) return;"}),
        ("return n ? a : b;", "condition", {"return !(n) ? a : b;"}),
        ("return -n;", "negation dropped", {"return n;"}),
        ("n++;", "increment", {"n--;"}),
        ("*to++ = *from;", "statement", {";"}),
        ("parallel_for(n, 1, f);", "bound", {"parallel_for(n - 1, 1, f);"}),
    ],
)
def test_operators(body: str, operator: str, expected: set[str]) -> None:
    assert changed(body)[operator] == expected


def test_bounds_of_loops() -> None:
    line = "for (int i = 0; i < n; ++i) a[i] = b;"
    found = changed(line)
    assert found["bound"] == {line.replace("< n", "< n - 1"), line.replace("< n", "< n + 1")}
    assert found["statement"] == {"for (int i = 0; i < n; ++i) ;"}
    assert "increment" not in found  # an endless loop proves nothing


def test_functions_of_tensors_are_operators_in_the_ops_layer() -> None:
    assert changed("return mul(g, neg(y));", OPS)["tensor function"] == {
        "return div(g, neg(y));",
        "return mul(g, (y));",
    }
    assert "tensor function" not in changed("return mul(g, neg(y));", KERNEL)


@pytest.mark.parametrize(
    "line",
    [
        "std::vector<int> a;",
        "const T* p = q;",
        "static_assert(sizeof(T) == n);",
        "using A = B<4>;",
        'VG_THROW(ValueError, "expected ", n + 1);',
        "return n;",
        "const auto& x = y;",
        "Tensor out, rest;",
    ],
)
def test_left_alone(line: str) -> None:
    assert changed(line) == {}


def test_checks_lose_their_condition_not_their_message() -> None:
    found = changed('VG_CHECK(n > 0, ValueError, "f: expected n > 0, got ", n + 1);')
    assert "arithmetic" not in found
    assert any("n >= 0" in line for line in found["comparison"])
    assert found["statement"] == {";"}


def test_a_dropped_statement_keeps_the_line_numbers() -> None:
    source = function("go(n,\n   m);\nstop(n);")
    for mutant in mutants(source, KERNEL):
        assert mutant.apply(source).count("\n") == source.count("\n")


def test_equal_lines_have_ids_of_their_own() -> None:
    found = mutants(function("n = n + 1;\nm = m + 2;\nn = n + 1;"), KERNEL)
    assert len({m.id for m in found}) == len(found)
    moved = mutants("\n\n" + function("  n = n + 1;\nm = m + 2;\nn = n + 1;"), KERNEL)
    assert [m.id for m in moved] == [m.id for m in found]


def test_mutants_of_the_sources() -> None:
    assert len(POPULATION) > 10_000
    assert len({m.id for m in POPULATION}) == len(POPULATION)
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in sampling.files(ROOT)}
    names = {"cpp/include/verigrad/update.def"}  # nothing but names
    wanted = {name for name in sources if name.endswith((".cpp", ".def"))} - names
    assert {m.file for m in POPULATION} >= wanted
    assert not [name for name in sources if "cuda" in name or "faults" in name]
    for mutant in POPULATION:
        text = sources[mutant.file][mutant.start : mutant.end]
        assert mutant.text != text and "#include" not in mutant.before
        assert Counter(c for c in text if c in "(){}[]") <= Counter(
            c for c in mutant.text + text if c in "(){}[]"
        )
        assert mutant.lines[0] <= mutant.line <= mutant.lines[1]


def test_mutants_of_the_cuda_kernels() -> None:
    assert len(OF_CUDA) > 3_000
    assert not {m.id for m in OF_CUDA} & {m.id for m in POPULATION}
    kernels = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("cpp/src/kernels/cuda/*.cu")}
    assert kernels - {m.file for m in OF_CUDA} == {
        f"cpp/src/kernels/cuda/{name}.cu" for name in ("blas", "register")
    }
    families = {sampling.family(m.file) for m in OF_CUDA}
    assert all(name.startswith("cuda/") for name in families)
    for name in families:
        assert checks.affected_tests(ROOT, name, CUDA) == ["tests/device"]
        assert not checks.other_tests(ROOT, name, CUDA)


def draw(count: int, seed: int) -> list[Mutant]:
    sample = sampling.Sample(POPULATION, seed)
    drawn = [
        sample.draw(name) for name, n in runner.quotas(POPULATION, seed, count).items() for _ in range(n)
    ]
    return [mutant for mutant in drawn if mutant is not None]


def test_the_sample_is_that_of_the_seed() -> None:
    assert [m.id for m in draw(60, 1)] == [m.id for m in draw(60, 1)]
    assert {m.id for m in draw(60, 1)} != {m.id for m in draw(60, 2)}
    # A longer sample contains the shorter one, so that a run can be extended.
    assert {m.id for m in draw(60, 1)} <= {m.id for m in draw(200, 1)}


def test_the_sample_has_shares() -> None:
    drawn = draw(400, 1)
    families = Counter(sampling.family(m.file) for m in drawn)
    assert set(families) == {sampling.family(name) for name in {m.file for m in POPULATION}}
    assert max(families.values()) < 0.1 * len(drawn)
    assert max(Counter((m.file, m.group) for m in drawn).values()) <= sampling.MOST_PER_FUNCTION
    assert len({m.operator for m in drawn}) >= 10


def result_of(mutant: Mutant, status: str, **more: object) -> Result:
    family = sampling.family(mutant.file)
    made = Result(
        mutant.id,
        mutant.file,
        mutant.line,
        mutant.scope,
        family,
        mutant.operator,
        mutant.before,
        mutant.after,
        status,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_what_does_not_count_is_replaced(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    first = sampling.Sample(POPULATION, 1)
    for name, quota in runner.quotas(POPULATION, 1, 5).items():
        for i in range(quota + 1):
            mutant = first.draw(name)
            assert mutant is not None
            results.add(result_of(mutant, "invalid" if i == 0 else "killed", phase="verify"))
    found = list(runner.replay(POPULATION, 1, 5, Results(results.path)))
    assert sum(r.counts for r in found) == 5
    assert sum(not r.counts for r in found) == len(runner.quotas(POPULATION, 1, 5))


def test_results_survive_a_stop(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = Results(path)
    results.add(result_of(POPULATION[0], "survived"))
    results.add(result_of(POPULATION[0], "killed"))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "cut o')
    assert [r.status for r in Results(path).by_id.values()] == ["killed"]


@pytest.mark.parametrize(
    "entry", report.load_equivalents(), ids=lambda entry: f"{entry.file}: {entry.before}"[:80]
)
def test_equivalents_are_mutants_of_the_sources(entry: report.Equivalent) -> None:
    of_line = {m.after for m in [*POPULATION, *OF_CUDA] if m.file == entry.file and m.before == entry.before}
    assert of_line, "the line is gone"
    assert entry.after == "*" or entry.after in of_line


def test_report() -> None:
    five = draw(5, 1)
    killed = result_of(five[0], "killed", phase="verify", how="crash", by="conv1d")
    suite = result_of(five[1], "killed", phase="suite", how="failure", by="tests/nn/test_conv.py::test_a")
    lives = result_of(five[2], "survived", phase="suite", records=7)
    equal = result_of(five[3], "equivalent", text="the size of a chunk changes only the speed")
    found = [killed, suite, lives, equal, result_of(five[4], "invalid")]
    first = {r.id: r for r in (result_of(five[0], "survived"), *found[1:])}
    text = report.summary(found, first, 1, "abc", "2026-01-01", 7200.0)
    assert "| **all** | 4 | 1 | 1 | 1 | 1 | 33.3 % | 66.7 % |" in text
    assert "4 mutants; 1 more did not compile and\n0 gave" in text
    assert "1 of the killed ones ended in a crash or a hang" in text
    assert "`verify` alone noticed 0 of 3 (0.0 %);" in text
    text = report.markdown(found)
    assert (
        f"`{lives.file}:{lives.line}` in `{lives.scope}`" in text
        and f"+ {lives.after.splitlines()[0]}" in text
    )
    assert "tests/nn/test_conv.py::test_a" in text
    assert "the size of a chunk changes only the speed" in text
    text = report.summary(found, first, 1, "abc", "2026-01-01", 7200.0, "mutation-cuda.md", CUDA)
    assert "python scripts/mutate.py --device cuda --report docs/mutation-cuda.md" in text
    assert "`verify --device cuda --quick`" in text and "`verigrad_emulation_tests` or tests/device" in text
    assert "[devices.md](devices.md)" in report.markdown(found, "mutation-cuda.md", CUDA)


def test_the_summary_stands_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "verification.md"
    document.write_text("a\n" + "old\n".join(report.MARKS) + "b\n", encoding="utf-8")
    for text in ("one\n", "two\n"):
        report.insert(document, text)
    assert document.read_text(encoding="utf-8") == "a\n" + "\ntwo\n".join(report.MARKS) + "b\n"
    assert report.MARKS == verification.MUTATION
    assert verification.mutation_section(document.read_text(encoding="utf-8")) == "\ntwo\n".join(report.MARKS)
    document.write_text("a\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected"):
        report.insert(document, "one\n")


@pytest.mark.parametrize(
    "name", ["tests/a.py::test_a", "tests/a.py::test_a[a long graph-1]", "tests/a.py::test_a[x-y]"]
)
@pytest.mark.parametrize("rest", ["", " - AssertionError: [1] - [2]"])
def test_the_name_of_a_failed_test_is_read_whole(name: str, rest: str) -> None:
    found = checks.FAILED.search(f"...\nFAILED {name}{rest}\n1 failed")
    assert found is not None and found[1] == name


LISTING = """
sum.cpp:
File name                            Line number    Starting address    View    Stmt
sum.cpp                                        4              0x1100               x
/tree/cpp/sum.h:
sum.h                                          9              0x1110               x
/tree/cpp/sum.cpp:
sum.cpp                                        5              0x1120               x
/usr/include/c++/vector:
vector                                        77              0x1124               x
sum.cpp                                        -              0x1130
"""
ASSEMBLER = """
    1100:\tcall   1000 <__sanitizer_cov_trace_pc@plt>
    1105:\tmov    %rax,%rbx
    1120:\tcall   1000 <__sanitizer_cov_trace_pc>
    1125:\tret
"""


def test_places_become_lines() -> None:
    assert set(reach.rows(LISTING, "/tree")) == {
        (0x1100, "cpp/sum.cpp", 4),
        (0x1110, "cpp/sum.h", 9),
        (0x1120, "cpp/sum.cpp", 5),
    }
    assert reach.places(ASSEMBLER) == [0x1105, 0x1125]


def test_records_that_reach_the_line_are_asked_first_the_near_and_quick(tmp_path: Path) -> None:
    mutant = next(m for m in POPULATION if m.file.endswith("cpu/pool.cpp"))
    here = {mutant.file: [mutant.line]}
    made = reach.Reach(
        {"mm": "linalg", "max_pool2d": "pooling", "avg_pool2d": "pooling", "far": "unary", "broken": "unary"},
        {"mm": 0.5, "max_pool2d": 9.0, "avg_pool2d": 2.0, "far": 0.1, "broken": 0.1},
        {"mm": here, "max_pool2d": here, "avg_pool2d": here, "far": {"cpp/other.cpp": [1]}, "broken": here},
        ["broken"],
    )
    made.save(tmp_path / "reach.json")
    loaded = reach.Reach.load(tmp_path / "reach.json")
    assert loaded.order(mutant, {}) == ["avg_pool2d", "mm", "max_pool2d"]
    assert loaded.order(mutant, {"mm": 2}) == ["mm", "avg_pool2d", "max_pool2d"]


def test_a_command_that_hangs_is_ended() -> None:
    code, _, _ = checks.run([sys.executable, "-c", "import time; time.sleep(600)"], ROOT, {}, 0.5)
    assert code is None


def test_the_verifier_answers(tmp_path: Path) -> None:
    package = Path(verigrad.__file__).parents[1]
    verdict, known = checks.verify(package, tmp_path, ["t"])
    assert not verdict.killed, verdict.text
    assert list(verdict.times) == ["t"] and known["t"] == "shape"
    verdict, _ = checks.verify(package, tmp_path, ["t", "no such record"])
    assert verdict.killed and verdict.by == "no such record"


@pytest.mark.parametrize("family", sorted({sampling.family(m.file) for m in POPULATION}))
def test_every_family_has_tests(family: str) -> None:
    near, rest = checks.affected_tests(ROOT, family), checks.other_tests(ROOT, family)
    assert near and not set(near) & set(rest)
    everything = {
        p.relative_to(ROOT).as_posix() for p in (ROOT / "tests").iterdir() if not p.name.startswith("_")
    }
    assert {"tests/autograd", "tests/ops"} <= everything & {*near, *rest}
