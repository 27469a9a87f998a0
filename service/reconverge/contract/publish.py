"""The files of the contract: what they are, writing them, and telling whether a folder has them."""

import json
from pathlib import Path
from typing import Any, Final

from reconverge.contract import asyncapi
from reconverge.contract.examples import WRITTEN
from reconverge.contract.schemas import FOLDERS, message_schema, policy_schema, union_schema

_TOP: Final = ("asyncapi.yaml", "event.json", "output.json", "mark.json", "policy.json")
_PARTS: Final = (*(f"{folder}/" for folder in FOLDERS), "examples/")
"""Folders that hold nothing but ours, so that what is not ours any more can be deleted."""


def contents() -> dict[str, str]:
    """Every file of the contract: its text by its path below the folder."""
    documents: dict[str, Any] = {
        f"{folder.removesuffix('s')}.json": union_schema(folder[:-1].title(), folder, models)
        for folder, models in FOLDERS.items()
    } | {"policy.json": policy_schema()}
    for folder, models in FOLDERS.items():
        for name, model in models.items():
            documents[f"{folder}/{name}.json"] = message_schema(model)
            documents[f"examples/{name}.json"] = WRITTEN[name]
    texts = {path: _json(document) for path, document in documents.items()}
    return texts | {"asyncapi.yaml": asyncapi.yaml(asyncapi.document())}


def write(folder: Path) -> list[str]:
    """Bring a folder up to date and return what changed in it, as ``differences`` would have."""
    changed = differences(folder)
    texts = contents()
    for path in changed:
        if path in texts:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(texts[path], encoding="utf-8")
        else:
            (folder / path).unlink()
    return changed


def differences(folder: Path) -> list[str]:
    """Paths that are missing, different, or schemas of no message any more."""
    texts = contents()
    found = {
        file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8")
        for pattern in (*_TOP, *(f"{part}*.json" for part in _PARTS))
        for file in folder.glob(pattern)
    }
    return sorted(path for path in texts | found if texts.get(path) != found.get(path))


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
