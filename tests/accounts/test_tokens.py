import base64
import hashlib
import hmac
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.secrets import SecretRefused
from gateway.accounts.tokens import TokenVerifier, issue
from gateway.errors import Unauthenticated

SECRET = "correct horse battery staple, long"
OTHER = "another secret, as long as the first"
NOW = 1_800_000_000
DAY = 86_400


@pytest.fixture
def verifier():
    return TokenVerifier([SECRET])


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims, *, header=None, secret=SECRET, digest=hashlib.sha256):
    """Build a token by hand, as PyJWT would refuse to."""
    header = {"alg": "HS256", "typ": "JWT"} if header is None else header
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    body = b64(json.dumps(header).encode()) + "." + b64(payload)
    return body + "." + b64(hmac.new(secret.encode(), body.encode(), digest).digest())


def answer(verifier, header, now=NOW):
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(header, now=now)
    assert caught.value.status == 401
    return caught.value.message


def test_an_issued_token_holds(verifier):
    token = issue("site-7", secret=SECRET, now=NOW, new_id=lambda: "id-1")
    claims = verifier.verify(token, now=NOW)
    assert (claims.subject, claims.token_id) == ("site-7", "id-1")
    assert (claims.valid_from, claims.expires_at) == (NOW, NOW + 30 * DAY)


def test_an_issued_token_says_what_is_documented():
    token = issue("site-7", secret=SECRET, days=1, now=NOW, new_id=lambda: "id-1")
    header, payload, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    assert json.loads(header) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(payload) == {
        "sub": "site-7", "iss": "radgate", "iat": NOW, "exp": NOW + DAY, "jti": "id-1",
    }  # fmt: skip


def test_ids_differ(verifier):
    first, second = (verifier.verify(issue("s", secret=SECRET)).token_id for _ in range(2))
    assert first != second


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer ", "BEARER  ", " ", "\tBearer\t"])
def test_takes_the_token_raw_or_after_bearer(verifier, prefix):
    assert verifier.verify(prefix + issue("s", secret=SECRET, now=NOW) + " ", now=NOW).subject == "s"


@pytest.mark.parametrize("header", [None, "", "   ", "\t", "Bearer", "bearer ", " BEARER  "])
def test_says_when_the_token_is_missing(verifier, header):
    assert answer(verifier, header) == "Token missing"


def test_expires_after_its_days_and_the_leeway(verifier):
    token = issue("s", secret=SECRET, now=NOW)
    end = NOW + 30 * DAY
    verifier.verify(token, now=end + 29)
    assert answer(verifier, token, now=end + 30) == "Token expired"
    assert answer(verifier, token, now=end + DAY) == "Token expired"


def test_an_expired_token_must_still_be_genuine(verifier):
    claims = {"sub": "s", "exp": NOW - DAY}
    assert answer(verifier, signed(claims)) == "Token expired"
    assert answer(verifier, signed(claims, secret=OTHER)) == "Invalid token"
    assert answer(verifier, signed(claims, header={"alg": "none"})) == "Invalid token"


def test_asks_nothing_but_exp_of_another_issuer(verifier):
    claims = verifier.verify(signed({"exp": NOW + 1}), now=NOW)
    assert (claims.subject, claims.token_id, claims.valid_from) == ("", None, None)
    assert (
        verifier.verify(signed({"exp": NOW + 0.5, "iss": "them", "role": [1]}), now=NOW).expires_at
        == NOW + 0.5
    )


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "s"},
        {"sub": "s", "exp": None},
        {"sub": "s", "exp": "never"},
        {"sub": "s", "exp": str(NOW + DAY)},
        {"sub": "s", "exp": True},
        {"sub": "s", "exp": [NOW + DAY]},
        {"sub": "s", "exp": float("inf")},
        {"sub": "s", "exp": float("nan")},
        {"sub": "s", "exp": 10**400},
        {"sub": 7, "exp": NOW + DAY},
        {"sub": "s", "exp": NOW + DAY, "iat": NOW + 31},
        {"sub": "s", "exp": NOW + DAY, "nbf": NOW + 31},
        {"sub": "s", "exp": NOW + DAY, "iat": NOW, "nbf": NOW + 31},
        {"sub": "s", "exp": NOW + DAY, "iat": "now"},
        {"sub": "s", "exp": NOW + DAY, "jti": 7},
        {"sub": "s", "exp": NOW + DAY, "jti": ["x"]},
        {"sub": "s", "exp": NOW + DAY, "aud": "someone else"},
        [NOW],
        b"not json",
        b"\xff\xfe",
        b"[" * 3000,
        b'{"exp":' + b"9" * 3000 + b"}",
    ],
)
def test_refuses_claims_that_do_not_hold(verifier, claims):
    assert answer(verifier, signed(claims)) == "Invalid token"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": {"HS256": 1}},
        {"alg": "hs256"},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": "ES256"},
        {"typ": "JWT"},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "b64": False, "crit": ["b64"]},
        ["HS256"],
    ],
)
def test_takes_no_algorithm_but_its_own(verifier, header):
    assert answer(verifier, signed({"sub": "s", "exp": NOW + DAY}, header=header)) == "Invalid token"


@pytest.mark.parametrize("digest", [hashlib.sha384, hashlib.sha512])
def test_takes_no_other_algorithm_rightly_signed_either(digest):
    secret = SECRET * 2  # long enough for these, too
    header = {"alg": f"HS{digest().digest_size * 8}"}
    token = signed({"sub": "s", "exp": NOW + DAY}, header=header, secret=secret, digest=digest)
    assert answer(TokenVerifier([secret]), token) == "Invalid token"


def test_takes_no_unsigned_token(verifier):
    token = signed({"sub": "s", "exp": NOW + DAY}, header={"alg": "none"})
    assert answer(verifier, token.rpartition(".")[0] + ".") == "Invalid token"
    assert answer(verifier, issue("s", secret=SECRET, now=NOW).rpartition(".")[0] + ".") == "Invalid token"


def test_no_public_key_can_serve_as_the_secret():
    # RS/HS confusion: a token signed with the public key of an RS256 issuer as if it were our secret.
    key = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----"
    with pytest.raises(SecretRefused, match="asymmetric"):
        TokenVerifier([key])
    assert answer(TokenVerifier([SECRET]), signed({"exp": NOW + DAY}, secret=key)) == "Invalid token"


@pytest.mark.parametrize("place", range(3))
def test_notices_any_change(verifier, place):
    parts = issue("s", secret=SECRET, now=NOW).split(".")
    for spot in range(len(parts[place])):
        letter = "A" if parts[place][spot] != "A" else "Q"
        changed = parts.copy()
        changed[place] = parts[place][:spot] + letter + parts[place][spot + 1 :]
        assert answer(verifier, ".".join(changed)) == "Invalid token"


@pytest.mark.parametrize(
    "header",
    [
        "x",
        "..",
        "a.b",
        "a.b.c.d",
        "Basic dTpw",
        "Bearer Bearer x",
        "null",
        "\u00a0",
        "tökén",
        "\udcff",
        "\0",
        "x" * (1 << 20),
    ],
)
def test_refuses_garbage(verifier, header):
    assert answer(verifier, header) == "Invalid token"


def test_refuses_what_surrounds_a_good_token(verifier):
    token = issue("s", secret=SECRET, now=NOW)
    for header in (
        f"Bearer Bearer {token}",
        f"Basic {token}",
        f"{token},{token}",
        f"{token}\u00e9",
        token + "." * 9000,
    ):
        assert answer(verifier, header) == "Invalid token"


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_=-]{0,80}(\.[A-Za-z0-9_=-]{0,80}){1,4}"))
def test_no_header_gets_past_the_two_answers(header):
    with pytest.raises(Unauthenticated) as caught:
        TokenVerifier([SECRET]).verify(header, now=NOW)
    assert caught.value.message in ("Token missing", "Invalid token")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
claim_names = st.sampled_from(["exp", "iat", "nbf", "sub", "jti", "iss", "aud"])


@given(st.dictionaries(claim_names, json_values) | json_values)
def test_no_signed_claims_break_it(claims):
    try:
        TokenVerifier([SECRET]).verify(signed(claims), now=NOW)
    except Unauthenticated as error:
        assert error.message in ("Token expired", "Invalid token")


def test_two_secrets_hold_during_a_rotation():
    both = TokenVerifier([OTHER, SECRET])
    for secret in (SECRET, OTHER):
        assert both.verify(issue("s", secret=secret, now=NOW), now=NOW).subject == "s"
    assert answer(TokenVerifier([OTHER]), issue("s", secret=SECRET, now=NOW)) == "Invalid token"
    assert answer(both, issue("s", secret=SECRET, now=NOW - 31 * DAY)) == "Token expired"


@pytest.mark.parametrize("secrets", [[], [SECRET] * 3, SECRET])
def test_takes_one_or_two_secrets(secrets):
    with pytest.raises(ValueError, match="One secret"):
        TokenVerifier(secrets)


def test_takes_no_short_secret():
    for use in (lambda: TokenVerifier([SECRET, "s" * 31]), lambda: issue("s", secret="s" * 31)):
        with pytest.raises(SecretRefused, match="32 bytes"):
            use()


def test_a_denied_token_is_refused_without_a_restart(tmp_path):
    file = tmp_path / "denied"
    verifier = TokenVerifier([SECRET], file)
    tokens = {name: issue("s", secret=SECRET, now=NOW, new_id=lambda name=name: name) for name in "abc"}
    for token in tokens.values():
        verifier.verify(token, now=NOW)  # no file yet, nothing denied
    file.write_text("a\n\n  b  \r\n")
    assert [answer(verifier, tokens[name]) for name in "ab"] == ["Invalid token"] * 2
    verifier.verify(tokens["c"], now=NOW)
    file.write_text("c\n")
    assert answer(verifier, tokens["c"]) == "Invalid token"
    verifier.verify(tokens["a"], now=NOW)


def test_an_edit_of_the_same_length_in_the_same_tick_is_noticed(tmp_path):
    file = tmp_path / "denied"
    verifier = TokenVerifier([SECRET], file)
    tokens = {name: issue("s", secret=SECRET, now=NOW, new_id=lambda name=name: name) for name in "ab"}
    for denied, free in ("ab", "ba") * 20:
        file.write_text(denied)
        os.utime(file, (NOW, NOW))
        assert answer(verifier, tokens[denied]) == "Invalid token"
        verifier.verify(tokens[free], now=NOW)


def test_a_denied_and_expired_token_is_invalid(tmp_path):
    (tmp_path / "denied").write_text("a")
    token = issue("s", secret=SECRET, now=NOW - 60 * DAY, new_id=lambda: "a")
    assert answer(TokenVerifier([SECRET], tmp_path / "denied"), token) == "Invalid token"


def test_what_was_denied_stays_so_when_the_file_cannot_be_read(tmp_path, caplog):
    file = tmp_path / "denied"
    file.write_text("a")
    verifier = TokenVerifier([SECRET], file)
    token = issue("s", secret=SECRET, now=NOW, new_id=lambda: "a")
    assert answer(verifier, token) == "Invalid token"
    file.unlink()
    assert answer(verifier, token) == "Invalid token"
    file.mkdir()
    assert answer(verifier, token) == "Invalid token"
    assert "Is a directory" in caplog.text


def test_a_token_without_an_id_is_on_no_list(tmp_path):
    (tmp_path / "denied").write_text("\n\nNone\n")
    TokenVerifier([SECRET], tmp_path / "denied").verify(signed({"exp": NOW + DAY}), now=NOW)
