"""A4 pages filled from the top, with the report's header and footer on each."""

from datetime import timezone

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from gateway.imaging.report.content import ReportContent
from gateway.imaging.report.typeset import Line, draw_line, line_of, text_width, wrapped

PRODUCT = "RadGate"
STATUS = "Preliminary – AI generated, requires review by a qualified reader"

_WIDTH, _HEIGHT = A4
MARGIN = 40.0
INNER = _WIDTH - 2 * MARGIN
BOTTOM = 82.0
"""The footer's top, in points like every length here."""
INK, MUTED, RULE = HexColor("#1B2733"), HexColor("#5C6873"), HexColor("#CBD3DA")
ACCENT, SHADE = HexColor("#1F4E79"), HexColor("#F2F5F8")
RED, AMBER, GREEN = HexColor("#A3201D"), HexColor("#8A5200"), HexColor("#1C6B3C")
RED_SHADE, CAUTION_SHADE, BLACK = HexColor("#FBECEB"), HexColor("#FFF5DF"), HexColor("#000000")
_FOOTER = (
    "Intended use: decision support in screening and triage with chest radiographs; every result is to be "
    "reviewed by a qualified reader. This is not a diagnosis. TB Presumptive ⇒ confirm by bacteriological "
    "test (Xpert/culture). Limitations: findings other than the twelve listed are not looked for; an absent "
    "finding does not exclude disease; the heatmap shows what the model responded to, not the extent of "
    "disease. No regulatory clearance is claimed."
)


class Sheet:
    """Pages filled from the top, header and footer included."""

    def __init__(self, canvas: Canvas, content: ReportContent) -> None:
        self.canvas = canvas
        self._content = content
        self._page = 1
        self.y = _HEIGHT - MARGIN
        self._header()

    def room_for(self, height: float) -> None:
        """Go on with a new page if this one has no room for the next block."""
        if self.y - height < BOTTOM:
            self._footer("continued")
            self.canvas.showPage()
            self._page += 1
            self.y = _HEIGHT - MARGIN
            self._header()

    def finish(self) -> None:
        """Close the last page and write the document."""
        self._footer("end of report")
        self.canvas.showPage()
        self.canvas.save()

    def text(
        self, x: float, y: float, text: str | Line, size: float, *, bold: bool = False, colour: Color = INK
    ) -> None:
        """Draw one line that begins at `x`, `y` being its base line."""
        line = text if isinstance(text, Line) else line_of(text)
        draw_line(self.canvas, x, y, line, size, bold=bold, colour=colour)

    def text_to(
        self, right: float, y: float, text: str, size: float, *, bold: bool = False, colour: Color = INK
    ) -> None:
        """Draw text that ends at `right`."""
        line = line_of(text)
        self.text(right - text_width(line.logical, size, bold=bold), y, line, size, bold=bold, colour=colour)

    def box(self, height: float, fill: Color, edge: Color | None = None) -> None:
        """Fill the full width below the cursor, with a coloured edge on its left."""
        self.canvas.setFillColor(fill)
        self.canvas.rect(MARGIN, self.y - height, INNER, height, stroke=0, fill=1)
        if edge is not None:
            self.canvas.setFillColor(edge)
            self.canvas.rect(MARGIN, self.y - height, 3, height, stroke=0, fill=1)

    def rule(self, y: float, colour: Color = RULE, thickness: float = 0.5) -> None:
        """Draw a line across the page."""
        self.canvas.setStrokeColor(colour)
        self.canvas.setLineWidth(thickness)
        self.canvas.line(MARGIN, y, MARGIN + INNER, y)

    def heading(self, text: str) -> None:
        """Draw a block's title at the cursor and move below it."""
        self.text(MARGIN, self.y - 8, text, 8, bold=True, colour=ACCENT)
        self.y -= 13

    def _header(self) -> None:
        content, right = self._content, MARGIN + INNER
        made = content.generated_at.astimezone(timezone.utc)
        self.text(MARGIN, self.y - 14, PRODUCT, 17, bold=True, colour=ACCENT)
        self.text(
            MARGIN,
            self.y - 27,
            f"Chest X-ray AI report · version {content.product_version}",
            8,
            colour=MUTED,
        )
        for row, text in enumerate(
            (f"Report {content.report_id}", f"{made:%Y-%m-%d %H:%M:%S} UTC", content.site)
        ):
            fitting = wrapped(text, 8, INNER * 0.55, max_lines=1)[0]
            x = right - text_width(fitting.logical, 8)
            self.text(x, self.y - 7 - 10 * row, fitting, 8, colour=INK if row == 0 else MUTED)
        self.y -= 34
        self.rule(self.y, ACCENT, 1.2)
        self.y -= 3
        self.box(16, CAUTION_SHADE)
        self.text(MARGIN + 8, self.y - 11, f"Status: {STATUS}", 8, bold=True, colour=AMBER)
        self.y -= 25

    def _footer(self, state: str) -> None:
        self.rule(BOTTOM - 6)
        y = BOTTOM - 15
        for line in wrapped(_FOOTER, 6.5, INNER):
            self.text(MARGIN, y, line, 6.5, colour=MUTED)
            y -= 8.2
        self.text_to(MARGIN + INNER, 24, f"Page {self._page} · {state}", 6.5, colour=MUTED)
        label_text = f"Report {self._content.report_id} · Patient ID {self._content.patient_id or '–'}"
        label = wrapped(label_text, 6.5, INNER * 0.8, max_lines=1)[0]
        self.text(MARGIN, 24, label, 6.5, colour=MUTED)
