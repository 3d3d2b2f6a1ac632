"""What reads a format, each a file that is run in the closed process and imports nothing of the engine.

A reader is a function `read(bytes) -> dict`. What it found: `{"kind", "text"}` or `{"kind", "pages": [text, …]}`, where
wanted with `"notes"` for the record and `"attachments": [{"name", "content" in base64}]`. What it refused:
`{"failure", "why"}` with a class of the taxonomy; `why` holds nothing of the document.
"""

from pathlib import Path
from typing import Final

__all__ = ["READERS"]

_HERE: Final = Path(__file__).parent

_NAMES: Final = (
    "boxes", "compound", "delimited", "html", "mail", "office", "page_images", "pdf", "pdf_again", "rtf", "xml",
)  # fmt: skip

READERS: Final = {name: _HERE / f"{name}.py" for name in _NAMES}
"""The files of the readers, by the name they are asked for."""
