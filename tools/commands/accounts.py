"""Tokens, API keys, the accounts that are billed, and what they used."""

from typing import Annotated, Literal

import typer

from tools.commands.options import AsJson

tokens_app = typer.Typer(no_args_is_help=True, help="Tokens for the chest X-ray API.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys for the VHS API.")
accounts_app = typer.Typer(no_args_is_help=True, help="Accounts that are billed, and their terms.")
Account = Annotated[str, typer.Argument(help="Name of the account, such as a clinic's.")]
KeyId = Annotated[str, typer.Argument(help="The key's id: what comes after rad_live_, or keys list shows.")]
TierOption = Annotated[
    Literal["paygo", "starter", "professional", "enterprise"] | None,
    typer.Option(help="Price list; paygo for a new account. Enterprise needs rates of its own."),
]
AutoTier = Annotated[
    bool | None, typer.Option("--auto-tier/--assigned-tier", help="Let the month's volume set the tier.")
]
SingleRate = Annotated[
    str | None, typer.Option(metavar="DOLLARS", help="Enterprise's rate of a single call.")
]
SessionRate = Annotated[str | None, typer.Option(metavar="DOLLARS", help="Enterprise's rate of a session.")]
ExpiresDays = Annotated[
    float | None, typer.Option(min=0.001, max=3650, help="How long the key is good; default: no end.")
]


@tokens_app.command("issue")
def issue_token(
    subject: Annotated[str, typer.Option(help="Whom the token is for, such as a site's name.")],
    days: Annotated[float, typer.Option(min=0.001, max=3650, help="How long it is valid.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Issue a token; the token alone is the last line."""
    from tools.tokens import issue

    issue(subject, days, as_json=as_json)


@keys_app.command("create")
def create_key(
    account: Account,
    tier: TierOption = None,
    auto_tier: AutoTier = None,
    single_rate: SingleRate = None,
    session_rate: SessionRate = None,
    expires_days: ExpiresDays = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and its account where it is new; the key alone is the last line, shown this once."""
    from tools.accounts import terms_of
    from tools.keys import create

    create(account, terms_of(tier, auto_tier, single_rate, session_rate), expires_days, as_json=as_json)


@keys_app.command("list")
def list_keys(
    account: Annotated[str | None, typer.Argument(help="Name of the account; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List keys, by what may be shown of them."""
    from tools.keys import list_keys as run

    run(account, as_json=as_json)


@keys_app.command("revoke")
def revoke_key(key_id: KeyId, as_json: AsJson = False) -> None:
    """End a key now."""
    from tools.keys import revoke

    revoke(key_id, as_json=as_json)


@keys_app.command("rotate")
def rotate_key(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=24 * 366, help="How long the old key stays good.")
    ] = 24,
    expires_days: ExpiresDays = None,
    as_json: AsJson = False,
) -> None:
    """Make a key that follows another; the key alone is the last line, shown this once."""
    from tools.keys import rotate

    rotate(key_id, overlap_hours, expires_days, as_json=as_json)


@accounts_app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List accounts with their terms."""
    from tools.accounts import list_accounts as run

    run(as_json=as_json)


@accounts_app.command("set")
def set_terms(
    account: Account,
    tier: TierOption = None,
    auto_tier: AutoTier = None,
    single_rate: SingleRate = None,
    session_rate: SessionRate = None,
    as_json: AsJson = False,
) -> None:
    """Change an account's terms, from the next call on, or open it."""
    from tools.accounts import set_terms as run
    from tools.accounts import terms_of

    run(account, terms_of(tier, auto_tier, single_rate, session_rate), as_json=as_json)


def usage(
    account: Annotated[str | None, typer.Argument(help="Name of the account; default: all.")] = None,
    month: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="Month in UTC; default: this one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what accounts used in a month, and what they owe."""
    from tools.usage import usage as run

    run(account, month, as_json=as_json)
