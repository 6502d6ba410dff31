"""API keys, from their making to their end."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from gateway.accounts.key_format import digest, is_well_formed, new_key
from gateway.accounts.keys import ApiKeys
from gateway.accounts.register import Accounts, Terms
from gateway.errors import Conflict, DatabaseUnavailable, Forbidden, NotFound


@pytest.fixture
async def keys(database):
    await Accounts(database).create("Clinic", Terms())
    return ApiKeys(database)


async def refused(keys, raw):
    with pytest.raises(Forbidden, match=r"^Invalid API key$") as error:
        await keys.caller(raw)
    return (error.value.status, error.value.code) == (403, "forbidden")


async def test_a_key_says_whose_it_is(keys, database):
    key = await keys.create("Clinic")
    caller = await keys.caller(key.raw)
    account = await Accounts(database).named("Clinic")
    assert (caller.account, caller.key_id) == (account.id, key.key_id)
    assert key.raw.startswith(f"rad_live_{key.key_id}_")


async def test_a_key_is_nowhere_but_in_its_owners_hands(keys, database, tmp_path):
    key = await keys.create("Clinic")
    await keys.caller(key.raw)
    secret = key.raw.split("_", 3)[3].rsplit("_", 1)[0]
    if database.is_postgresql:
        async with database.read() as connection:
            kept = str((await connection.execute(text("SELECT * FROM api_keys"))).all()).encode()
    else:
        files = sorted(tmp_path.glob("app.db*"))
        assert [file.name for file in files] == ["app.db", "app.db-shm", "app.db-wal"]
        kept = b"".join(file.read_bytes() for file in files)
    assert key.key_id.encode() in kept
    assert digest(key.raw).encode() in kept
    assert secret.encode() not in kept


@pytest.mark.parametrize("raw", [None, "", "ra_old", "rad_live_", "é" * 80, "rad_live_" + "a" * 5000])
async def test_what_is_no_key_is_refused(keys, raw):
    assert await refused(keys, raw)


async def test_an_unknown_key_is_refused(keys):
    assert await refused(keys, new_key().raw)


async def test_a_database_that_is_away_refuses_nobody(keys, database):
    key = await keys.create("Clinic")
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE api_keys RENAME TO away"))
    with pytest.raises(DatabaseUnavailable) as error:
        await keys.caller(key.raw)
    assert (error.value.status, error.value.retry_after_seconds) == (503, 5)
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO api_keys"))
    assert (await keys.caller(key.raw)).key_id == key.key_id


async def test_a_typing_error_is_found_without_the_database(keys, database):
    raw = (await keys.create("Clinic")).raw
    await database.close()
    for place in (0, 12, 20, 40, 69):
        mistyped = raw[:place] + ("x" if raw[place] != "x" else "y") + raw[place + 1 :]
        assert await refused(ApiKeys(None), mistyped)  # there is none to ask


def test_checksums_catch_every_single_and_swapped_character():
    raw = new_key().raw
    for place in range(len(raw)):
        for character in "aZ5_-":
            if raw[place] != character:
                assert not is_well_formed(raw[:place] + character + raw[place + 1 :])
        swapped = raw[:place] + raw[place + 1 : place + 2] + raw[place : place + 1] + raw[place + 2 :]
        assert swapped == raw or not is_well_formed(swapped)
    assert not is_well_formed(raw + "\n")


def test_keys_look_as_secret_scanners_know_them():
    made = [new_key() for _ in range(200)]
    assert all(re.fullmatch(r"rad_live_[a-z2-7]{8}_[\w-]{43}_[0-9a-f]{8}", key.raw) for key in made)
    assert all(is_well_formed(key.raw) for key in made)
    assert len({key.raw for key in made}) == 200


async def test_a_revoked_key_ends_at_once(keys):
    key, other = await keys.create("Clinic"), await keys.create("Clinic")
    await keys.caller(key.raw)
    await keys.revoke(key.key_id)
    assert await refused(keys, key.raw)
    assert (await keys.caller(other.raw)).key_id == other.key_id


async def test_the_time_of_a_revocation_stays(keys):
    key = await keys.create("Clinic")
    await keys.revoke(key.key_id)
    [first] = await keys.list()
    await keys.revoke(key.key_id)
    [again] = await keys.list()
    assert (again.revoked_at, again.state) == (first.revoked_at, "revoked")


async def test_a_key_ends_on_its_day(keys, database):
    key = await keys.create("Clinic", valid_for=timedelta(days=1))
    [row] = await keys.list()
    assert abs(row.expires_at - row.created_at - timedelta(days=1)) < timedelta(seconds=5)
    await keys.caller(key.raw)
    await make_older(database, timedelta(days=1, seconds=6))
    assert await refused(keys, key.raw)
    assert [row.state for row in await keys.list()] == ["expired"]


async def test_rotation_leaves_two_keys_for_a_while(keys, database):
    old = await keys.create("Clinic")
    new = await keys.rotate(old.key_id, overlap=timedelta(hours=2))
    assert new.account == "Clinic"
    assert {(await keys.caller(key.raw)).key_id for key in (old, new)} == {old.key_id, new.key_id}
    await make_older(database, timedelta(hours=2))
    assert await refused(keys, old.raw)
    assert (await keys.caller(new.raw)).key_id == new.key_id


async def test_rotation_does_not_prolong_a_key(keys):
    old = await keys.create("Clinic", valid_for=timedelta(hours=1))
    [before] = await keys.list()
    await keys.rotate(old.key_id, overlap=timedelta(hours=24))
    assert next(row for row in await keys.list() if row.id == old.key_id).expires_at == before.expires_at


async def test_rotation_without_overlap_ends_the_old_key(keys):
    old = await keys.create("Clinic")
    new = await keys.rotate(old.key_id, overlap=timedelta(0))
    assert await refused(keys, old.raw)
    await keys.caller(new.raw)


async def test_a_key_that_has_ended_is_not_rotated(keys):
    old = await keys.create("Clinic")
    await keys.revoke(old.key_id)
    with pytest.raises(NotFound, match="is revoked"):
        await keys.rotate(old.key_id)
    assert len(await keys.list()) == 1


async def test_unknown_names_are_told(keys):
    with pytest.raises(NotFound, match="Nobody"):
        await keys.create("Nobody")
    for act in (keys.revoke, keys.rotate):
        with pytest.raises(NotFound, match="aaaaaaaa"):
            await act("aaaaaaaa")


async def test_keys_are_listed_by_account(keys, database):
    await Accounts(database).create("Another", Terms())
    clinics = await keys.create("Clinic")
    anothers = await keys.create("Another")
    assert [row.id for row in await keys.list()] == [anothers.key_id, clinics.key_id]
    assert [row.account for row in await keys.list("Clinic")] == ["Clinic"]


async def test_the_day_of_the_last_use_is_kept(keys):
    key = await keys.create("Clinic")
    [row] = await keys.list()
    assert row.last_used_day is None
    await keys.caller(key.raw)
    [row] = await keys.list()
    assert row.last_used_day == row.now.date()


async def test_accounts_have_names_of_their_own(keys, database):
    with pytest.raises(Conflict, match="Clinic"):
        await Accounts(database).create("Clinic", Terms(tier="starter"))
    with pytest.raises(NotFound, match="Nobody"):
        await Accounts(database).change("Nobody", Terms(tier="starter"))


async def test_terms_change_one_by_one(keys, database):
    register = Accounts(database)
    await register.change("Clinic", Terms(tier="enterprise", single_cents=150))
    await register.change("Clinic", Terms(session_cents=0))
    await register.change("Clinic", Terms())
    [row] = await register.list()
    terms = (row.tier, row.auto_tier, row.custom_single_cents, row.custom_session_cents)
    assert terms == ("enterprise", False, 150, 0)


async def make_older(database, period):
    """Let time pass for every key."""
    milliseconds = period // timedelta(milliseconds=1)
    async with database.write() as connection:
        statement = f"UPDATE api_keys SET expires_at = expires_at - {milliseconds}"
        await connection.execute(text(statement))
