"""The RUN steps of the Dockerfiles, replayed; RADGATE_TEST_DOCKERFILES=1 runs all of them, for minutes."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.docker.replay import Step, commands, instructions, reason_to_skip, replay
from tests.docker.test_compose import DOCKERFILES

NOT_REPLAYED = {
    "gateway.Dockerfile": {"makes or names a user of the image", "gives a folder to a user of the image"},
    "triton.Dockerfile": set(),
}
FILE = r"""# a comment
FROM scratch AS first
WORKDIR /src
COPY here.py ./
ENV SAID=hello
RUN python3 here.py \
    # between
    > said.txt && python3 -m venv --without-pip /opt/tool \
    && useradd someone
FROM scratch
COPY --from=first /opt/tool /opt/tool
COPY --from=first /src/said.txt /etc/
RUN install -d -m 0750 /data/in && install -d -o someone /data/out
"""
HERE = "import os, pathlib; print(os.environ['SAID'], pathlib.Path.cwd().name)"


def run_steps(path):
    return [each for name, rest in instructions(path.read_text()) if name == "RUN" for each in commands(rest)]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_every_step_is_replayed_or_left_out_for_a_known_reason(path):
    steps = run_steps(path)
    assert {reason_to_skip(step) for step in steps} - {""} == NOT_REPLAYED[path.name]
    assert any("pip" in step and not reason_to_skip(step) for step in steps)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_has_nothing_to_say(path):
    """It is GPL and so no dependency of ours; who has it on the PATH has it run."""
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not on the PATH")
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_stages_are_folders_and_what_needs_an_image_is_named(tmp_path):
    (tmp_path / "Dockerfile").write_text(FILE)
    (tmp_path / "here.py").write_text(HERE)
    steps = replay(tmp_path / "Dockerfile", tmp_path / "out", context=tmp_path)
    assert [step.skipped for step in steps] == [
        "",
        "",
        "makes or names a user of the image",
        "",
        "gives a folder to a user of the image",
    ]
    assert steps[1] == Step("first", "python3 -m venv --without-pip /opt/tool", "")
    last = tmp_path / "out" / "1"
    assert (last / "etc" / "said.txt").read_text() == "hello src\n"
    assert (last / "opt" / "tool" / "bin" / "python3").exists()
    assert (last / "data" / "in").stat().st_mode & 0o777 == 0o750
    assert not (last / "data" / "out").exists()


def test_a_step_that_fails_fails_the_replay(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nRUN python3 -c 'raise SystemExit(3)'\n")
    with pytest.raises(subprocess.CalledProcessError):
        replay(tmp_path / "Dockerfile", tmp_path / "out", context=tmp_path)


@pytest.mark.skipif(
    not os.environ.get("RADGATE_TEST_DOCKERFILES"), reason="downloads for minutes: RADGATE_TEST_DOCKERFILES=1"
)
@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_a_dockerfile_installs_can_be_imported(path, tmp_path):
    if sys.version_info[:2] != (3, 12):
        pytest.skip("the images have Python 3.12: run this test with it")
    replay(path, tmp_path / "out")
    stage = max((tmp_path / "out").glob("[0-9]"))
    python = stage / "opt" / "radgate" / "bin" / "python"
    if not python.exists():
        python = stage.with_name(f"{stage.name}.python") / "bin" / "python"
    code = "import gateway.app, tools.models; print(gateway.__file__)"
    done = subprocess.run(
        [python, "-P", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith(str(tmp_path / "out")), "it is what was installed, not the checkout"
