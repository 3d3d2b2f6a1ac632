"""What the files of a workspace need that is not here: variables of the environment, extras of the package."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from aie.config import ChatModel, ModelEntry, load_models, load_settings
from aie.core import install_line
from aie.errors import ConfigError

__all__ = ["EXTRAS", "Need", "is_installed", "unmet"]

EXTRAS: Final[Mapping[str, str]] = {
    "train": "sklearn",
    "postgres": "psycopg",
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google.genai",
    "bedrock": "boto3",
    "mistral": "mistralai",
    "onnx": "onnxruntime",
}
"""A module of each extra."""
_REFERENCE: Final = re.compile(r"(?:Bearer |Basic )?env:([A-Z][A-Z0-9_]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that is not here, and who needs it."""

    kind: Literal["env", "extra"]
    name: str
    by: str
    """The file, and what of it: `models.yaml: frankfurt, dublin`."""

    @property
    def found(self) -> str:
        """What is wrong."""
        return f"{'not set' if self.kind == 'env' else 'not installed'}; {self.by}"

    @property
    def mend(self) -> str:
        """What to do about it."""
        return f"export {self.name}=…" if self.kind == "env" else install_line(self.name)


def is_installed(extra: str) -> bool:
    """Tell whether the libraries of an extra are here; those of one that nobody knows are not looked for."""
    module = EXTRAS.get(extra)
    try:
        return module is None or find_spec(module) is not None
    except ModuleNotFoundError:  # the package that the module is a part of is not there either
        return False


def unmet(
    root: Path, environment: Mapping[str, str] = os.environ, installed: Callable[[str], bool] = is_installed
) -> tuple[Need, ...]:
    """Return what is needed and not here; of a file with mistakes nothing.

    Args:
        root: the workspace.
        environment: variables by name; an empty one counts as not set.
        installed: tells whether an extra is here.
    """
    found: dict[tuple[Literal["env", "extra"], str], dict[str, list[str]]] = {}
    for kind, name, file, who in _needed(root):
        if not (environment.get(name) if kind == "env" else installed(name)):
            users = found.setdefault((kind, name), {}).setdefault(file, [])
            users += [who] if who not in users else []
    return tuple(
        Need(kind=kind, name=name, by="; ".join(f"{file}: {', '.join(users)}" for file, users in files.items()))
        for (kind, name), files in found.items()
    )


def _needed(root: Path) -> Iterator[tuple[Literal["env", "extra"], str, str, str]]:
    """Yield each need with the file and the part of it that has it."""
    try:
        models = load_models(root).models
        settings = load_settings(root).model_dump()
    except ConfigError:
        return
    for model, entry in models.items():
        extra = _extra(entry)
        if extra:
            yield "extra", extra, "models.yaml", model
        for name in _references(entry.model_dump()):
            yield "env", name, "models.yaml", model
    for key, value in settings.items():
        parts = {f"{key}.{each}": part for each, part in value.items()} if isinstance(value, dict) else {key: value}
        for part, content in parts.items():
            for name in _references(content):
                yield "env", name, "aie.yaml", part


def _extra(entry: ModelEntry) -> str:
    if isinstance(entry, ChatModel):
        # Every other protocol has an extra of its name.
        return "openai" if entry.provider == "openai_compatible" else entry.provider
    return "onnx" if entry.kind.startswith("onnx") else ""


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        match = _REFERENCE.fullmatch(value)
        if match is not None:
            yield match[1]
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _references(each)
