"""Values: data with its reference, its labels and where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from aie.core.digest import JSON
from aie.core.labels import Labels

__all__ = ["Cite", "Document", "Value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cite:
    """A place in a source that a value rests on."""

    path: str
    """JSON pointer into the value's data, e.g. `/amount`; empty for the whole value."""
    source: str
    """Reference of the source value or document."""
    start: int
    """First character of the quote in the source's text, 0-based."""
    end: int
    """One past its last character."""
    quote: str
    """The characters themselves, verbatim."""
    page: int | None = None
    """1-based page of the first character; None where the source has no pages."""

    def to_json(self) -> dict[str, JSON]:
        """Return the stored form."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> "Cite":
        """Read the stored form."""
        return cls(**data)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What travels between steps."""

    data: JSON
    ref: str
    """Reference of the content: a keyed hash over the canonical data, equal for equal content within a tenant."""
    labels: Labels = field(default_factory=Labels)
    cites: tuple[Cite, ...] = ()
    """What the data rests on, by JSON pointer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file given to a run, as it stands in the input: the bytes are in the store under `ref`."""

    ref: str
    """Reference of the bytes."""
    name: str
    """File name as given, without folders."""
    media_type: str
    """Media type by content, e.g. `application/pdf`."""
    size: int
    """Bytes."""

    def to_json(self) -> dict[str, JSON]:
        """Return the form that stands in a run's input."""
        return {"ref": self.ref, "name": self.name, "media_type": self.media_type, "size": self.size}
