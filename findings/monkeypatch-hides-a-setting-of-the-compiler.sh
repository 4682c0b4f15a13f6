#!/usr/bin/env bash
# pytest 9.2.0 and torch 2.13.0, torch._dynamo.config.
#
# Behaviour: after a test that sets one of the compiler's settings with monkeypatch.setattr, the
# setting does not exist any more in the process: monkeypatch finds no entry of that name in the
# module's dictionary, and so deletes it at the end, which the settings take as hiding it. Later
# tests fail where the compiler, or a library, reads the setting. config.patch sets it back.
#
# Output seen:
#   before: True
#   after config.patch: True
#   after monkeypatch: torch._dynamo.config.skip_nnmodule_hook_guards does not exist
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 pytest==9.2.0
"$folder/environment/bin/python" - <<'PYTHON'
import pytest
import torch
import torch._dynamo

assert torch.__version__.partition("+")[0] == "2.13.0" and pytest.__version__ == "9.2.0"
config = torch._dynamo.config
print("before:", config.skip_nnmodule_hook_guards)
with config.patch(skip_nnmodule_hook_guards=False):
    pass
print("after config.patch:", config.skip_nnmodule_hook_guards)
with pytest.MonkeyPatch.context() as patch:
    patch.setattr(config, "skip_nnmodule_hook_guards", False)
try:
    after = str(config.skip_nnmodule_hook_guards)
except AttributeError as error:
    after = str(error)
print("after monkeypatch:", after)
assert after == "torch._dynamo.config.skip_nnmodule_hook_guards does not exist"
PYTHON
