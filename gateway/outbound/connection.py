"""What a caller says about a peer: where, and with which credential."""

import re
from dataclasses import dataclass, field
from typing import Literal

from gateway.errors import InvalidRequest

AuthType = Literal["None", "Basic", "Bearer"]
_CREDENTIAL = re.compile(r"[\x21-\x7e]{1,16384}", re.ASCII)


@dataclass(frozen=True)
class Connection:
    """A peer as a request names it.

    Attributes
    ----------
    uri
        Base URI; whether it may be reached is the allow-list's decision.
    auth_id
        For Basic the base64 of `user:password`, for Bearer the token. Not in `repr`.
    account
        On whose behalf, where peers are kept for some accounts.
    """

    uri: str
    auth_type: AuthType = "None"
    auth_id: str | None = field(default=None, repr=False)
    account: str = ""

    def headers(self) -> dict[str, str]:
        """Give the header that proves who asks, the credential as it came.

        Raises
        ------
        InvalidRequest
            There is no credential, or it holds what no header can.
        """
        if self.auth_type == "None":
            return {}
        if not _CREDENTIAL.fullmatch(self.auth_id or ""):
            raise InvalidRequest(
                f"authID must hold a credential in visible ASCII where authType is {self.auth_type}",
                field="authID",
            )
        return {"Authorization": f"{self.auth_type} {self.auth_id}"}
