"""Where results go: links, devices and pipes, what is checked before the work, and what is said of errors of ours."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from test_cli import trained  # noqa: F401 - a fixture

from spikeproof import cli
from spikeproof.contract.errors import InputError
from spikeproof.export import files, formats, netx
from spikeproof.sim import memory


def write(path, text="new"):
    with files.replacing(path) as temporary:
        temporary.write_text(text)


def test_a_new_file_has_the_mode_that_a_user_expects_and_an_old_one_keeps_its_own(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "new")
    finally:
        os.umask(before)
    (tmp_path / "old").write_text("old")
    (tmp_path / "old").chmod(0o600)
    write(tmp_path / "old")

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(there, tmp_path):
    if there:
        (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")

    write(tmp_path / "link")

    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "new"


def test_a_pipe_and_a_device_are_written_through(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_text()))
    reader.start()
    write(tmp_path / "pipe", "through the pipe")
    reader.join(10)
    before = os.stat("/dev/null")
    write("/dev/null")

    assert found == ["through the pipe"] and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and os.stat("/dev/null").st_ino == before.st_ino


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no /dev/shm here")
def test_a_file_in_dev_shm_is_a_file_like_any_other():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        path = Path(name) / "x"
        path.write_text("old")
        with pytest.raises(InputError, match="--force"):
            files.check(path, force=False)
        with pytest.raises(RuntimeError), files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError
        assert path.read_text() == "old"
        before = path.stat().st_ino
        write(path)
        assert path.read_text() == "new" and path.stat().st_ino != before


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_an_open_file_is_written_where_it_stands_and_nothing_of_it_is_cut(name, tmp_path):
    with open(tmp_path / "x", "w") as file:
        file.write("before ")
        file.flush()
        named = name.format(file.fileno())
        files.check(named, force=False)
        write(named)
        file.write(" behind")
    assert (tmp_path / "x").read_text() == "before new behind"
    with open(tmp_path / "x") as file, pytest.raises(InputError, match="cannot be written .Bad file descriptor"):
        write(name.format(file.fileno()))


@pytest.mark.parametrize("act", [write, files.check])
def test_places_where_no_file_can_be_are_refused(act, tmp_path):
    (tmp_path / "file").write_text("")
    for place, words in (("missing/x", "cannot write here"), (".", "is a folder"), ("file/x", "cannot write here")):
        with pytest.raises(InputError, match=words):
            act(tmp_path / place)
    with pytest.raises(InputError, match="Name another file, or replace it with --force"):
        files.check(tmp_path / "file", force=False)
    files.check(tmp_path / "other", force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_told_with_what_stands_there(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/deep/er"):
        with pytest.raises(
            InputError, match=rf"{place}: no folder can be made here, for .*/file is a file\. Name another"
        ):
            files.folder(tmp_path / place)
    for place, words in (("/sys/a", "cannot be made"), ("/sys", "cannot write here")):
        with pytest.raises(InputError, match=f"^{place}: .*{words} .* that you may write to"):
            files.folder(place)
    assert files.folder(tmp_path / "a" / "b").is_dir() and files.folder(tmp_path / "a" / "b").is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_commands_that_make_a_folder_say_what_stands_in_its_place(run, tmp_path):
    (tmp_path / "runs").write_text("")
    code, _, err = run("train", "digits-plain", "--set", "epochs=1", cwd=tmp_path)
    assert code == 2 and "runs/digits-plain: no folder can be made here, for runs is a file." in err


def test_pictures_that_have_no_folder_are_refused_before_the_work(trained, run, tmp_path, monkeypatch):  # noqa: F811
    copied = shutil.copytree(trained, tmp_path / "run")
    (copied / "analysis").write_text("")
    monkeypatch.setattr("spikeproof.train.analysis.analyses.gradients_over_time", lambda *_: pytest.fail("it worked"))
    code, _, err = run("analyse", copied)
    assert code == 2 and "analysis is a file. Name another folder" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("options", [["--json"], []])
def test_a_result_that_stdout_does_not_take_is_told_once(options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "spikeproof", "networks", "-q", *options]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=environment
        )
    assert (done.returncode, done.stderr) == (
        1,
        "error: the disk is full. Free some space, or write to another folder.\n",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_in_words(tmp_path):
    with pytest.raises(InputError, match="No space left on device.*Free some space"):
        write("/dev/full")
    with pytest.raises(InputError, match="No space left on device"), files.replacing(tmp_path / "x"):
        raise OSError("Unable to write (file write failed: errno = 28, error message = 'No space left on device')")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    code = (
        "import os, sys; from spikeproof.export import files\n"
        "with files.replacing(sys.argv[1]): print('ready', flush=True); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=False, capture_output=True, timeout=60)
    (left,) = tmp_path.iterdir()
    (tmp_path / ".x.unrelated").write_text("stays")

    write(tmp_path / "x")

    assert not left.exists() and sorted(path.name for path in tmp_path.iterdir()) == [".x.unrelated", "x"]


def test_outputs_are_checked_before_anything_is_run(trained, run, tmp_path, monkeypatch):  # noqa: F811
    def never(*_, **__):
        raise AssertionError("the work began")

    for name in (
        "spikeproof.sim.verify.verify.verify",
        "spikeproof.sim.simulate.simulate",
        "spikeproof.export.formats.load",
    ):
        monkeypatch.setattr(name, never)
    x = tmp_path / "x.npy"
    np.save(x, np.zeros((1, 1, 64)))
    there = tmp_path / "there.npz"
    there.write_text("")
    for command in (
        ("verify", trained, "--report", tmp_path / "no" / "r.html"),
        ("verify", trained / "net.net", "--report", tmp_path),
        ("verify", trained, "--report", trained / "result.html"),
        ("verify", trained, "-i", x, "--report", trained / "recipe.html"),
        ("verify", trained / "net.net", "--report", tmp_path / "r.json"),
        ("simulate", trained, "-i", x, "-o", tmp_path / "no" / "o.npz"),
        ("simulate", trained, "-i", x, "-o", there),
        ("map", trained, "--report", tmp_path / "no" / "r.html"),
        ("export", trained, "-o", tmp_path),
    ):
        code, _, err = run(*command)
        assert code == 2 and err.startswith("error: ") and "Traceback" not in err, (command, err)


def test_a_report_that_cannot_be_written_in_the_end_takes_nothing_of_the_verdict(trained, run, tmp_path, monkeypatch):  # noqa: F811
    def fails(*_, **__):
        raise InputError("report: cannot be written (No space left on device). Free some space.")

    monkeypatch.setattr("spikeproof.sim.report.page.write", fails)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((2, 1, 64)))
    monkeypatch.setattr("spikeproof.sim.verify.verify.verify", engine_only(monkeypatch))

    code, out, err = run("verify", trained / "net.net", "-i", tmp_path / "x.npy", "--report", tmp_path / "r.html")

    assert code == 2 and "are exact: " in out and "No space left" in err


def engine_only(monkeypatch):
    from spikeproof.sim.verify.verify import verify

    return lambda net, x, **options: verify(net, x, **{**options, "backends": ("engine", "reference")})


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_stdout_gets_the_file_and_nothing_else(name, trained, tmp_path):  # noqa: F811
    command = [sys.executable, "-m", "spikeproof", "export", str(trained / "net.net"), "-o", name]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True, cwd=tmp_path)

    assert done.stdout == (trained / "net.net").read_bytes() and b"written to stdout" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_minus_goes_behind_what_stands_in_the_file_that_stdout_is(mode, trained, tmp_path):  # noqa: F811
    command = [sys.executable, "-m", "spikeproof", "export", str(trained / "net.net"), "-o", "-"]
    (tmp_path / "all").write_bytes(b"there ")
    with open(tmp_path / "all", mode) as stdout:
        stdout.write(b"before ")
        stdout.flush()
        subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, timeout=120, check=True)
        stdout.write(b" behind")
    head = b"there before " if mode == "ab" else b"before "
    assert (tmp_path / "all").read_bytes() == head + (trained / "net.net").read_bytes() + b" behind"


def test_a_folder_of_a_run_stands_for_its_network(trained, run, tmp_path):  # noqa: F811
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((2, 1, 64)))
    for command in (("inspect",), ("map",), ("simulate", "-i", tmp_path / "x.npy", "--backend", "engine")):
        verb, *options = command
        assert run(verb, trained, *options)[0] == run(verb, trained / "net.net", *options)[0] < 2
        code, _, err = run(verb, tmp_path, *options)
        assert code == 2 and "is a folder without a network, net.net" in err
    code, _, err = run("analyse", trained / "net.net")
    assert code == 2 and "is a file. What is drawn here" in err and "spikeproof map" in err


def test_all_samples_that_there_are_are_taken(trained, run, tmp_path, monkeypatch):  # noqa: F811
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((3, 1, 64)))
    monkeypatch.setattr("spikeproof.sim.verify.verify.verify", engine_only(monkeypatch))
    for options, count in (((), 3), (("-n", "all"), 3), (("-n", "2"), 2)):
        code, out, _ = run("verify", trained / "net.net", "-i", tmp_path / "x.npy", *options, "--json")
        assert code == 0 and json.loads(out)["comparisons"][0]["samples"] == count
    for options, words in (
        (("-n", "4", "-i", tmp_path / "x.npy"), "--samples 4: there are 3"),
        (("-n", "all"), "random input has no end"),
        (("-n", "0"), "give a number from 1"),
        (("-n", "1000000000000"), "give a number from 1"),
        (("-n", "1000000000"), "would take .* GiB of memory at least, and this machine has"),
        (("--deadline", "inf"), "give seconds"),
        (("--deadline", "nan"), "give seconds"),
        (("--seed", "-1"), "greater than or equal to 0"),
        (("--input-shape", "2,x"), "give channels, rows and columns"),
    ):
        code, _, err = run("verify", trained / "net.net", *options)
        assert code == 2 and __import__("re").search(words, " ".join(err.replace("│", " ").split())), (options, err)


def test_a_trace_that_no_memory_holds_is_refused(trained):  # noqa: F811
    net = netx.load(trained / "net.net")
    assert memory.trace_bytes(net, 2) == 4 * 2 * 64 * (10 * 4 + 12 * 4 + 10)
    with pytest.raises(InputError, match="would take .* GiB of memory at least, and this machine has"):
        memory.refuse_trace(net, 2**40)


def test_names_with_brackets_are_printed_as_they_are(trained, run, tmp_path):  # noqa: F811
    for name in ("x[red].net", "a[bold]b[", "c[/d].net"):
        path = tmp_path / name.replace("/", "")
        path.write_bytes((trained / "net.net").read_bytes())
        code, out, _ = run("inspect", path)
        assert code == 0 and path.name in out
    code, _, err = run("inspect", tmp_path / "e[/f].net")
    assert code == 2 and "e[/f].net" in err


def test_signed_payloads_are_no_spikes_and_a_number_has_no_largest(run, tmp_path):
    from spikeproof.contract.net import Input, Layer, Net
    from spikeproof.contract.neurons.readout import Readout
    from spikeproof.contract.neurons.sigma_delta import SigmaDelta
    from spikeproof.contract.synapses.dense import Dense

    neuron = SigmaDelta(num_neurons=2, v_th=np.ones(2), bias=np.zeros(2), state_exp=0)
    first = Layer(name="a", synapse=Dense(weight=[[8], [16]]), neuron=neuron)
    last = Layer(name="b", synapse=Dense(weight=[[2, 4]]), neuron=Readout(num_neurons=1))
    formats.write(Net(inputs=(Input(num_channels=1, bits=4),), layers=(first, last), steps=3), tmp_path / "net.net")
    np.save(tmp_path / "x.npy", np.array([[[3.0, -3.0, 0.0]]]))

    code, out, _ = run("simulate", tmp_path / "net.net", "-i", tmp_path / "x.npy", "--backend", "reference")

    assert code == 0 and "spikes: a " in out and " with payloads of " in out and "largest" not in out


class Broken(Exception):
    """An error that is none of ours."""


def test_a_fault_of_ours_is_one_line_with_a_way_to_see_more(run, monkeypatch, tmp_path):
    def fails(*_, **__):
        raise Broken("unheard of\nsecond line")

    monkeypatch.setattr("spikeproof.export.lint.check.lint", fails)
    code, out, err = run("inspect", tmp_path / "x.net")
    assert code == 70 and out == "" and len(err.strip().splitlines()) == 1
    assert "a fault of spikeproof" in err and "Broken: unheard of" in err and "--traceback" in err
    monkeypatch.setattr(sys, "argv", ["spikeproof", "inspect", "x.net", "--traceback"])
    with pytest.raises(Broken):
        cli.main()

    def too_much(*_, **__):
        raise MemoryError

    monkeypatch.setattr("spikeproof.export.lint.check.lint", too_much)
    code, _, err = run("inspect", tmp_path / "x.net")
    assert code == 1 and "not enough memory" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_command_without_a_trace(number, code, trained, tmp_path):  # noqa: F811
    command = [sys.executable, "-m", "spikeproof", "simulate", str(trained), "-i", "x.npy", "-o", "o.npz"]
    np.save(tmp_path / "x.npy", np.zeros((200, 1, 64)))
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    child = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not any((tmp_path / "tmp").iterdir()) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)

    assert child.returncode == code, err
    assert "Traceback" not in err and not any((tmp_path / "tmp").glob("spikeproof-*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_a_destructor_swallows_still_ends_the_command(number, code):
    script = (
        "import os, sys, time\n"
        "from spikeproof import cli\n"
        "class Late:\n"
        "    def __del__(self):\n"
        f"        os.kill(os.getpid(), {int(number)}); time.sleep(0.01)\n"
        "def app():\n"
        "    Late()\n"
        "    time.sleep(30)\n"
        "cli.app = app\n"
        "cli.main()\n"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("error", ["TypeError('Operation not defined')", "FileFormatError('a.net: damaged')"])
def test_a_signal_that_a_library_turns_into_an_error_ends_the_command(number, code, error):
    script = (
        "import os, sys, time\n"
        "from spikeproof import cli\n"
        "from spikeproof.contract.errors import FileFormatError\n"
        "def app():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)}); time.sleep(30)\n"
        "    except BaseException:\n"
        f"        raise {error} from None\n"
        "cli.app = app\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == code and "error" not in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.lava
def test_ctrl_c_ends_a_sweep_without_the_workers_words(trained, tmp_path):  # noqa: F811
    pytest.importorskip("distributed")
    command = [sys.executable, "-m", "spikeproof", "verify", str(trained), "--samples", "all", "--lava-samples", "450"]
    child = subprocess.Popen(
        [*command, "-j", "2", "--results", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that the signal goes to the whole group, as a terminal's does
    )
    deadline = time.monotonic() + 120
    while not any(tmp_path.iterdir()) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(4)
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=60)

    assert child.returncode == 130 and err.split() == ["interrupted"], err


def test_demo_does_not_replace_another_run(run, trained, tmp_path):  # noqa: F811
    before = {path.name: path.read_bytes() for path in trained.iterdir()}

    code, _, err = run("demo", "--folder", trained, cwd=tmp_path)

    assert code == 2 and "holds a run of another recipe" in err and "--force" in err
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_parameters_are_counted_as_in_training(trained, run):  # noqa: F811
    from spikeproof.sim.cost import energy, operations

    net = netx.load(trained / "net.net")
    x = np.random.default_rng(0).random((1, 1, 64))
    from spikeproof.export.loihi2.mapping import place

    counted = energy.cost(net, operations.count(net, x), place(net)).parameters
    assert counted == json.loads((trained / "result.json").read_text())["parameters"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm here")
def test_what_killed_processes_left_is_cleared_away_and_nothing_else(monkeypatch, tmp_path):
    from spikeproof.export import files

    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    place = files._place()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    paths = {}
    for process in (ended.pid, os.getppid()):
        (tmp_path / f"spikeproof-{place}-{process}-abc").mkdir()
        paths[process] = Path(f"/dev/shm/sem.loky-{process}-spikeproof-test")
        paths[process].touch()
    try:
        with files.scratch():
            assert not (tmp_path / f"spikeproof-{place}-{ended.pid}-abc").exists() and not paths[ended.pid].exists()
            assert (tmp_path / f"spikeproof-{place}-{os.getppid()}-abc").exists() and paths[os.getppid()].exists()
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)
