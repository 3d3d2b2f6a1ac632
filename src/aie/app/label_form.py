"""A form to label cases in a browser, as one HTML file that works offline and saves what was typed as a file."""

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final

from aie.app.labelling import Labelling
from aie.app.marking import escape
from aie.app.pages import page
from aie.config import Case

__all__ = ["label_form"]

_STAYS: Final = "What you type stays in this browser until you save it as a file."
_SCRIPT: Final = (files("aie.app") / "label_form.js").read_text(encoding="utf-8")


def label_form(labelling: Labelling, cases: Sequence[Case]) -> str:
    """Return the page, whole; what is typed leaves the browser only as the file that a person saves."""
    name = escape(labelling.name)
    return page(
        f"Labels for {labelling.name}",
        [
            f"<h1>Labels for {name}</h1>",
            f"<p class=soft>{_STAYS} Then: <code>aie label {name} --from FILE</code></p>",
            f'<form data-dataset="{name}" data-cases="{len(cases)}">',
            *(_choices(labelling)),
            *(_case(labelling, number, case) for number, case in enumerate(cases, 1)),
            "<div class=bar><button>Save labels</button><output class=soft></output></div>\n</form>",
        ],
        script=_SCRIPT,
    )


def _choices(labelling: Labelling) -> Iterator[str]:
    for number, name in enumerate(labelling.fields):
        options = "".join(f'<option value="{escape(value)}">' for value in labelling.choices[name])
        yield f'<datalist id="choices-{number}">{options}</datalist>'


def _case(labelling: Labelling, number: int, case: Case) -> str:
    shown = "\n".join(_shown(dict(case.input)))
    inputs = "\n".join(
        f'<label>{escape(name)}<input type=text list="choices-{at}" data-case="{escape(case.id)}" '
        f'data-field="{escape(name)}" autocomplete=off></label>'
        for at, name in enumerate(labelling.fields)
    )
    return f"<section>\n<h2>{number}. {escape(case.id)}</h2>\n{shown}\n{inputs}\n</section>"


def _shown(data: object) -> Iterator[str]:
    for name, value in data.items() if isinstance(data, dict) else ():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
        yield f"<h3>{escape(name)}</h3>\n<pre class=letter>{escape(text)}</pre>"
