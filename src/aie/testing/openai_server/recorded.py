"""Answers from a file: each line of JSON says which words a question holds, and what it is answered with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["recorded_answers"]


def recorded_answers(file: Path) -> Callable[[dict[str, Any]], str | None]:
    """Return what answers a request as the file says: by its first line whose words the messages hold.

    Args:
        file: lines `{"holds": "words of the question", "answer": …}`; an answer that is no text is written as JSON.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not as above; its number is told.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    answers = [_read(line, f"{file}:{number}") for number, line in enumerate(lines, 1) if line.strip()]

    def answer(body: dict[str, Any]) -> str | None:
        asked = "\n".join(_texts(body["messages"]))
        return next((text for holds, text in answers if holds in asked), None)

    return answer


def _read(line: str, place: str) -> tuple[str, str]:
    try:
        said = json.loads(line)
        holds, answer = str.strip(said["holds"]), said["answer"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f'{place}: {{"holds": "words of the question", "answer": …}} expected') from error
    return holds, answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _texts(content: Any) -> list[str]:
    """Return every text of messages, whole or in parts."""
    if isinstance(content, str):
        return [content]
    if isinstance(content, dict):
        return _texts(content.get("content") or content.get("text"))
    return [text for each in content or () for text in _texts(each)]
