"""The Rust interpreter alone: its package imports a console with two terminal libraries, half of the cost of ours."""

import importlib.util
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, Final

__all__ = ["Context", "compile_program", "evaluate"]


def _load() -> ModuleType:
    """Return the extension module `cel.cel` without running `cel/__init__.py`; the whole package where that fails."""
    name: Final = "cel.cel"
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec("cel")
    folders = package.submodule_search_locations if package is not None else None
    spec = PathFinder.find_spec(name, list(folders)) if folders else None
    if spec is None or spec.loader is None:
        import cel  # noqa: PLC0415 - the costly way, where the extension is not where it is expected

        return cel
    module = importlib.util.module_from_spec(spec)
    # Whoever imports the package later gets this very module: an extension is initialised once a process.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_interpreter: Final[Any] = _load()
Context: Final = _interpreter.Context
compile_program: Final = _interpreter.compile
evaluate: Final = _interpreter.evaluate
