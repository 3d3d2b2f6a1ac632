"""What the docstrings under fields say, read from the source when somebody asks for it.

`use_attribute_docstrings` of pydantic reads them when each class is made: a tenth of what any command takes to start.
"""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel

__all__ = ["documented"]


@cache
def documented(kind: type[BaseModel]) -> Mapping[str, str]:
    """Return the docstring under each field that has one, by the field's name; nothing where there is no source."""
    said: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            own = _own(each)
            said = {name: text for name, text in said.items() if name not in each.__annotations__} | own
    return said


def _own(kind: type[BaseModel]) -> dict[str, str]:
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):  # the latter where its module has no file
        return {}
    [written] = ast.parse(textwrap.dedent(source)).body
    assert isinstance(written, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(said.value.value)
        for field, said in pairwise(written.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(said, ast.Expr)
        and isinstance(said.value, ast.Constant)
        and isinstance(said.value.value, str)
    }
