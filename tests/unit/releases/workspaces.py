"""A small workspace that uses every part of a release: two files of settings, a workflow, a prompt and schemas."""

import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["CLAIMS", "write"]

_IN = {
    "type": "object",
    "properties": {
        "claim_id": {"type": "string"},
        "note": {"type": "string"},
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "price": {"type": "string", "format": "money"}},
                "required": ["id", "price"],
            },
        },
    },
    "required": ["claim_id", "note", "parts"],
}
_FIELDS = {
    "type": "object",
    "properties": {"policy": {"type": "string"}, "amount": {"type": "string", "format": "money"}},
    "required": ["policy", "amount"],
}
_OUT = {
    "type": "object",
    "properties": {"policy": {"type": "string"}, "amount": {"type": "string", "format": "money"}},
    "required": ["policy", "amount"],
}

CLAIMS: Mapping[str, str] = {
    "aie.yaml": """\
desks:
  claims-desk: {answer_within: 2 days}
receivers:
  payments: {kind: file, folder: out}
""",
    "models.yaml": """\
models:
  reader:
    kind: chat
    provider: openai_compatible
    endpoint: http://localhost:8000/v1
    model: reader-2026-05
    local: true
    context_window: 8000
""",
    "workflows/claims/workflow.yaml": """\
workflow: claims
owner: claims-platform@northgate.example
case: input.claim_id
risk: high
limits: {cost: 0.10 USD, tokens: 40000, time: 60 s, steps: 40, model_calls: 8}
input: schemas/claim_in.json
output: schemas/claim_out.json
steps:
  text: {extract: text, from: input.note}
  fields: {model: reader, prompt: prompts/fields.md, with: {note: text.text}, returns: schemas/fields.json}
  parts:
    map:
      over: input.parts
      as: part
      key: part.id
      at_most: 20
      steps:
        priced: {check: rules, of: part, rules: {known: part.id != fields.policy}}
  desk: {review: claims-desk, of: [fields], unless: "fields.amount < money('100.00 USD')"}
  pay: {act: payments, with: {amount: desk.amount, policy: desk.policy}, if: "desk.amount > money('0.00 USD')"}
result: {policy: desk.policy, amount: desk.amount}
on: {"*": fail}
""",
    "workflows/claims/prompts/fields.md": "Read the note and give policy and amount.\n\n{{ note }}\n",
    "workflows/claims/schemas/claim_in.json": json.dumps(_IN, indent=2) + "\n",
    "workflows/claims/schemas/claim_out.json": json.dumps(_OUT, indent=2) + "\n",
    "workflows/claims/schemas/fields.json": json.dumps(_FIELDS, indent=2) + "\n",
}


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a workspace and return its folder."""
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root
