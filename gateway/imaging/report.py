"""The PDF report of one chest film: one A4 page, from plain values, without I/O."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from io import BytesIO

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfdoc import PDFImageXObject
from reportlab.pdfgen.canvas import Canvas

from gateway.imaging.chest_xray import FINDINGS, Finding
from gateway.imaging.text import cleaned
from gateway.imaging.typeset import REGULAR, Line, draw_line, fonts, line_of, text_width, wrapped

PRODUCT = "RadGate"
STATUS = "Preliminary – AI generated, requires review by a qualified reader"
THRESHOLD = 0.5
"""Of the calibrated confidence: the contract's presence is confidence >= 0.5."""

_WIDTH, _HEIGHT = A4
_MARGIN = 40.0
_INNER = _WIDTH - 2 * _MARGIN
_BOTTOM = 82.0  # the footer's top
_INK, _MUTED, _RULE = HexColor("#1B2733"), HexColor("#5C6873"), HexColor("#CBD3DA")
_ACCENT, _SHADE = HexColor("#1F4E79"), HexColor("#F2F5F8")
_RED, _AMBER, _GREEN = HexColor("#A3201D"), HexColor("#8A5200"), HexColor("#1C6B3C")
_CAUTION_SHADE = HexColor("#FFF5DF")
_FOOTER = (
    "Intended use: decision support in screening and triage with chest radiographs; every result is to be "
    "reviewed by a qualified reader. This is not a diagnosis. TB Presumptive ⇒ confirm by bacteriological "
    "test (Xpert/culture). Limitations: findings other than the twelve listed are not looked for; an absent "
    "finding does not exclude disease; the heatmap shows what the model responded to, not the extent of "
    "disease. No regulatory clearance is claimed."
)
_CAUTION_YOUNG = (
    "Patient younger than 15 years: WHO recommends computer-aided detection of tuberculosis on chest "
    "radiographs from the age of 15 (2021)."
)
_CAUTION_LATERAL = "Lateral view: the model is made for frontal films; this result is not valid for it."
_CAUTION_LOSSY = "The image was compressed with loss: fine detail may be missing."


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """What a report says. Strings come as they are in the DICOM file; empty means not given."""

    report_id: str
    generated_at: datetime
    """Aware; printed in UTC."""
    product_version: str
    result: str
    """The overall result, as in the prediction JSON."""
    findings: tuple[Finding, ...]
    source_jpeg: bytes
    heatmap_jpeg: bytes
    site: str = ""
    patient_id: str = ""
    patient_name: str = ""
    patient_age: str = ""
    """DICOM age string, such as 045Y."""
    patient_sex: str = ""
    study_date: str = ""
    """DICOM date, such as 20240131."""
    modality: str = ""
    view_position: str = ""
    accession_number: str = ""
    sop_instance_uid: str = ""
    lossy_image_compression: bool = False
    model_name: str = ""
    model_version: str = ""
    model_hash: str = ""
    operating_points: tuple[float, ...] = ()
    """The model's raw probability that became a confidence of 0.5, one for each of `findings`."""
    image_notes: tuple[str, ...] = field(default=())
    processing_ms: float | None = None


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
    sheet = _Sheet(canvas, content)
    for block in (_identity, _overall, _cautions, _findings, _pictures, _technical):
        block(sheet, content)
    sheet.finish()
    return target.getvalue()


def cautions(content: ReportContent) -> list[str]:
    """Give the reasons to trust this result less."""
    age = re.fullmatch(r"\s*(\d{1,3})([DWMY]?)\s*", content.patient_age)
    years_per_unit = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12}
    is_young = age is not None and int(age[1]) * years_per_unit.get(age[2], 1) < 15
    is_lateral = content.view_position.strip().upper() in ("LL", "RL", "LLD", "RLD", "LAT", "LATERAL")
    return (
        [_CAUTION_YOUNG] * is_young
        + [_CAUTION_LATERAL] * is_lateral
        + [_CAUTION_LOSSY] * content.lossy_image_compression
    )


class _Sheet:
    """Pages filled from the top, header and footer included."""

    def __init__(self, canvas: Canvas, content: ReportContent) -> None:
        self.canvas = canvas
        self._content = content
        self._page = 1
        self.y = _HEIGHT - _MARGIN
        self._header()

    def room_for(self, height: float) -> None:
        """Go on with a new page if this one has no room for the next block."""
        if self.y - height < _BOTTOM:
            self._footer("continued")
            self.canvas.showPage()
            self._page += 1
            self.y = _HEIGHT - _MARGIN
            self._header()

    def finish(self) -> None:
        self._footer("end of report")
        self.canvas.showPage()
        self.canvas.save()

    def text(
        self, x: float, y: float, text: str | Line, size: float, *, bold: bool = False, colour: Color = _INK
    ) -> None:
        line = text if isinstance(text, Line) else line_of(text)
        draw_line(self.canvas, x, y, line, size, bold=bold, colour=colour)

    def text_to(
        self, right: float, y: float, text: str, size: float, *, bold: bool = False, colour: Color = _INK
    ) -> None:
        """Draw text that ends at `right`."""
        line = line_of(text)
        self.text(right - text_width(line.logical, size, bold=bold), y, line, size, bold=bold, colour=colour)

    def box(self, height: float, fill: Color, edge: Color | None = None) -> None:
        """Fill the full width below the cursor, with a coloured edge on its left."""
        self.canvas.setFillColor(fill)
        self.canvas.rect(_MARGIN, self.y - height, _INNER, height, stroke=0, fill=1)
        if edge is not None:
            self.canvas.setFillColor(edge)
            self.canvas.rect(_MARGIN, self.y - height, 3, height, stroke=0, fill=1)

    def rule(self, y: float, colour: Color = _RULE, thickness: float = 0.5) -> None:
        self.canvas.setStrokeColor(colour)
        self.canvas.setLineWidth(thickness)
        self.canvas.line(_MARGIN, y, _MARGIN + _INNER, y)

    def heading(self, text: str) -> None:
        self.text(_MARGIN, self.y - 8, text, 8, bold=True, colour=_ACCENT)
        self.y -= 13

    def _header(self) -> None:
        content, right = self._content, _MARGIN + _INNER
        made = content.generated_at.astimezone(timezone.utc)
        self.text(_MARGIN, self.y - 14, PRODUCT, 17, bold=True, colour=_ACCENT)
        self.text(
            _MARGIN,
            self.y - 27,
            f"Chest X-ray AI report · version {content.product_version}",
            8,
            colour=_MUTED,
        )
        for row, text in enumerate(
            (f"Report {content.report_id}", f"{made:%Y-%m-%d %H:%M:%S} UTC", content.site)
        ):
            fitting = wrapped(text, 8, _INNER * 0.55, max_lines=1)[0]
            x = right - text_width(fitting.logical, 8)
            self.text(x, self.y - 7 - 10 * row, fitting, 8, colour=_INK if row == 0 else _MUTED)
        self.y -= 34
        self.rule(self.y, _ACCENT, 1.2)
        self.y -= 3
        self.box(16, _CAUTION_SHADE)
        self.text(_MARGIN + 8, self.y - 11, f"Status: {STATUS}", 8, bold=True, colour=_AMBER)
        self.y -= 25

    def _footer(self, state: str) -> None:
        self.rule(_BOTTOM - 6)
        y = _BOTTOM - 15
        for line in wrapped(_FOOTER, 6.5, _INNER):
            self.text(_MARGIN, y, line, 6.5, colour=_MUTED)
            y -= 8.2
        self.text_to(_MARGIN + _INNER, 24, f"Page {self._page} · {state}", 6.5, colour=_MUTED)
        label = wrapped(f"Report {self._content.report_id}", 6.5, _INNER * 0.7, max_lines=1)[0]
        self.text(_MARGIN, 24, label, 6.5, colour=_MUTED)


def _identity(sheet: _Sheet, content: ReportContent) -> None:
    columns = (("Patient", _patient_fields(content)), ("Study", _study_fields(content)))
    left_width = _INNER * 0.42
    placed = []
    for column, (title, fields) in enumerate(columns):
        width = left_width - 16 if column == 0 else _INNER - left_width
        label_width = 40.0 if column == 0 else 88.0
        placed.append(
            (title, _MARGIN + column * left_width, label_width, _set_fields(fields, width - label_width))
        )
    height = 15 + max(sum(10.2 * len(lines) for _, lines, _ in rows) for _, _, _, rows in placed)
    sheet.room_for(height)
    for title, x, label_width, rows in placed:
        sheet.text(x, sheet.y - 8, title, 8, bold=True, colour=_ACCENT)
        y = sheet.y - 21
        for label, lines, size in rows:
            sheet.text(x, y, label, 8, colour=_MUTED)
            for line in lines:
                sheet.text(x + label_width, y, line, size)
                y -= 10.2
    sheet.y -= height + 6


def _set_fields(fields: Sequence[tuple[str, str]], width: float) -> list[tuple[str, list[Line], float]]:
    """Wrap the values; long ones in smaller print."""
    rows = []
    for label, value in fields:
        size = 8.0 if text_width(value, 8) <= 2 * width else 6.5
        rows.append((label, wrapped(value or "–", size, width, max_lines=9), size))
    return rows


def _patient_fields(content: ReportContent) -> list[tuple[str, str]]:
    return [
        ("Name", _person_name(content.patient_name)),
        ("ID", content.patient_id),
        ("Age", _age(content.patient_age)),
        ("Sex", {"M": "Male", "F": "Female", "O": "Other"}.get(content.patient_sex, content.patient_sex)),
    ]


def _study_fields(content: ReportContent) -> list[tuple[str, str]]:
    date = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", content.study_date)
    return [
        ("Date", "-".join(date.groups()) if date else content.study_date),
        ("Modality / view", " / ".join(part or "–" for part in (content.modality, content.view_position))),
        ("Accession", content.accession_number),
        ("SOP Instance UID", content.sop_instance_uid),
        ("Lossy compression", "Yes" if content.lossy_image_compression else "No"),
    ]


def _person_name(name: str) -> str:
    """Show all component groups of a person name (PS3.5 6.2.1), their carets as spaces."""
    groups = (" ".join(part for part in group.split("^") if part) for group in name.split("="))
    return " / ".join(group for group in groups if group.strip())


def _age(age: str) -> str:
    parts = re.fullmatch(r"(\d{3})([DWMY])", age)
    if not parts:
        return age
    unit = {"D": "day", "W": "week", "M": "month", "Y": "year"}[parts[2]]
    return f"{int(parts[1])} {unit}{'' if int(parts[1]) == 1 else 's'}"


def _overall(sheet: _Sheet, content: ReportContent) -> None:
    present = [finding.name for finding in content.findings if finding.presence]
    colour = _RED if FINDINGS[0] in present else _AMBER if present else _GREEN
    advice = "Confirm by bacteriological test (Xpert/culture)." if FINDINGS[0] in present else ""
    sheet.room_for(46)
    sheet.box(40, _SHADE, colour)
    sheet.text(_MARGIN + 12, sheet.y - 12, "Overall result", 8, colour=_MUTED)
    lines = wrapped(content.result, 18, _INNER * 0.6, bold=True, max_lines=1)
    sheet.text(_MARGIN + 12, sheet.y - 32, lines[0], 18, bold=True, colour=colour)
    summary = f"{len(present)} of {len(content.findings)} findings present"
    sheet.text_to(_MARGIN + _INNER - 10, sheet.y - 17, summary, 8)
    sheet.text_to(_MARGIN + _INNER - 10, sheet.y - 29, advice, 8, bold=True, colour=colour)
    sheet.y -= 48


def _cautions(sheet: _Sheet, content: ReportContent) -> None:
    lines = [line for text in cautions(content) for line in wrapped(f"Caution: {text}", 7.5, _INNER - 20)]
    if not lines:
        return
    height = 10 * len(lines) + 6
    sheet.room_for(height + 8)
    sheet.box(height, _CAUTION_SHADE, _AMBER)
    for row, line in enumerate(lines):
        sheet.text(_MARGIN + 12, sheet.y - 10.5 - 10 * row, line, 7.5, colour=_AMBER)
    sheet.y -= height + 8


_COLUMNS = (_MARGIN + 6, _MARGIN + 250, _MARGIN + 330, _MARGIN + 410)  # name; right ends of the numbers
_RESULT_AT = _MARGIN + 430
_ROW = 13.0


def _findings(sheet: _Sheet, content: ReportContent) -> None:
    sheet.room_for(_ROW * (len(content.findings) + 1) + 10)
    y = sheet.y - 9
    sheet.text(_COLUMNS[0], y, "Finding", 7.5, bold=True, colour=_ACCENT)
    for right, title in zip(_COLUMNS[1:], ("Confidence", "Threshold", "Operating point"), strict=True):
        sheet.text_to(right, y, title, 7.5, bold=True, colour=_ACCENT)
    sheet.text(_RESULT_AT, y, "Result", 7.5, bold=True, colour=_ACCENT)
    sheet.y -= _ROW
    for row, finding in enumerate(content.findings):
        sheet.rule(sheet.y)
        point = content.operating_points[row] if row < len(content.operating_points) else None
        _finding_row(sheet, finding, point)
        sheet.y -= _ROW
    sheet.rule(sheet.y)
    sheet.y -= 10


def _finding_row(sheet: _Sheet, finding: Finding, point: float | None) -> None:
    if finding.presence:
        sheet.box(_ROW, HexColor("#FBECEB"), _RED)
    y, ink = sheet.y - 9.2, _INK if finding.assessed else _MUTED
    sheet.text(_COLUMNS[0], y, finding.name, 8, bold=finding.presence, colour=ink)
    numbers = (f"{finding.confidence:.2f}", f"{THRESHOLD:.2f}", "–" if point is None else f"{point:.3f}")
    for column, number in enumerate(numbers if finding.assessed else ("–", "–", "–")):
        is_score = column == 0
        colour = ink if is_score else _MUTED
        sheet.text_to(_COLUMNS[column + 1], y, number, 8, bold=finding.presence and is_score, colour=colour)
    if finding.assessed:
        _bar(sheet, finding)
    result = ("Present" if finding.presence else "Absent") if finding.assessed else "Not assessed"
    colour = _RED if finding.presence else ink
    sheet.text(_RESULT_AT, y, result, 8, bold=finding.presence, colour=colour)


def _bar(sheet: _Sheet, finding: Finding) -> None:
    """Show a confidence as a length, with a mark at the threshold."""
    x, y, width = _MARGIN + 136, sheet.y - 8.5, 80.0
    sheet.canvas.setFillColor(_RULE)
    sheet.canvas.rect(x, y, width, 3.5, stroke=0, fill=1)
    sheet.canvas.setFillColor(_RED if finding.presence else _MUTED)
    sheet.canvas.rect(x, y, width * min(1.0, max(0.0, finding.confidence)), 3.5, stroke=0, fill=1)
    sheet.canvas.setFillColor(_INK)
    sheet.canvas.rect(x + width * THRESHOLD - 0.4, y - 1.5, 0.8, 6.5, stroke=0, fill=1)


def _pictures(sheet: _Sheet, content: ReportContent) -> None:
    """Place both thumbnails side by side in the height that the technical section leaves."""
    left = sheet.y - _BOTTOM - _technical_height(content) - 34
    height = min(236.0, left) if left >= 130 else 200.0
    sheet.room_for(height + 30)
    width = (_INNER - 12) / 2
    titles = ("Source film", "Heatmap – AI generated, not for diagnosis")
    for column, jpeg in enumerate((content.source_jpeg, content.heatmap_jpeg)):
        x = _MARGIN + column * (width + 12)
        sheet.text(x, sheet.y - 8, titles[column], 8, bold=True, colour=_ACCENT)
        sheet.canvas.setFillColor(HexColor("#000000"))
        sheet.canvas.rect(x, sheet.y - 13 - height, width, height, stroke=0, fill=1)
        _place_jpeg(sheet.canvas, f"picture{column}", jpeg, (x, sheet.y - 13 - height, width, height))
    sheet.y -= height + 22
    legend = (
        "Colour: the model's activation for the present findings, the same scale on every film, "
        "0 (blue) to 1 (red). White line: operating point of the first finding."
    )
    if not any(finding.presence for finding in content.findings):
        legend = "No finding above threshold: the film is shown without colour."
    sheet.text(_MARGIN, sheet.y, legend, 6.5, colour=_MUTED)
    sheet.y -= 10


def _place_jpeg(canvas: Canvas, name: str, jpeg: bytes, box: tuple[float, float, float, float]) -> None:
    """Centre a JPEG in a box; its stream goes into the PDF unchanged.

    By hand, because `Canvas.drawImage` decodes every pixel to name the image.
    """
    image = PDFImageXObject(name)
    if not image.loadImageFromJPEG(BytesIO(jpeg)):
        raise ValueError(f"expected a JPEG for {name}, got {len(jpeg)} bytes of something else")
    canvas._setXObjects(image)
    registered = canvas._doc.getXObjectName(name)
    canvas._doc.Reference(image, registered)
    canvas._doc.addForm(name, image)
    x, y, width, height = box
    scale = min(width / image.width, height / image.height)
    drawn_width, drawn_height = image.width * scale, image.height * scale
    canvas.saveState()
    canvas.translate(x + (width - drawn_width) / 2, y + (height - drawn_height) / 2)
    canvas.scale(drawn_width, drawn_height)
    canvas._code.append(f"/{registered} Do")
    canvas.restoreState()
    canvas._formsinuse.append(name)


def _technical_lines(content: ReportContent) -> list[Line]:
    took = "–" if content.processing_ms is None else f"{content.processing_ms:.0f} ms"
    model = f"Model: {content.model_name or '–'} · version {content.model_version or '–'}"
    notes = "; ".join(content.image_notes) or "none"
    texts = (
        f"{model} · processing time {took}",
        f"Model hash: {content.model_hash or '–'}",
        "Confidence is calibrated per finding: 0.50 is the model's operating point, given in the table as its raw "
        "probability and valid for this model version only.",
        f"Image quality notes: {notes}",
    )
    return [line for text in texts for line in wrapped(text, 7, _INNER)]


def _technical_height(content: ReportContent) -> float:
    return 16 + 9.2 * min(9, len(_technical_lines(content)))


def _technical(sheet: _Sheet, content: ReportContent) -> None:
    sheet.room_for(40)
    sheet.heading("Technical information")
    for line in _technical_lines(content):
        sheet.room_for(9.2)
        sheet.text(_MARGIN, sheet.y - 6, line, 7)
        sheet.y -= 9.2
