"""Pages that open anywhere, offline: one file, no network, no script, one style."""

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from aie.app.marking import escape

__all__ = ["card", "page"]

_STYLE: Final = (files("aie.app") / "explain.css").read_text(encoding="utf-8")


def page(title: str, body: Iterable[str]) -> str:
    """Return the page, whole; its policy forbids everything but its own style."""
    style_hash = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            *(part for part in body if part),
            "</main>\n</body>\n</html>\n",
        ]
    )


def card(title: str, parts: Iterable[str]) -> str:
    """Return a section; empty when it has nothing to say."""
    body = "\n".join(parts)
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>" if body else ""
