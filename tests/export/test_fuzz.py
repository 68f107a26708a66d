"""Whatever is done to a file, loading it ends in a record or in one of our errors, soon and without much memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")
WAYS = {
    "bit flips", "truncation", "noise", "missing field", "extra field", "wrong type", "huge size", "link",
    "long text", "claimed text", "bytes for text", "many texts", "claimed reference", "odd name", "hard links",
    "external storage", "virtual dataset", "packed chunk", "attribute",
    "missing key", "odd value", "odd key", "deep", "no object", "odd text", "claimed shape",
}  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit of memory needs Linux")
@pytest.mark.parametrize("count", [250, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_mutated_files_of_every_kind(count, tmp_path):
    child = subprocess.run(
        [sys.executable, FUZZ, tmp_path, str(count), str(count)], capture_output=True, text=True, timeout=840
    )

    assert child.returncode == 0, f"exit {child.returncode}\n{child.stderr[-2000:]}"
    found = json.loads(child.stdout.splitlines()[-1])
    assert found["count"] == 0, "\n".join(found["wrong"])
    assert set(found["ways"]) == WAYS
    assert sum(found["ended"].values()) == count and found["ended"]["loaded"] > 0
    assert found["ended"]["refused"] > count / 2
