"""Labels: what may be done with a value, carried from every input to every output."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypedDict

__all__ = ["UNTRUSTED", "Integrity", "Labels", "LabelsJSON", "join"]

Integrity = Literal["trusted", "untrusted"]


class LabelsJSON(TypedDict):
    """Labels as they are stored."""

    classes: list[str]
    regions: list[str] | None
    integrity: Integrity


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of one value."""

    classes: frozenset[str] = frozenset()
    """Data classes the value holds, e.g. `personal`, `health`. Joining takes the union."""
    regions: frozenset[str] | None = None
    """Regions the value may be processed in; None is everywhere. Joining takes the intersection."""
    integrity: Integrity = "trusted"
    """`untrusted` once anything outside the tenant's control could have written it. Untrusted wins a join."""

    def to_json(self) -> LabelsJSON:
        """Return the stored form, sorted."""
        return {
            "classes": sorted(self.classes),
            "regions": None if self.regions is None else sorted(self.regions),
            "integrity": self.integrity,
        }

    @classmethod
    def from_json(cls, data: LabelsJSON) -> "Labels":
        """Read the stored form."""
        regions = data["regions"]
        if regions is None and not data["classes"]:
            return _PLAIN[data["integrity"]]
        return cls(
            classes=frozenset(data["classes"]),
            regions=None if regions is None else frozenset(regions),
            integrity=data["integrity"],
        )


UNTRUSTED = Labels(integrity="untrusted")
"""Of what outsiders could have written."""

_PLAIN: Final[dict[Integrity, Labels]] = {"trusted": Labels(), "untrusted": UNTRUSTED}
"""Labels without classes and regions, which most values have: they are read and joined several times a step."""


def join(labels: Iterable[Labels]) -> Labels:
    """Return the labels of a value made from values with these labels; of nothing, the unrestricted ones."""
    classes: frozenset[str] = frozenset()
    regions: frozenset[str] | None = None
    integrity: Integrity = "trusted"
    for each in labels:
        classes |= each.classes
        if each.regions is not None:
            regions = each.regions if regions is None else regions & each.regions
        if each.integrity == "untrusted":
            integrity = "untrusted"
    if regions is None and not classes:
        return _PLAIN[integrity]
    return Labels(classes=classes, regions=regions, integrity=integrity)
