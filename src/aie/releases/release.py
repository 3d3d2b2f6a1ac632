"""A release: an immutable lock of a workflow and everything it uses, with the bytes themselves.

The lock's `behaviour` part is the identity: the same bytes give the same id on every machine. Its `runtime` part names
the layer versions that were current when the release was made; it is recorded for each segment of a run and not part of
the id.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from aie.core import JSON, digest_bytes, digest_json
from aie.errors import AieError, IntegrityError
from aie.releases.plan import Plan, parse_plan

__all__ = ["FORMAT", "Lock", "Release", "is_portable_path", "open_release", "seal", "short"]

FORMAT: Final = 1
"""Form of the lock. A later form gets a later number; older ones stay readable."""

Lock = Mapping[str, JSON]

_SHOWN: Final = 12
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_COMPONENT: Final = re.compile(r"[a-z][a-z0-9_]*:[^\x00-\x1f]{1,200}")
_LONGEST_PATH: Final = 500
_RESERVED: Final = frozenset('<>:"|?*\\')


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A locked workflow: what it is called by its id, it is for ever."""

    id: str
    """`sha256:<hex>` over the canonical JSON of the lock's behaviour."""
    workflow: str
    lock: Lock
    """{"format", "workflow", "behaviour": {"files", "components", "plan"}, "runtime"}; never changed."""
    components: Mapping[str, bytes]
    """Content of each component by `<kind>:<name>`."""
    files: Mapping[str, bytes]
    """Bytes of each file by its path in the workspace."""

    @property
    def behaviour(self) -> dict[str, Any]:
        """The part of the lock that is the identity."""
        return cast("dict[str, Any]", self.lock["behaviour"])

    @property
    def runtime(self) -> dict[str, int]:
        """Version of each layer the release was locked with."""
        return cast("dict[str, int]", self.lock["runtime"])

    @property
    def plan(self) -> Plan:
        """What a run executes; parsed at each access."""
        return parse_plan(self.behaviour["plan"])

    @property
    def short(self) -> str:
        """`claims@1a2b3c4d5e6f`."""
        return short(self.id, self.workflow)


def short(release: str, workflow: str) -> str:
    """Return `<workflow>@<first 12 hex digits>`: how people name a release."""
    return f"{workflow}@{release.removeprefix('sha256:')[:_SHOWN]}"


def seal(
    plan: Plan, *, components: Mapping[str, bytes], files: Mapping[str, bytes], runtime: Mapping[str, int]
) -> Release:
    """Lock a compiled plan with the bytes it rests on.

    Raises:
        IntegrityError: a path or component name that would not travel to another machine.
    """
    lock: dict[str, JSON] = {
        "format": FORMAT,
        "workflow": plan.workflow,
        "behaviour": {
            "files": {path: digest_bytes(files[path]) for path in sorted(files)},
            "components": [_entry(key, components[key]) for key in sorted(components)],
            "plan": plan.to_json(),
        },
        "runtime": {layer: runtime[layer] for layer in sorted(runtime)},
    }
    return open_release(lock, components=components, files=files)


def open_release(lock: Lock, *, components: Mapping[str, bytes], files: Mapping[str, bytes]) -> Release:
    """Return the release that `lock` describes, every digest checked against the bytes.

    Raises:
        IntegrityError: naming each file and component that is missing, too many or other than locked.
    """
    behaviour = _checked_shape(lock)
    locked = {f"{entry['kind']}:{entry['name']}": entry["digest"] for entry in behaviour["components"]}
    wrong = [
        *_differences("file", behaviour["files"], files),
        *_differences("component", locked, components),
    ]
    if wrong:
        raise IntegrityError("the release is not what was locked: " + "; ".join(wrong), differs=wrong)
    plan = parse_plan(behaviour["plan"])
    if plan.workflow != lock["workflow"]:
        raise IntegrityError(f"the lock names workflow {lock['workflow']!r}, its plan {plan.workflow!r}")
    return Release(
        id=_behaviour_id(behaviour),
        workflow=plan.workflow,
        lock=lock,
        components=dict(components),
        files=dict(files),
    )


def is_portable_path(path: str) -> bool:
    """True for a relative path, with forward slashes, that stays inside its folder on every operating system."""
    parts = path.split("/")
    return (
        0 < len(path) <= _LONGEST_PATH
        and path.isprintable()
        and not _RESERVED & set(path)
        and all(part not in ("", ".", "..") and not part.endswith((".", " ")) for part in parts)
    )


def _behaviour_id(behaviour: Mapping[str, Any]) -> str:
    try:
        return digest_json(behaviour)
    except AieError as error:
        raise IntegrityError(f"the lock has no canonical form: {error.message}") from error


def _entry(key: str, content: bytes) -> JSON:
    kind, _, name = key.partition(":")
    return {"kind": kind, "name": name, "digest": digest_bytes(content)}


def _checked_shape(lock: Lock) -> dict[str, Any]:
    """Return the behaviour of a lock whose every part has its type; `parse_plan` checks the plan."""
    if lock.get("format") != FORMAT:
        raise IntegrityError(
            f"a lock of format {lock.get('format')!r}; this version reads {FORMAT}", hints=("upgrade aie",)
        )
    behaviour, runtime = lock.get("behaviour"), lock.get("runtime")
    if not isinstance(behaviour, dict) or set(behaviour) != {"files", "components", "plan"}:
        raise IntegrityError("the lock's behaviour is not files, components and plan")
    if not isinstance(runtime, dict) or not all(type(version) is int for version in runtime.values()):
        raise IntegrityError("the lock's runtime is not a version number for each layer")
    if set(lock) != {"format", "workflow", "behaviour", "runtime"}:
        raise IntegrityError(f"the lock has unknown parts: {', '.join(sorted(set(lock)))}")
    _check_names(behaviour)
    return cast("dict[str, Any]", behaviour)


def _check_names(behaviour: Mapping[str, Any]) -> None:
    files, entries = behaviour["files"], behaviour["components"]
    if not isinstance(files, dict) or not all(_is_digest(digest) for digest in files.values()):
        raise IntegrityError("the lock's files are not a digest for each path")
    folded: dict[str, str] = {}
    for path in files:
        if not is_portable_path(path):
            raise IntegrityError(f"the path {path!r} would not travel to another machine")
        if (other := folded.setdefault(path.casefold(), path)) != path:
            raise IntegrityError(f"the paths {other!r} and {path!r} are one file on some machines")
    if not isinstance(entries, list):
        raise IntegrityError("the lock's components are not a list")
    keys = [_component_key(entry) for entry in entries]
    if keys != sorted(set(keys)):
        raise IntegrityError("the lock's components are not sorted, or one stands twice")


def _component_key(entry: Any) -> str:
    if not isinstance(entry, dict) or set(entry) != {"kind", "name", "digest"} or not _is_digest(entry["digest"]):
        raise IntegrityError("a component of the lock is not kind, name and digest")
    key = f"{entry['kind']}:{entry['name']}"
    if not _COMPONENT.fullmatch(key):
        raise IntegrityError(f"{key!r} does not name a component")
    return key


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _differences(what: str, locked: Mapping[str, str], found: Mapping[str, bytes]) -> Iterable[str]:
    for name in sorted(locked.keys() | found.keys()):
        if name not in found:
            yield f"{what} {name} is missing"
        elif name not in locked:
            yield f"{what} {name} was not locked"
        elif digest_bytes(found[name]) != locked[name]:
            yield f"{what} {name} has other content"
