"""A report's blocks, put on the page in their order."""

from io import BytesIO

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from gateway.imaging.report.blocks import (
    caution_lines,
    findings_table,
    identity,
    overall,
    pictures,
    technical,
)
from gateway.imaging.report.content import ReportContent
from gateway.imaging.report.sheet import PRODUCT, STATUS, Sheet
from gateway.imaging.report.text import cleaned
from gateway.imaging.report.typeset import REGULAR, fonts, text_width


def warm_up() -> None:
    """Load the fonts, so that a worker's first report is as quick as the others."""
    fonts()
    text_width("A\N{CJK UNIFIED IDEOGRAPH-4E00}", 8)
    text_width("A", 8, bold=True)


def build_report(content: ReportContent, *, invariant: bool = False) -> bytes:
    """Lay out a report.

    Parameters
    ----------
    content
        Its values; JPEGs are embedded as they are.
    invariant
        Leave out time and identity of the document, so that equal content gives equal bytes.

    Returns
    -------
    A PDF: A4, one page unless notes or identifiers are unusually long, all fonts embedded as subsets,
    no scripts.

    Raises
    ------
    ValueError
        A thumbnail is not a JPEG.
    """
    fonts()
    target = BytesIO()
    canvas = Canvas(
        target, pagesize=A4, pageCompression=1, invariant=int(invariant), initialFontName=REGULAR, lang="en"
    )
    author = f"{PRODUCT} {cleaned(content.product_version)}"
    canvas.setTitle(f"Chest X-ray report {cleaned(content.report_id)}")
    canvas.setAuthor(author)
    canvas.setCreator(author)
    canvas.setSubject(STATUS)
    sheet = Sheet(canvas, content)
    for block in (identity, overall, caution_lines, findings_table, pictures, technical):
        block(sheet, content)
    sheet.finish()
    return target.getvalue()
