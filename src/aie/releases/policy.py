"""The policy of a release: the labels of its input, what lowers a label, and the proof of what reaches no decision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from aie.core import JSON, Integrity, Labels, canonical, join
from aie.releases.flow import Path, overlap

__all__ = ["POLICY", "Declassified", "Endorsed", "Policy", "Unused", "policy_in_words", "read_policy"]

POLICY: Final = "policy:labels"
"""The component of a release that holds its policy; a workflow that says nothing of labels has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declassified:
    """Data classes that a step's value does not carry."""

    classes: frozenset[str]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsed:
    """When a field that is sensitive to a receiver may be acted on though no person decided it."""

    when: str
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
    endorsed: Mapping[str, Endorsed] = field(default_factory=dict)
    """By step and field, e.g. `pay.amount`."""
    unused: tuple[Unused, ...] = ()

    def of_input(self, path: Path, submitted: Labels) -> Labels:
        """Return the labels of a part of the input.

        Args:
            path: the part, `("input",)` for all of it.
            submitted: labels that the whole input was submitted with.
        """
        if not self.inputs:
            return submitted
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
            "endorsed": {field: {"when": each.when, "because": each.because} for field, each in self.endorsed.items()},
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
        endorsed={field: Endorsed(**each) for field, each in data["endorsed"].items()},
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


def policy_in_words(policy: Policy) -> tuple[str, ...]:
    """Return what a policy says, a sentence each, without full stops."""
    lines = [f"{'.'.join(path)}: {_labels(labels)}" for path, labels in policy.inputs.items()]
    for step, lowers in policy.declassified.items():
        lines.append(f"{step} does not carry {', '.join(sorted(lowers.classes))}: {lowers.because}")
    lines += [f"{name} may be acted on when {each.when}: {each.because}" for name, each in policy.endorsed.items()]
    proven: dict[str, list[str]] = {}
    for proof in policy.unused:
        proven.setdefault(", ".join(proof.attributes), []).append(proof.decision)
    lines += [f"{attributes}: proven unused in {_together(decisions)}" for attributes, decisions in proven.items()]
    return tuple(lines)


def _together(decisions: list[str]) -> str:
    """Return paths with a beginning that they share said once: `result.id, kind, desk`; names of steps come first."""
    told, before = [], ""
    for each in sorted(decisions, key=lambda path: path.rpartition(".")[0]):
        parent, dot, name = each.rpartition(".")
        told.append(name if dot and parent == before else each)
        before = parent
    return ", ".join(told)


def _labels(labels: Labels) -> str:
    said = [", ".join(sorted(labels.classes)) or "nothing particular"]
    if labels.regions is not None:
        said.append(f"only in {', '.join(sorted(labels.regions)) or 'no region'}")
    return "; ".join([*said, labels.integrity])
