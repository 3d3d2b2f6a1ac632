"""Explanations of invented claims."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from aie.runs import Explanation, explain


def _lives() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lives", Path(__file__).parent / "lives.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def lives() -> ModuleType:
    """The lives of claims as events."""
    return _lives()


@pytest.fixture(scope="session")
def decided(lives: ModuleType) -> Explanation:
    """A claim whose process died once and which a person corrected."""
    release = lives.claims_release()
    return explain("run_29", lives.record(lives.doubtful(release)), release)


@pytest.fixture(scope="session")
def waiting(lives: ModuleType) -> Explanation:
    """The same claim before the person decided."""
    release = lives.claims_release()
    return explain("run_29", lives.record(lives.doubtful(release, decided=False)), release)
