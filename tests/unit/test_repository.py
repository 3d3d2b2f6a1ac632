"""The checks of this repository catch what they are there for: each is shown a violation and must refuse it."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from email.message import Message
from importlib.metadata import Distribution, packages_distributions
from pathlib import Path

import pytest

from scripts.licences import carried_licence, declared_licence, judge, judge_all
from scripts.locks import judge_lock, names_of, normal, wanted_by
from scripts.size import main as measure
from scripts.tracked import PATTERNS, judge_text

TOP = Path(__file__).parents[2]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
PARTS = {"pydantic-core": "pydantic"}
"""Distributions that are the documented half of another and follow its version."""
PLANTED = [
    pytest.param("core/planted.py", "from aie.runs import heart\n", "Floors", id="upward"),
    pytest.param("planted/__init__.py", "", "Floors", id="package without a floor"),
    pytest.param("layers/check/planted.py", "import aie.layers.act\n", "Layers are peers", id="layer to layer"),
    pytest.param("records/planted.py", "import dbos\n", "vendor stays in runs.engines", id="engine vendor"),
    pytest.param("runs/planted.py", "import sqlalchemy\n", "SQL stays in records", id="sql"),
    pytest.param("evals/planted.py", "import sklearn\n", "Model vendors", id="model vendor"),
    pytest.param("models/planted.py", "import pypdfium2\n", "Libraries that parse documents", id="pdf"),
    pytest.param("app/planted.py", "import rich\n", "terminal", id="terminal"),
]


def lint_imports(source: Path) -> subprocess.CompletedProcess[str]:
    """Run the contract of this repository on a copy of its package."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache", "--config", TOP / "pyproject.toml"],
        cwd=source.parent,
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package in `src` of an empty folder."""
    source = tmp_path / "src"
    shutil.copytree(TOP / "src" / "aie", source / "aie", ignore=shutil.ignore_patterns("__pycache__", "templates"))
    return source


@pytest.mark.slow
def test_the_import_contract_holds(copy: Path):
    """The package as it is keeps every contract; without this the controls below prove nothing."""
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("file", "text", "contract"), PLANTED)
def test_a_planted_import_breaks_the_contract(copy: Path, file: str, text: str, contract: str):
    """Negative control: one import too many, and exactly the contract that guards it is broken."""
    planted = copy / "aie" / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(text, encoding="utf-8")
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = re.findall(r"^(.*) BROKEN\b", done.stdout, re.MULTILINE)
    if file == "planted/__init__.py":
        # A package that no floor names stops the check altogether.
        assert "planted" in done.stdout
    else:
        assert [name for name in broken if contract in name], done.stdout


@pytest.mark.parametrize(
    "declared",
    ["MIT", "Apache-2.0 OR GPL-3.0-only", "BSD-3-Clause AND Zlib", "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0"],
)
def test_permissive_licences_are_accepted(declared: str):
    assert judge("anything", declared).accepted


@pytest.mark.parametrize(
    "declared",
    ["", "GPL-3.0-only", "MIT AND GPL-2.0-or-later", "AGPL-3.0", "LGPL-3.0-only", "Proprietary", "UNKNOWN"],
)
def test_other_licences_are_refused(declared: str):
    """Negative control of the licence check: copyleft, unknown and undeclared are refused."""
    assert not judge("anything", declared).accepted


def test_the_named_exception_is_for_that_licence_only():
    accepted = judge("psycopg", "LGPL-3.0-only")
    assert accepted.accepted
    assert accepted.named
    assert not judge("psycopg", "AGPL-3.0").accepted


def test_one_refused_distribution_is_found_among_many():
    verdicts = judge_all([("b", "MIT"), ("a", "SSPL-1.0"), ("applied-intelligence-engine", "Apache-2.0")])
    assert [(verdict.name, verdict.accepted) for verdict in verdicts] == [("a", False), ("b", True)]


def test_a_licence_is_read_from_the_expression_then_classifiers_then_text():
    metadata = Message()
    metadata["License"] = "MIT License\n\nCopyright"
    assert declared_licence(metadata) == "MIT License"
    metadata["Classifier"] = "License :: OSI Approved :: BSD License"
    assert declared_licence(metadata) == "BSD License"
    metadata["License-Expression"] = "ISC"
    assert declared_licence(metadata) == "ISC"


def test_a_licence_that_metadata_does_not_declare_is_read_from_the_files_that_are_carried(tmp_path: Path):
    """By their titles; one file that is not permitted refuses all, and no file is no licence."""

    def carried(*texts: str) -> str:
        info = tmp_path / f"p{len(list(tmp_path.iterdir()))}-1.dist-info"
        (info / "licenses").mkdir(parents=True)
        lines = ["Metadata-Version: 2.4", "Name: p", "Version: 1"]
        for number, text in enumerate(texts):
            (info / "licenses" / str(number)).write_text(text, encoding="utf-8")
            lines.append(f"License-File: {number}")
        (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return carried_licence(Distribution.at(info))

    apache, affero = "\n   Apache License\n  Version 2.0\n", "GNU AFFERO GENERAL PUBLIC LICENSE\n"
    assert judge("p", carried(apache)).accepted
    assert not judge("p", carried(apache, affero)).accepted
    assert not judge("p", carried("Copyright 2026\n")).accepted
    assert not judge("p", carried()).accepted


LOCK = "a==1.0 ; sys_platform != 'win32' \\\n    --hash=sha256:" + "0" * 64 + "\n    # via\n    #   b\n"


def test_the_locks_hold_what_pyproject_asks_for():
    for name, wanted in wanted_by((TOP / "pyproject.toml").read_text(encoding="utf-8")).items():
        assert judge_lock((TOP / "requirements" / f"{name}.txt").read_text(encoding="utf-8"), wanted) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://example.test/simple",
        "--find-links wheels",
        "b @ https://example.test/b.whl \\",
        "-e .",
        "./local",
        "b>=1.0 \\",
        "    # from https://example.test/simple",
        "b==1.0",
    ],
)
def test_a_lock_with_an_address_or_without_a_pin_is_refused(line: str):
    """Negative control of the lock check; the clean lock passes."""
    assert judge_lock(LOCK, frozenset({"a"})) == []
    assert judge_lock(f"{LOCK}{line}\n", frozenset({"a"}))


def test_a_lock_without_hash_or_without_a_dependency_is_refused():
    assert judge_lock("a==1.0 \\\n", frozenset({"a"})) == ["a has no hash"]
    assert judge_lock(LOCK, frozenset({"a", "c"})) == ["c is asked for by pyproject.toml and not locked"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("private key", "-----BEGIN " + "PRIVATE KEY-----"),
        ("cloud key", "AKIA" + "A" * 16),
        ("provider key", "key: sk-" + "a1" * 16),
        ("forge token", "ghp_" + "a" * 36),
        ("path of a machine", "root: /" + "home/someone/aie"),
        ("package index", "see " + "pypi" + ".org"),
    ],
)
def test_a_planted_secret_or_path_is_found(kind: str, text: str):
    """Negative control of the check of tracked files; each kind is found at its line."""
    assert kind in PATTERNS
    assert judge_text("file", "fine\n" + text) == [f"file:2: {kind}: {text}"]


def test_the_distribution_is_ours_and_the_command_is_aie():
    """The name `aie` on the public index is another project's: nothing here may tell people to install it."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "applied-intelligence-engine"
    assert project["scripts"] == {"aie": "aie.cli:main"}
    for document in [*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")]:
        assert not re.search(r"pip install aie\b", document.read_text(encoding="utf-8")), document


def test_every_make_target_is_described():
    text = (TOP / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split())
    assert phony == set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))


def test_documents_name_only_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (TOP / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in [*TOP.glob("*.md"), *TOP.glob("docs/**/*.md"), TOP / ".ci" / "run"]:
        named = set(
            re.findall(r"(?:`|^ *|PYTHON=\S+ )make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
        )
        assert named <= targets, document


def test_the_tests_that_documents_name_exist():
    """A guarantee that names its test is worth as much as the test."""
    for document in [*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")]:
        for path, _, name in re.findall(r"`(tests/[\w/]+\.py)(::(\w+))?`", document.read_text(encoding="utf-8")):
            assert f"def {name}(" in (TOP / path).read_text(encoding="utf-8") if name else (TOP / path).is_file(), path


def run_in_env(*arguments: str, python: Path) -> subprocess.CompletedProcess[str]:
    """Run `scripts/in-env.sh` with a Python of the test's choice."""
    return subprocess.run(
        [TOP / "scripts" / "in-env.sh", *arguments],
        env={"PYTHON": str(python), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_is_too_old_is_refused_with_a_hint(tmp_path: Path):
    """The bootstrap never goes on with an interpreter that did not say it will do."""
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = run_in_env("dev", "true", python=old)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no Python >= 3.11" in done.stderr
    assert "hint: " in done.stderr


FAKE_PYTHON = """#!/bin/bash
case "$1 $2" in
"- "*) echo "3.11 abc" ;;
"-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
"-m pip") echo "$(dirname "$0")" >> "$MADE"; sleep 0.3; test -f "$0" || { echo "it was taken away" >&2; exit 1; } ;;
*) exec "$REAL_PYTHON" "$@" ;;
esac
"""


def test_an_environment_is_made_once_by_two_who_want_it_at_once(tmp_path: Path):
    """`make test` in one terminal and `make check` in another; who comes second waits."""
    for name in ("scripts", "requirements"):
        (tmp_path / name).mkdir()
    script = tmp_path / "scripts" / "in-env.sh"
    shutil.copy(TOP / "scripts" / "in-env.sh", script)
    (tmp_path / "requirements" / "dev.txt").write_text("")
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON, encoding="utf-8")
    python.chmod(0o755)
    made = tmp_path / "made"
    given = {"PYTHON": str(python), "PATH": "/usr/bin:/bin", "MADE": str(made), "REAL_PYTHON": sys.executable}
    both = [subprocess.Popen([script, "dev", "true"], env=given, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(each.communicate()[1], each.returncode) for each in both]
    assert [status for _, status in ended] == [0, 0], ended
    assert len(made.read_text().splitlines()) == 2, "the packages, then our own"


def test_an_unknown_environment_is_refused(tmp_path: Path):
    done = run_in_env("production", "true", python=tmp_path / "python")
    assert done.returncode == 2
    assert "no such environment: production" in done.stderr


def test_an_install_above_the_limit_is_refused(capsys: pytest.CaptureFixture[str]):
    """Negative control of the size check: the same install is within one limit and over another."""
    assert measure(100_000) == 0
    assert measure(1) == 1
    assert "OVER the limit of 1 MB" in capsys.readouterr().out


def imported(package: Path) -> dict[str, set[bool]]:
    """Return the third-party modules a package imports: at once (True), or later (False).

    Later is inside a function, or in a module of `models.providers`, which `models.connect` loads on the first call.
    """
    found: dict[str, set[bool]] = {}
    for file in package.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        inside = {id(node) for body in ast.walk(tree) if isinstance(body, FUNCTIONS) for node in ast.walk(body)}
        for node in ast.walk(tree):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for name in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"aie"}:
                found.setdefault(name, set()).add(id(node) not in inside and "providers" not in file.parts)
    return found


def undeclared(modules: dict[str, set[bool]], base: frozenset[str], extras: frozenset[str]) -> list[str]:
    """Return the imports that a base install could not serve: unknown ones, and extras imported at once."""
    owners = packages_distributions()
    problems = []
    for module, places in sorted(modules.items()):
        owned = {PARTS.get(normal(owner), normal(owner)) for owner in owners.get(module, ())}
        if not owned & (base | extras):
            problems.append(f"{module} is not declared")
        elif not owned & base and True in places:
            problems.append(f"{module} is an extra and imported at once")
    return problems


def declared() -> tuple[frozenset[str], frozenset[str]]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for extra in project["optional-dependencies"].values() for text in extra]
    return names_of(project["dependencies"]), names_of(extras)


def test_every_import_of_the_package_is_declared():
    """A base install can import everything; an extra is imported inside the adapter that needs it."""
    modules = imported(TOP / "src" / "aie")
    assert {"pydantic", "sqlalchemy"} <= modules.keys()
    assert undeclared(modules, *declared()) == []


def test_every_dependency_of_the_base_is_imported():
    """What nobody imports is not installed by everybody."""
    owners = packages_distributions()
    used = {normal(owner) for module in imported(TOP / "src" / "aie") for owner in owners.get(module, ())}
    assert sorted(declared()[0] - used) == []


def test_an_undeclared_import_and_an_eager_extra_are_found(tmp_path: Path):
    """Negative control: one module that nothing declares, one extra at the top; the lazy extra is fine."""
    (tmp_path / "planted.py").write_text(
        "import pytest\nimport sklearn.svm\n\ndef later():\n    import aiohttp\n", encoding="utf-8"
    )
    assert undeclared(imported(tmp_path), *declared()) == [
        "pytest is not declared",
        "sklearn is an extra and imported at once",
    ]
