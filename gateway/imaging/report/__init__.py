"""The PDF report of one chest film: plain values in, one A4 page out, without I/O.

`content` is what a report says, `layout` puts `blocks` on a `sheet`, `typeset` draws text
of any script once `text`, `arabic` and `bidi` have made it ready.
"""

from gateway.imaging.report.content import ReportContent, cautions, content_of
from gateway.imaging.report.layout import build_report, warm_up

__all__ = ["ReportContent", "build_report", "cautions", "content_of", "warm_up"]
