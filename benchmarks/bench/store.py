"""Results on disk: a Parquet file a cell, whole or not there, and what they belong to."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from damon_tuner.benchmarks.bench.cells import (
    BOUNDS,
    EPISODES,
    SEARCHES,
    Cell,
    Row,
    cell_key,
)
from damon_tuner.benchmarks.bench.code import code_digest
from damon_tuner.benchmarks.sets import SETS_VERSION
from damon_tuner.errors import TunerError
from damon_tuner.near import one_line
from damon_tuner.whole_file import write_whole

_ABOUT = "bench.json"
_FORMAT = 1

_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()
_VERSIONS = {"sets_version": _COUNT, "code": _TEXT}
_SCHEMAS: Mapping[str, pa.Schema] = {
    EPISODES: pa.schema(
        {
            "row_id": _TEXT,
            "set": _TEXT,
            "workload": _TEXT,
            "family": _TEXT,
            "workload_digest": _TEXT,
            "contender": _TEXT,
            "kind": _TEXT,
            "groups": pa.list_(_TEXT),
            "training_seed": _COUNT,
            "policy_sha256": _TEXT,
            "action": pa.list_(_NUMBER),
            "rule": _TEXT,
            "seed": _COUNT,
            "budget": _NUMBER,
            "episode_s": _NUMBER,
            "saving": _NUMBER,
            "resident_saving": _NUMBER,
            "slowdown": _NUMBER,
            "breaches": _NUMBER,
            **_VERSIONS,
        }
    ),
    BOUNDS: pa.schema(
        {
            "workload_digest": _TEXT,
            "groups": pa.list_(_TEXT),
            "seed": _COUNT,
            "budget": _NUMBER,
            "bound": _NUMBER,
            "episode_s": _NUMBER,
            **_VERSIONS,
        }
    ),
    SEARCHES: pa.schema(
        {
            "workload_digests": pa.list_(_TEXT),
            "groups": pa.list_(_TEXT),
            "budget": _NUMBER,
            "sampler": _TEXT,
            "steps": _COUNT,
            "trials": _COUNT,
            "simulated_steps": _COUNT,
            "action": pa.list_(_NUMBER),
            "episode_s": _NUMBER,
            "rule": _TEXT,
            **_VERSIONS,
        }
    ),
}


class Store:
    """The folder of a benchmark: ``episodes/``, ``bounds/``, ``searches/``, ``policies/``.

    Raises:
        TunerError: the folder holds results of other code or other sets, or cannot be used.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = self._about()
        if about is not None:
            self._refuse_others(about)

    def begin(self) -> None:
        """Say whose results the folder will hold, before there are any."""
        if self._about() is None:
            self._write_about({})

    def has(self, cell: Cell) -> bool:
        """Whether a cell is measured."""
        return self._path(cell.kind, cell_key(cell)).is_file()

    def write(self, cell: Cell, rows: Sequence[Row]) -> None:
        """Keep a cell's rows.

        Raises:
            TunerError: they are of other code, or cannot be written.

        """
        if any(row["code"] != code_digest() for row in rows):
            raise TunerError("a worker has other code than this machine: install the same there")
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows), _SCHEMAS[cell.kind]), file)
        self._write(self._path(cell.kind, cell_key(cell)), file.getvalue())

    def read(self, cell: Cell) -> list[Row]:
        """Rows of a cell; raises ``TunerError`` where it is missing or damaged."""
        return self.read_key(cell.kind, cell_key(cell))

    def read_key(self, kind: str, key: str) -> list[Row]:
        """As ``read``, by the cell's key."""
        path = self._path(kind, key)
        try:
            rows: list[Row] = pq.read_table(path, schema=_SCHEMAS[kind]).to_pylist()
        except FileNotFoundError:
            raise TunerError(
                f"{self.folder} is not finished: run damon-tuner bench again, with its options"
            ) from None
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TunerError(
                f"{path} is damaged ({one_line(error)[:120]}): delete it and run damon-tuner "
                "bench again, which measures it anew and keeps the rest"
            ) from None
        return rows

    def row(self, row_id: str) -> Row:
        """One episode by its id; raises ``TunerError`` where there is none."""
        prefix, _, index = row_id.partition(".")
        files = sorted((self.folder / EPISODES).glob(f"{prefix}*.parquet"))
        if len(prefix) == 16 and index.isdecimal() and len(files) == 1:
            rows = self.read_key(EPISODES, files[0].stem)
            if int(index) < len(rows):
                return rows[int(index)]
        raise TunerError(f"{self.folder} has no row {row_id}: row_id in {EPISODES}/ has them")

    def keep_policy(self, sha256: str, content: bytes) -> None:
        """Keep a policy file, so that its rows can be replayed."""
        path = self._policy_path(sha256)
        if not path.is_file():
            self._write(path, content)

    def policy(self, sha256: str) -> bytes:
        """A policy file that was kept; raises ``TunerError`` where it is gone."""
        try:
            return self._policy_path(sha256).read_bytes()
        except OSError as error:
            raise TunerError(f"the policy of this row is gone: {error}") from None

    def finish(self, cells: Sequence[Cell]) -> None:
        """Say which cells the last run was made of: what is reported."""
        keys: dict[str, list[str]] = {EPISODES: [], BOUNDS: [], SEARCHES: []}
        for cell in cells:
            keys[cell.kind].append(cell_key(cell))
        self._write_about(keys)

    def rows(self, kind: str) -> list[Row]:
        """All rows of the last run; raises ``TunerError`` where it was not finished."""
        keys = (self._about() or {}).get("cells", {}).get(kind)
        if not keys:
            raise TunerError(
                f"{self.folder} holds no finished benchmark: run damon-tuner bench --out "
                f"{self.folder}"
            )
        return [row for key in keys for row in self.read_key(kind, key)]

    def _path(self, kind: str, key: str) -> Path:
        return self.folder / kind / f"{key}.parquet"

    def _policy_path(self, sha256: str) -> Path:
        return self.folder / "policies" / f"{sha256}.safetensors"

    def _about(self) -> dict[str, Any] | None:
        path = self.folder / _ABOUT
        try:
            about: dict[str, Any] = json.loads(path.read_bytes())
            if about["format"] != _FORMAT:
                raise ValueError(f"format {about['format']}")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TunerError(
                f"{path} is damaged ({one_line(error)}): give another --out"
            ) from None
        return about

    def _write_about(self, keys: Mapping[str, Sequence[str]]) -> None:
        about = {
            "format": _FORMAT,
            "code": code_digest(),
            "sets_version": SETS_VERSION,
            "cells": keys,
        }
        self._write(self.folder / _ABOUT, json.dumps(about).encode())

    def _refuse_others(self, about: Mapping[str, Any]) -> None:
        for what, mine in (("code", code_digest()), ("sets_version", SETS_VERSION)):
            if about.get(what) != mine:
                raise TunerError(
                    f"{self.folder} holds results of another {what.replace('_', ' of the ')} "
                    f"({about.get(what)}, now {mine}), which do not mix: give another --out, or "
                    "delete it"
                )

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_whole(path, content)
        except OSError as error:
            raise TunerError(
                f"{path} cannot be written: {error.strerror}; what is finished is kept: make room "
                "and run the same command again"
            ) from None
