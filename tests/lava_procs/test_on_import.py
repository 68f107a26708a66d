"""`import spikeproof` is enough before `import lava...`, costs nothing, and leaves every other import alone."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from child import answer, output

from spikeproof.lava_procs import compat

needs_lava = pytest.mark.skipif(compat.available().lava_nc is None, reason="lava-nc is not installed")
needs_slayer = pytest.mark.skipif(
    compat.available().lava_dl is None or importlib.util.find_spec("torch") is None,
    reason="lava-dl or torch is not installed",
)


@needs_lava
def test_lava_can_be_imported_after_the_package(tmp_path):
    code = (
        "import json, sys, spikeproof\n"
        "before = sorted(name for name in sys.modules if name.partition('.')[0] in ('lava', 'torch', 'numpy'))\n"
        "from lava.magma.compiler import var_model\n"
        "from lava.proc.conv import utils\n"
        "from spikeproof import compat\n"
        "print(json.dumps([before, var_model.LoihiAddress is not None, hasattr(utils.conv, '__wrapped__'),\n"
        "                  list(compat.available().applied) == list(compat.available().needed)]))"
    )
    assert answer(code, cwd=tmp_path) == [[], True, True, True]


@needs_lava
@needs_slayer
def test_slayer_can_be_imported_after_the_package(tmp_path):
    code = "import spikeproof\nimport lava.lib.dl.slayer as slayer\nprint(len(slayer.block.cuba.__name__))"
    assert answer(code, cwd=tmp_path, timeout=240)


@needs_lava
def test_the_first_import_may_be_of_a_module_that_needs_a_patch(tmp_path):
    """Some of Lava was imported before the package, as in a notebook where the first try had failed."""
    code = (
        "import json, lava.magma.core\nimport spikeproof\n"
        "import lava.proc.conv.utils as utils\n"
        "print(json.dumps(hasattr(utils.conv, '__wrapped__')))"
    )
    assert answer(code, cwd=tmp_path) is True
    code = (
        "import json\n"
        "import sys, importlib.util, types\n"
        "for name in ('lava.proc', 'lava.proc.conv'):\n"  # as if both were loaded, so that the patched one is looked for first
        "    spec = importlib.util.find_spec(name)\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "    sys.modules[name].__path__ = spec.submodule_search_locations\n"
        "import spikeproof\n"
        "import lava.proc.conv.utils as utils\n"
        "print(json.dumps(hasattr(utils.conv, '__wrapped__')))"
    )
    assert answer(code, cwd=tmp_path) is True


@needs_lava
def test_what_is_loaded_already_is_patched(tmp_path):
    code = (
        "import json, lava.proc.conv.utils as utils\n"
        "before = hasattr(utils.conv, '__wrapped__')\nimport spikeproof\n"
        "print(json.dumps([before, hasattr(utils.conv, '__wrapped__')]))"
    )
    assert answer(code, cwd=tmp_path) == [False, True]


def test_where_lava_is_absent_python_says_what_it_always_says(tmp_path):
    code = (
        "import sys\n"
        f"sys.path[:] = [place for place in sys.path if 'site-packages' not in place] + [{str(tmp_path)!r}]\n"
        "import spikeproof\n"
        "try:\n    import lava.magma\n"
        "except ModuleNotFoundError as error:\n    print(repr(str(error)).replace(chr(39), chr(34)))"
    )
    environment = {**os.environ, "PYTHONPATH": package_alone(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert found.stdout == '"No module named "lava""\n', found.stderr


def test_another_package_called_lava_is_left_alone(tmp_path):
    (tmp_path / "lava").mkdir()
    (tmp_path / "lava" / "__init__.py").touch()
    (tmp_path / "lava" / "flow.py").write_text("heat = 1200")
    code = "import json, sys, spikeproof, lava.flow\nprint(json.dumps([lava.flow.heat, 'numpy' in sys.modules]))"
    assert answer(code, cwd=tmp_path) == [1200, False]


@needs_lava
def test_what_lava_lacks_is_said_at_every_import(tmp_path):
    code = (
        "import json, spikeproof\nfrom spikeproof.lava_procs import compat\n"
        "compat._IMPORTED_BY_LAVA = ('asteval', 'no_such_library')\nsaid = []\n"
        "for _ in range(2):\n"
        "    try:\n        import lava.magma\n"
        "    except ImportError as error:\n        said.append(str(error))\n"
        "print(json.dumps(said))"
    )
    said = answer(code, cwd=tmp_path)
    assert len(said) == 2 and all("pip install no_such_library" in words for words in said)


def test_importing_the_package_stays_cheap(tmp_path):
    """It loads nothing but itself and the standard library, and asks little of any other import."""
    code = (
        "import sys\nbefore = set(sys.modules)\nimport spikeproof\n"
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(names - set(sys.stdlib_module_names)))"
    )
    assert output(code, cwd=tmp_path).strip() == "['spikeproof']"
    assert json.loads(
        output("import sys, spikeproof\nprint(len([f for f in sys.meta_path if f.__class__.__name__ == '_Watch']))")
    )


def package_alone(place):
    """Make a folder on which the package can be found, and nothing else."""
    (place / "alone").mkdir()
    (place / "alone" / "spikeproof").symlink_to(Path(__file__).resolve().parents[2])
    return str(place / "alone")
