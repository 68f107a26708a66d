"""The shell completes commands, options, recipes and networks; it asks the command, which loads no torch for that."""

import os
import subprocess
import sys

import pytest

ASK = {
    # shell: what its script sets for a line that is typed
    "bash": lambda words: {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)},
    "zsh": lambda words: {"_TYPER_COMPLETE_ARGS": " ".join(words)},
    "fish": lambda words: {"_TYPER_COMPLETE_ARGS": " ".join(words), "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}
CODE = (
    "import atexit, sys; sys.argv = ['spikeproof']\n"
    "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\n"
    "from spikeproof.cli import main; main()"
)


@pytest.mark.parametrize("shell", ASK)
@pytest.mark.parametrize(
    ("typed", "offered", "others"),
    [
        ("spikeproof pro", ["prove"], ["verify"]),
        ("spikeproof train digits-", ["digits-plain", "digits-driven"], ["fsdd"]),
        ("spikeproof recipes fs", ["fsdd", "fsdd-delays"], ["digits"]),
        ("spikeproof demo --pretrained s", ["s-mnist"], ["ps-mnist"]),
        ("spikeproof train --dr", ["--dry-run"], ["--force"]),
    ],
)
def test_what_a_shell_offers(shell, typed, offered, others):
    environment = {**os.environ, "_SPIKEPROOF_COMPLETE": f"complete_{shell}", **ASK[shell](typed.split())}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=60)

    words = done.stdout.replace('"', " ").replace(":", " ").split()
    assert all(each in words for each in offered), done.stdout + done.stderr
    assert not any(each in words for each in others) and done.stderr.strip() == "False"
