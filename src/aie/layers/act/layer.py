"""The act layer: what is owed to a receiver, and its delivery."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, assert_never, cast

from aie.config import ActStep, FileReceiver, HttpReceiver, ObjectType, Receiver, Settings, Site, StepSpec
from aie.core import JSON, Clock, SystemClock, canonical
from aie.errors import Failure, StepFailure
from aie.layers.act.endorsing import check_sensitive, endorsements
from aie.layers.act.file import drop, find
from aie.layers.act.http import Post, ask, post
from aie.layers.clearance import check_clearance, clearance_facts, cleared
from aie.layers.port import Compiled, Component, Delivery, EffectRequest, LayerName, Semantics, Task, Tools

__all__ = ["ActLayer", "receiver_facts"]

_MOST_SECONDS: Final = 50
"""Below the lease of a delivery: another worker must not begin the next try while this one still waits."""
_SECOND: Final = 1_000_000


def receiver_facts(name: str, settings: Settings, root: Path) -> dict[str, JSON]:
    """Return what is not pinned of a receiver: where it is and how to reach it, as the settings say now."""
    receiver = settings.receivers[name]
    clearance: dict[str, JSON] = {"clearance": clearance_facts(receiver.clearance)}
    match receiver:
        case FileReceiver():
            return {**clearance, "folder": str(root.resolve() / receiver.folder)}
        case HttpReceiver():
            return {
                **clearance,
                "url": receiver.url,
                "secret": receiver.secret,
                "timeout": receiver.timeout,
                "retries": receiver.retries,
                "allow": list(settings.network.allow),
            }
        case _:
            assert_never(receiver)


class ActLayer:
    """Hands results to receivers.

    A delivered effect is worth its receipt. `file` writes `<folder>/<key>.json`; `http` posts JSON with the
    key as `Idempotency-Key`, signed when the receiver has a secret.
    """

    name: LayerName = "act"
    version: int = 1
    in_fibers = False

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile an `act` step."""
        assert isinstance(step, ActStep)
        receiver = site.receiver("act", step.act)
        types = [site.expression(f"with.{name}", text) for name, text in step.with_.items()]
        endorsed = None if receiver is None else endorsements(step, receiver, site)
        if receiver is None or not _is_sound(step, receiver, site) or None in types or endorsed is None:
            return None
        sensitive = sorted(set(receiver.sensitive) & step.with_.keys())
        pinned: dict[str, JSON] = {
            "kind": receiver.kind,
            "semantics": receiver.semantics,
            "identity": list(receiver.identity),
            "sensitive": cast("JSON", sorted(receiver.sensitive)),
        }
        component = Component(
            kind="receiver",
            name=step.act,
            content=canonical(pinned),
            live=receiver_facts(step.act, site.workspace.settings, site.workspace.root),
        )
        return Compiled(
            conduct="effect",
            inputs={**step.with_, **endorsed},
            config={
                "receiver": f"receiver:{step.act}",
                "semantics": receiver.semantics,
                "identity": list(receiver.identity),
                "sensitive": cast("JSON", sensitive),
            },
            components=(component,),
            output=ObjectType(open=True),
            failures=_failures(receiver, guarded=bool(sensitive) or site.is_labelled),
        )

    def run(self, task: Task, tools: Tools) -> EffectRequest:
        """Say what is owed; nothing leaves before that is durable.

        Raises:
            StepFailure: NOT_PERMITTED when a sensitive field is neither trusted nor endorsed, or the receiver may not
                be given data of these labels.
        """
        receiver = cast("str", task.config["receiver"])
        check_clearance(tools, receiver)
        body = check_sensitive(task)
        identity = cast("list[str]", task.config["identity"])
        return EffectRequest(
            receiver=receiver,
            semantics=cast("Semantics", task.config["semantics"]),
            body=body,
            identity={name: body[name] for name in identity} if identity else body,
        )

    def deliver(self, delivery: Delivery, tools: Tools) -> JSON:
        """Hand the body to the receiver and return its receipt.

        Raises:
            StepFailure: RECEIVER_DOWN (surely not applied), RECEIVER_REFUSED, DELIVERY_UNKNOWN, or NOT_PERMITTED:
                nothing was sent, as the receiver may not be given data of these labels (any more).
        """
        live = cleared(tools, delivery.receiver)
        if _kind(delivery, tools) == "file":
            return drop(_folder(live), delivery.key, delivery.body)
        return post(self._request(delivery, live, tools), canonical(delivery.body))

    def reconcile(self, delivery: Delivery, tools: Tools) -> JSON:
        """Ask the receiver whether it has the key; its receipt, or None when it has not.

        Raises:
            StepFailure: RECEIVER_DOWN when it cannot say, NOT_PERMITTED as for `deliver`.
        """
        live = cleared(tools, delivery.receiver)
        if _kind(delivery, tools) == "file":
            return find(_folder(live), delivery.key, delivery.body)
        return ask(self._request(delivery, live, tools))

    def _request(self, delivery: Delivery, live: Mapping[str, JSON], tools: Tools) -> Post:
        url, secret = str(live["url"]), live.get("secret")
        return Post(
            url=tools.secret(url) if url.startswith("env:") else url,
            key=delivery.key,
            secret=None if secret is None else tools.secret(str(secret)),
            sent_at=self._clock.now() // _SECOND,
            seconds=min(_MOST_SECONDS, cast("int", live["timeout"]) / _SECOND),
            allow=tuple(cast("list[str]", live.get("allow") or [])),
        )


def _kind(delivery: Delivery, tools: Tools) -> str:
    return str(json.loads(tools.components(delivery.receiver))["kind"])


def _folder(live: Mapping[str, JSON]) -> Path:
    folder = live.get("folder")
    if not isinstance(folder, str):
        raise StepFailure(Failure.RECEIVER_DOWN, "the settings name no folder for this receiver")
    return Path(folder)


def _is_sound(step: ActStep, receiver: Receiver, site: Site) -> bool:
    missing = [name for name in receiver.identity if name not in step.with_]
    if missing:
        named = ", ".join(f"`{name}`" for name in missing)
        site.problem(
            "missing-field",
            "with",
            f"`{step.act}` tells effects apart by {named}, which the body lacks",
            f"add `{missing[0]}: …`",
        )
    late = isinstance(receiver, HttpReceiver) and receiver.timeout > _MOST_SECONDS * _SECOND
    if late:
        site.problem(
            "too-long", "act", f"`{step.act}` has a timeout above {_MOST_SECONDS} s", f"set timeout: {_MOST_SECONDS} s"
        )
    return not missing and not late


def _failures(receiver: Receiver, *, guarded: bool) -> frozenset[Failure]:
    known = frozenset({Failure.RECEIVER_DOWN, Failure.RECEIVER_REFUSED})
    known |= {Failure.NOT_PERMITTED} if guarded else set()
    return known if receiver.kind == "file" else known | {Failure.DELIVERY_UNKNOWN}
