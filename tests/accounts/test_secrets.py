import os
import threading

import pytest

from gateway.accounts.secrets import SecretRefused, secret_from


def test_a_given_secret_is_taken_and_no_file_made(tmp_path):
    assert secret_from("s" * 32, tmp_path / "secret") == "s" * 32
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["", "s" * 31, " " * 40, "s" * 31 + "\n"])
def test_a_given_secret_may_not_be_short(tmp_path, value):
    with pytest.raises(SecretRefused, match="shorter than 32 bytes"):
        secret_from(value, tmp_path / "secret")


def test_makes_a_secret_once(tmp_path):
    secret = secret_from(None, tmp_path / "var/secret")
    assert len(secret.encode()) >= 32
    assert secret_from(None, tmp_path / "var/secret") == secret
    assert secret_from(None, tmp_path / "other") != secret
    assert os.listdir(tmp_path / "var") == ["secret"]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_made_secret_is_ours_alone(tmp_path, umask):
    before = os.umask(umask)
    try:
        secret_from(None, tmp_path / "secret")
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_of_two_that_start_together_both_get_the_same(tmp_path):
    secrets = set()
    barrier = threading.Barrier(8)

    def start():
        barrier.wait()
        secrets.add(secret_from(None, tmp_path / "secret"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 1
    assert os.listdir(tmp_path) == ["secret"]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620, 0o601])
def test_refuses_a_file_open_to_others(tmp_path, mode):
    (tmp_path / "secret").write_text("s" * 40)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(SecretRefused, match="chmod 600"):
        secret_from(None, tmp_path / "secret")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_takes_a_file_that_its_group_may_read(tmp_path, mode):
    (tmp_path / "secret").write_text("s" * 40 + "\n")
    (tmp_path / "secret").chmod(mode)
    assert secret_from(None, tmp_path / "secret") == "s" * 40


@pytest.mark.parametrize("content", [b"", b"#" * 31, b"#" * 31 + b"\n\n\n"])
def test_refuses_a_short_file(tmp_path, content):
    (tmp_path / "secret").write_bytes(content)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(SecretRefused, match="shorter than 32 bytes") as caught:
        secret_from(None, tmp_path / "secret")
    assert "##" not in str(caught.value)


def test_refuses_bytes_that_are_no_text(tmp_path):
    (tmp_path / "secret").write_bytes(b"\xff" * 40)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(SecretRefused, match="not text"):
        secret_from(None, tmp_path / "secret")


def test_refuses_what_is_no_file_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder"):
        with pytest.raises(SecretRefused, match="regular file"):
            secret_from(None, tmp_path / name)


def test_follows_the_links_that_kubernetes_mounts(tmp_path):
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data/secret").write_text("s" * 40)
    (tmp_path / "..data/secret").chmod(0o440)
    (tmp_path / "secret").symlink_to("..data/secret")
    assert secret_from(None, tmp_path / "secret") == "s" * 40


def test_a_failed_start_leaves_no_draft(tmp_path, monkeypatch):
    def link(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="not supported"):
        secret_from(None, tmp_path / "secret")
    assert not list(tmp_path.iterdir())
