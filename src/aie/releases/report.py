"""What a release would change, before there is one."""

from dataclasses import dataclass

from aie.config import Workspace
from aie.core import JSON
from aie.releases.compile import compile_release
from aie.releases.diff import Change, diff
from aie.releases.policy import POLICY, policy_in_words, read_policy
from aie.releases.release import Release, short

__all__ = ["PlanReport", "plan_release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """What `aie release` would make of the files as they are now."""

    release: Release
    """The release it would make; not stored."""
    current: str
    """Id of the release it was compared with; empty when the environment has none."""
    changes: tuple[Change, ...]
    """Every difference; empty for the first release and when nothing changed."""

    @property
    def is_new(self) -> bool:
        """True when releasing would make an id other than the current one."""
        return self.release.id != self.current

    @property
    def summary(self) -> str:
        """One sentence without a full stop."""
        if not self.current:
            return f"{self.release.short} would be the first release"
        before = short(self.current, self.release.workflow)
        if not self.is_new:
            return f"nothing changed: the files make {before}"
        count = len(self.changes)
        return f"{before} → {self.release.short}: {count} change{'' if count == 1 else 's'}"

    @property
    def policy(self) -> tuple[str, ...]:
        """What it says of labels, in words."""
        content = self.release.components.get(POLICY)
        return () if content is None else policy_in_words(read_policy(content))

    def to_json(self) -> dict[str, JSON]:
        """Return the form for `--format json`."""
        return {
            "release": self.release.id,
            "current": self.current,
            "new": self.is_new,
            "changes": [change.to_json() for change in self.changes],
        }


def plan_release(workspace: Workspace, workflow: str, current: Release | None) -> PlanReport:
    """Return what a release of the workspace's files would change against the environment's release.

    Raises:
        NotFound: no workflow has this name.
        ConfigError: with every mistake of the workflow.
    """
    release = compile_release(workspace, workflow)
    return PlanReport(
        release=release,
        current="" if current is None else current.id,
        changes=() if current is None else tuple(diff(current, release)),
    )
