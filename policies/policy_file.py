"""The policy file: a safetensors file that a root daemon can read with the standard library.

Nothing in it is executed. The header's metadata holds, as one JSON object under ``damon_tuner``:
the format version, the hash of the observation schema, the normaliser's clip, the network's
output, the knob groups, where the policy came from, and a SHA-256 over all of that and the
tensors.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damon_tuner import _core
from damon_tuner.errors import PolicyFileError
from damon_tuner.policies.envelope import Envelope
from damon_tuner.policies.schema import Schema, schema_of
from damon_tuner.whole_file import write_whole

FORMAT_VERSION = 3
MAX_FILE_BYTES = 64 << 20
MAX_HEADER_BYTES = 1 << 20
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Tensor:
    """Row-major little-endian float32 values."""

    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as it lies in a file.

    ``layers`` holds (weight [out, in], bias [out]) from the input to the output; ``mean`` and
    ``scale`` [F] normalise the observation as ``clip((x - mean) * scale, +-clip)``. ``envelope``
    is what it has been trained on, and its ``schema`` what the network sees and sets. ``output``
    brings the last layer into [-1, 1]: clip or tanh.
    """

    mean: Tensor
    scale: Tensor
    clip: float
    layers: tuple[tuple[Tensor, Tensor], ...]
    envelope: Envelope
    provenance: Mapping[str, Any]
    output: str = "clip"

    @property
    def schema(self) -> Schema:
        """What it sees and sets."""
        return self.envelope.schema

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths from the input to the output."""
        return (self.mean.shape[0], *(weight.shape[0] for weight, _ in self.layers))

    def network(self) -> _core.Network:
        """The network that answers observations."""
        parameters = [tensor.data for layer in self.layers for tensor in layer]
        return _core.Network(
            self.sizes, self.mean.data, self.scale.data, self.clip, parameters, self.output
        )


def save_policy(policy: Policy, path: Path) -> None:
    """Write ``policy``; the file is either complete or as it was before."""
    tensors = {
        "normaliser.mean": policy.mean,
        "normaliser.scale": policy.scale,
        "observation.low": _packed(policy.envelope.low),
        "observation.high": _packed(policy.envelope.high),
    }
    for i, (weight, bias) in enumerate(policy.layers):
        tensors |= {f"layers.{i}.weight": weight, f"layers.{i}.bias": bias}
    header: dict[str, Any] = {}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + len(tensor.data)
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    data = b"".join(tensor.data for tensor in tensors.values())
    about = {
        "format_version": FORMAT_VERSION,
        "schema_hash": policy.schema.hash,
        "knob_groups": policy.schema.groups,
        "clip": policy.clip,
        "output": policy.output,
        "provenance": dict(policy.provenance),
    }
    about["sha256"] = _checksum(about, header, data)
    header["__metadata__"] = {"damon_tuner": json.dumps(about)}
    encoded = json.dumps(header).encode()
    # Tensors start at a multiple of 8 bytes, as the format asks.
    encoded += b" " * (-len(encoded) % 8)
    write_whole(path, struct.pack("<Q", len(encoded)) + encoded + data)


def load_policy(path: Path) -> Policy:
    """Read and check a policy.

    Raises:
        PolicyFileError: the file cannot be read, is truncated or altered, or was made for
            another version of the decision path.

    """
    return parse_policy(path, read_policy(path))


def read_policy(path: Path) -> bytes:
    """Return what a policy file holds; raises ``PolicyFileError`` when it cannot be read."""
    try:
        # without waiting for a writer, should it be a pipe
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PolicyFileError(f"{path}: cannot be read: not a file")
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PolicyFileError(f"{path}: cannot be read: {error.strerror}") from None


def parse_policy(path: Path, raw: bytes) -> Policy:
    """Check what was read from ``path``; raises what ``load_policy`` does."""
    try:
        policy = _parse(raw)
        policy.network()
        return policy
    except PolicyFileError as error:
        raise PolicyFileError(f"{path}: {error}") from None
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError):
        raise PolicyFileError(
            f"{path}: not a damon-tuner policy file; export the policy again"
        ) from None


def _parse(raw: bytes) -> Policy:
    header, data = _split(raw)
    about = json.loads(header.pop("__metadata__")["damon_tuner"])
    if about["format_version"] != FORMAT_VERSION:
        raise PolicyFileError(
            f"format version {about['format_version']!r}, this release reads {FORMAT_VERSION}; "
            "export the policy again"
        )
    if about.pop("sha256") != _checksum(about, header, data):
        raise PolicyFileError("altered or damaged (checksum differs); copy or export it again")
    schema = _schema(about)
    tensors = {name: _tensor(entry, data) for name, entry in header.items()}
    nr_layers = (len(tensors) - 4) // 2
    policy = Policy(
        mean=tensors["normaliser.mean"],
        scale=tensors["normaliser.scale"],
        clip=float(about["clip"]),
        layers=tuple(
            (tensors[f"layers.{i}.weight"], tensors[f"layers.{i}.bias"]) for i in range(nr_layers)
        ),
        envelope=Envelope(
            _unpacked(tensors["observation.low"]), _unpacked(tensors["observation.high"]), schema
        ),
        provenance=about["provenance"],
        output=about["output"],
    )
    _check_shapes(policy)
    return policy


def _schema(about: Mapping[str, Any]) -> Schema:
    try:
        schema = schema_of(about["knob_groups"])
    except ValueError as error:
        raise PolicyFileError(
            f"sets knobs that this release does not know: {error}; use the release that made it"
        ) from None
    if about["schema_hash"] != schema.hash:
        raise PolicyFileError(
            "made for another observation schema; train and export it with this release"
        )
    return schema


def _split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    if len(raw) > MAX_FILE_BYTES:
        raise PolicyFileError(f"larger than {MAX_FILE_BYTES >> 20} MiB: not a policy")
    if len(raw) < 8:
        raise PolicyFileError("truncated; copy or export it again")
    (length,) = struct.unpack_from("<Q", raw)
    if length > MAX_HEADER_BYTES:
        raise PolicyFileError("not a damon-tuner policy file; export the policy again")
    if len(raw) < 8 + length:
        raise PolicyFileError("truncated; copy or export it again")
    header = json.loads(raw[8 : 8 + length])
    if not isinstance(header, dict):
        raise PolicyFileError("not a damon-tuner policy file; export the policy again")
    data = raw[8 + length :]
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if len(data) < max(ends, default=0):
        raise PolicyFileError("truncated; copy or export it again")
    return header, data


def _tensor(entry: Mapping[str, Any], data: bytes) -> Tensor:
    begin, end = entry["data_offsets"]
    shape = tuple(int(n) for n in entry["shape"])
    if entry["dtype"] != "F32" or end - begin != math.prod(shape) * _FLOAT_BYTES:
        raise ValueError("a tensor's type, shape and size disagree")
    values = data[begin:end]
    if not all(map(math.isfinite, memoryview(values).cast("f"))):
        raise PolicyFileError("holds values that are not finite; train the policy again")
    return Tensor(shape, values)


def _packed(values: tuple[float, ...]) -> Tensor:
    return Tensor((len(values),), struct.pack(f"<{len(values)}f", *values))


def _unpacked(tensor: Tensor) -> tuple[float, ...]:
    (length,) = tensor.shape
    return struct.unpack(f"<{length}f", tensor.data)


def _check_shapes(policy: Policy) -> None:
    sizes = policy.sizes
    shapes = [(weight.shape, bias.shape) for weight, bias in policy.layers]
    wanted = [((b, a), (b,)) for a, b in itertools.pairwise(sizes)]
    if shapes != wanted or policy.scale.shape != policy.mean.shape:
        raise ValueError("layers do not fit together")
    if (sizes[0], sizes[-1]) != (policy.schema.nr_features, policy.schema.nr_knobs):
        raise ValueError("the network does not fit the schema")
    if not 0.0 < policy.clip < math.inf:
        raise ValueError("the normaliser's clip must be above 0 and finite")


def _checksum(about: Mapping[str, Any], header: Mapping[str, Any], data: bytes) -> str:
    digest = hashlib.sha256()
    for part in (about, header):
        digest.update(json.dumps(part, sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()
