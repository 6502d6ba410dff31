"""Work is wanted as long as its lease is held."""

import subprocess
import sys

import pytest

from gateway.triton.leases import Lease, is_over


def test_is_over_when_it_was_ended():
    with Lease() as lease:
        assert not is_over(lease.name)
        assert not is_over(lease.name), "looking takes it from nobody"
    assert is_over(lease.name)
    lease.end()


def test_is_over_when_its_holder_died():
    code = "from gateway.triton.leases import Lease; print(Lease().name, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        name = holder.stdout.readline().decode().strip()
        assert not is_over(name)
        holder.kill()
        holder.wait()
    assert is_over(name)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "x"])
def test_no_other_file_is_a_lease(name):
    assert is_over(name)


def test_no_name_is_a_lease_for_ever():
    assert not is_over("")
