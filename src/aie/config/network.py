"""What the settings say of the network: where requests of layers may go beyond the public internet."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aie.config.spec import Spec

__all__ = ["NetworkSpec"]


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise PydanticCustomError(
            "form", "{expected} expected, e.g. `{example}`", {"expected": "a network", "example": "10.0.0.0/8"}
        ) from error


class NetworkSpec(Spec):
    """Where receivers and lookups may be reached. Live: what is taken out here is refused from the next request on."""

    allow: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(default=(), strict=False)
    """Networks that are not of the public internet and may be asked all the same, e.g. `10.0.0.0/8`. An address of this
    machine that an `url` writes out, `http://127.0.0.1:8080/`, needs no entry; a name that leads there does."""
