"""Pages that open anywhere, offline: one file, no network, one style, and at most one script of ours."""

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from aie.app.marking import escape

__all__ = ["card", "page"]

_STYLE: Final = (files("aie.app") / "explain.css").read_text(encoding="utf-8")


def page(title: str, body: Iterable[str], *, script: str = "") -> str:
    """Return the page, whole; its policy forbids everything but its own style and its own script."""
    policy = f"default-src 'none'; style-src {_source(_STYLE)}; base-uri 'none'; form-action 'none'"
    if script:
        policy += f"; script-src {_source(script)}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            *(part for part in body if part),
            f"</main>\n{f'<script>{script}</script>' if script else ''}</body>\n</html>\n",
        ]
    )


def _source(text: str) -> str:
    """Return what a policy calls exactly this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def card(title: str, parts: Iterable[str]) -> str:
    """Return a section; empty when it has nothing to say."""
    body = "\n".join(parts)
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>" if body else ""
