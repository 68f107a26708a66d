#!/usr/bin/env python3
"""Change the code in small ways and see whether a test notices: a random sample of cosmic-ray's mutants.

Works on a copy under ``build/mutants``, so the checkout stays as it is. Each area has the tests that must notice::

    make mutants                     60 mutants of every area
    make mutants MUTANTS=200 AREA=engine

Exit code: 0 if every mutant was noticed, 1 if some survived; each survivor is printed as a diff, to be judged: it
may be equivalent to the original.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutants" / "spikeproof"
AREAS = {
    "contract": (["contract"], "tests/contract tests/test_kinds.py"),
    "engine": (["sim/engine"], "tests/sim/test_engine.py tests/test_kinds.py"),
    "verify": (
        ["sim/verify", "sim/compare.py"],
        "tests/sim/test_verify.py tests/sim/test_whole.py tests/sim/test_parity.py",
    ),
    "capture": (["export/capture"], "tests/export/test_capture.py tests/sim/test_whole.py"),
}
"""Area -> (what is mutated, the tests that must notice)."""
CONFIG = """[cosmic-ray]
module-path = {modules}
timeout = 300.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:cacheprovider -m 'not slow and not lava and not gpu' {tests}"

[cosmic-ray.distributor]
name = "local"
"""


def main() -> int:
    """Run the areas that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=60, help="how many of each area")
    parser.add_argument("--area", choices=["all", *AREAS], default="all")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    survived = 0
    for area in AREAS if asked.area == "all" else [asked.area]:
        survived += run(area, asked.mutants, asked.seed)
    return min(1, survived)


def run(area: str, count: int, seed: int) -> int:
    """Run a sample of one area's mutants; return how many survived."""
    if COPY.parent.exists():
        shutil.rmtree(COPY.parent)
    tracked = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, COPY / name)
    modules, tests = AREAS[area]
    (COPY / "mutants.toml").write_text(CONFIG.format(modules=modules, python=sys.executable, tests=tests))
    cosmic = [sys.executable, "-m", "cosmic_ray.cli"]
    session = COPY / "session.sqlite"
    subprocess.run([*cosmic, "init", "mutants.toml", session.name], cwd=COPY, check=True)
    with use_db(session, WorkDB.Mode.open) as db:
        jobs = [item.job_id for item in db.work_items]
        chosen = set(random.Random(seed).sample(jobs, min(count, len(jobs))))
        skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED, output="not in the sample")
        db.set_multiple_results([job for job in jobs if job not in chosen], skipped)
    environment = {**os.environ, "PYTHONPATH": str(COPY.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([*cosmic, "exec", "mutants.toml", session.name], cwd=COPY, check=True, env=environment)
    with use_db(session, WorkDB.Mode.open) as db:
        results = [result for job, result in db.results if job in chosen]
    alive = [result for result in results if result.test_outcome == TestOutcome.SURVIVED]
    for result in alive:
        print(f"SURVIVED in {area}:\n{result.diff}")
    print(f"{area}: {len(results)} of {len(jobs)} mutants, {len(results) - len(alive)} noticed, {len(alive)} survived")
    return len(alive)


if __name__ == "__main__":
    sys.exit(main())
