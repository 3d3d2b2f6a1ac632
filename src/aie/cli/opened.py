"""Opening the workspace that a command works on."""

from pathlib import Path

from aie.app import App, open_app
from aie.cli.options import acting, find_workspace

__all__ = ["opened"]


def opened(workspace: Path | None, *, actor: str = "", tenant: str = "") -> App:
    """Open the workspace named, or the nearest one, for a `with` statement."""
    return open_app(find_workspace(workspace), actor=acting(actor), tenant=tenant)
