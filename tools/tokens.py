"""Issue tokens with the secret of this instance."""

import json

from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import issue as issue_token
from gateway.settings import Settings


def issue(subject: str, days: float, *, as_json: bool) -> None:
    """Print a token; without JSON it stands alone on the last line."""
    settings = Settings()
    secret = secret_from(settings.jwt_secret.get_secret_value() or None, settings.secret_file)
    token = issue_token(subject, secret=secret, days=days)
    if as_json:
        print(json.dumps({"token": token}))
        return
    print(f"Token for {subject}, valid for {days:g} days. Send it as the Authorization header:")
    print(token)
