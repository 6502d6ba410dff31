"""Whether a URI is well formed and absolute, as .NET's `Uri.IsWellFormedUriString` sees it."""

import re

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?P<rest>.*)", re.DOTALL)
_ILLEGAL = re.compile(r'[\x00-\x20\x7f<>"{}|\\^`\ud800-\udfff]|%(?![0-9A-Fa-f]{2})')
_AUTHORITY = re.compile(
    r"//(?:[^/?#@]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]]+)(?::(?P<port>[0-9]{0,5}))?(?:[/?#].*)?"
)
_WITH_HOST = ("http:", "https:", "ftp:")


def is_well_formed(uri: str | None) -> bool:
    """Tell whether a URI has a scheme, a host where it needs one, and no character that would be escaped."""
    match = _URI.fullmatch(uri or "")
    if match is None or not match["rest"] or _ILLEGAL.search(uri or ""):
        return False
    if not (uri or "").lower().startswith(_WITH_HOST):
        return True
    authority = _AUTHORITY.fullmatch(match["rest"])
    return authority is not None and int(authority["port"] or 0) < 65536
