#!/usr/bin/env bash
# safetensors 0.8.0, numpy front end (the torch one does the same).
#
# Behaviour: with several entries of metadata, two calls of save with equal arguments give different
# bytes, even in one process: the order of the metadata in the header is that of a hash table with
# random keys. A checksum of a model file, or a cache by content, changes although the model does not.
# With one entry the bytes are equal.
#
# Output seen:
#   one entry: 1 distinct file of 20
#   six entries: more than 1 distinct file of 20
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
"$folder/environment/bin/python" - <<'PYTHON'
import numpy as np
from safetensors.numpy import save

arrays = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}


def distinct(entries):
    metadata = {f"key {at}": str(at) for at in range(entries)}
    return len({save(arrays, metadata=metadata) for _ in range(20)})


one, six = distinct(1), distinct(6)
print(f"one entry: {one} distinct file of 20")
print(f"six entries: {'more than 1' if six > 1 else six} distinct file of 20")
assert one == 1 and six > 1
PYTHON
