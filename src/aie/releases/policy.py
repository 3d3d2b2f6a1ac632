"""The policy of a release: the labels of its input, what lowers a label, and the proof of what reaches no decision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from aie.core import JSON, Integrity, Labels, canonical, join
from aie.releases.flow import Path, overlap

__all__ = ["POLICY", "Declassified", "Policy", "Unused", "read_policy"]

POLICY: Final = "policy:labels"
"""The component of a release that holds its policy; a workflow that says nothing of labels has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declassified:
    """Data classes that a step's value does not carry."""

    classes: frozenset[str]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """The proof that some attributes have no part in a decision: everything that has one."""

    decision: str
    attributes: tuple[str, ...]
    """None of them is, or is a part of, or holds anything that reaches the decision."""
    inputs: tuple[str, ...]
    """Every part of the input that can reach it."""
    steps: tuple[str, ...]
    """Every step on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a workflow says of labels."""

    inputs: Mapping[Path, Labels] = field(default_factory=dict)
    """Labels by part of the input, as they are declared."""
    declassified: Mapping[str, Declassified] = field(default_factory=dict)
    """By step; those of maps as `map.step`."""
    unused: tuple[Unused, ...] = ()

    def of_input(self, path: Path, submitted: Labels) -> Labels:
        """Return the labels of a part of the input.

        Args:
            path: the part, `("input",)` for all of it.
            submitted: labels that the whole input was submitted with.
        """
        touched = [labels for each, labels in self.inputs.items() if overlap(each, path)]
        around = [each for each in self.inputs if path[: len(each)] == each]
        closest = max(around, key=len, default=None)
        trusted = closest is not None and self.inputs[closest].integrity == "trusted"
        # Below a trusted part another may be declared untrusted: who reads both reads an untrusted one.
        below = [labels for each, labels in self.inputs.items() if each[: len(path)] == path]
        trusted = trusted and all(each.integrity == "trusted" for each in below)
        joined = join((submitted, *touched))
        integrity: Integrity = "trusted" if trusted or submitted.integrity == "trusted" else "untrusted"
        return Labels(classes=joined.classes, regions=joined.regions, integrity=integrity)

    def lowered(self, step: str, labels: Labels) -> Labels:
        """Return the labels of a step's value from those of what it was made from."""
        lowers = self.declassified.get(step)
        if lowers is None:
            return labels
        return Labels(classes=labels.classes - lowers.classes, regions=labels.regions, integrity=labels.integrity)

    def content(self) -> bytes:
        """Return the canonical content of the component."""
        data: dict[str, JSON] = {
            "inputs": {".".join(path): cast("JSON", labels.to_json()) for path, labels in self.inputs.items()},
            "declassified": {
                step: {"classes": cast("JSON", sorted(each.classes)), "because": each.because}
                for step, each in self.declassified.items()
            },
            "unused": [
                {
                    "decision": each.decision,
                    "attributes": list(each.attributes),
                    "inputs": list(each.inputs),
                    "steps": list(each.steps),
                }
                for each in self.unused
            ],
        }
        return canonical(data)


def read_policy(content: bytes) -> Policy:
    """Read what `Policy.content` returned."""
    data: dict[str, Any] = json.loads(content)
    return Policy(
        inputs={tuple(path.split(".")): Labels.from_json(labels) for path, labels in data["inputs"].items()},
        declassified={
            step: Declassified(classes=frozenset(each["classes"]), because=each["because"])
            for step, each in data["declassified"].items()
        },
        unused=tuple(
            Unused(
                decision=each["decision"],
                attributes=tuple(each["attributes"]),
                inputs=tuple(each["inputs"]),
                steps=tuple(each["steps"]),
            )
            for each in data["unused"]
        ),
    )
