"""The blocks of a chest film's report, each drawn below the one before it."""

import re
from collections.abc import Sequence
from io import BytesIO

from reportlab.pdfbase.pdfdoc import PDFImageXObject
from reportlab.pdfgen.canvas import Canvas

from gateway.imaging.chest_xray import FINDINGS, PRESENT_FROM, Finding
from gateway.imaging.report.content import ReportContent, cautions
from gateway.imaging.report.sheet import (
    ACCENT,
    AMBER,
    BLACK,
    BOTTOM,
    CAUTION_SHADE,
    GREEN,
    INK,
    INNER,
    MARGIN,
    MUTED,
    RED,
    RED_SHADE,
    RULE,
    SHADE,
    Sheet,
)
from gateway.imaging.report.text import cleaned
from gateway.imaging.report.typeset import Line, text_width, wrapped
from gateway.imaging.wording import age_in_words, hundredths


def identity(sheet: Sheet, content: ReportContent) -> None:
    """Draw who and what was examined, in two columns."""
    columns = (("Patient", _patient_fields(content)), ("Study", _study_fields(content)))
    left_width = INNER * 0.42
    placed = []
    for column, (title, fields) in enumerate(columns):
        width = left_width - 16 if column == 0 else INNER - left_width
        label_width = 40.0 if column == 0 else 88.0
        placed.append(
            (title, MARGIN + column * left_width, label_width, _set_fields(fields, width - label_width))
        )
    height = 15 + max(sum(10.2 * len(lines) for _, lines, _ in rows) for _, _, _, rows in placed)
    sheet.room_for(height)
    for title, x, label_width, rows in placed:
        sheet.text(x, sheet.y - 8, title, 8, bold=True, colour=ACCENT)
        y = sheet.y - 21
        for label, lines, size in rows:
            sheet.text(x, y, label, 8, colour=MUTED)
            for line in lines:
                sheet.text(x + label_width, y, line, size)
                y -= 10.2
    sheet.y -= height + 6


def _set_fields(fields: Sequence[tuple[str, str]], width: float) -> list[tuple[str, list[Line], float]]:
    """Wrap the values; long ones in smaller print."""
    rows = []
    for label, value in fields:
        size = 8.0 if text_width(cleaned(value), 8) <= 2 * width else 6.5
        rows.append((label, wrapped(value or "–", size, width, max_lines=9), size))
    return rows


def _patient_fields(content: ReportContent) -> list[tuple[str, str]]:
    return [
        ("Name", _person_name(content.patient_name)),
        ("ID", content.patient_id),
        ("Age", age_in_words(content.patient_age)),
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


def overall(sheet: Sheet, content: ReportContent) -> None:
    """Draw the result, large, and what follows from it."""
    present = [finding.name for finding in content.findings if finding.presence]
    colour = RED if FINDINGS[0] in present else AMBER if present else GREEN
    advice = "Confirm by bacteriological test (Xpert/culture)." if FINDINGS[0] in present else ""
    sheet.room_for(46)
    sheet.box(40, SHADE, colour)
    sheet.text(MARGIN + 12, sheet.y - 12, "Overall result", 8, colour=MUTED)
    size = 18.0 if text_width(cleaned(content.result), 18, bold=True) <= INNER * 0.5 else 11.0
    line = wrapped(content.result, size, INNER * 0.5, bold=True, max_lines=1)[0]
    sheet.text(MARGIN + 12, sheet.y - 32, line, size, bold=True, colour=colour)
    assessed = sum(finding.assessed for finding in content.findings)
    summary = f"{len(present)} of {assessed} assessed findings present"
    sheet.text_to(MARGIN + INNER - 10, sheet.y - 17, summary, 8)
    sheet.text_to(MARGIN + INNER - 10, sheet.y - 29, advice, 8, bold=True, colour=colour)
    sheet.y -= 48


def caution_lines(sheet: Sheet, content: ReportContent) -> None:
    """Draw the reasons to trust the result less, if there are any."""
    lines = [line for text in cautions(content) for line in wrapped(f"Caution: {text}", 7.5, INNER - 20)]
    if not lines:
        return
    height = 10 * len(lines) + 6
    sheet.room_for(height + 8)
    sheet.box(height, CAUTION_SHADE, AMBER)
    for row, line in enumerate(lines):
        sheet.text(MARGIN + 12, sheet.y - 10.5 - 10 * row, line, 7.5, colour=AMBER)
    sheet.y -= height + 8


_COLUMNS = (MARGIN + 6, MARGIN + 250, MARGIN + 330, MARGIN + 410)  # name; right ends of the numbers
_RESULT_AT = MARGIN + 430
_ROW = 13.0


def findings_table(sheet: Sheet, content: ReportContent) -> None:
    """Draw one row per finding."""
    sheet.room_for(_ROW * (len(content.findings) + 1) + 10)
    y = sheet.y - 9
    sheet.text(_COLUMNS[0], y, "Finding", 7.5, bold=True, colour=ACCENT)
    for right, title in zip(_COLUMNS[1:], ("Confidence", "Threshold", "Operating point"), strict=True):
        sheet.text_to(right, y, title, 7.5, bold=True, colour=ACCENT)
    sheet.text(_RESULT_AT, y, "Result", 7.5, bold=True, colour=ACCENT)
    sheet.y -= _ROW
    for row, finding in enumerate(content.findings):
        sheet.rule(sheet.y)
        point = content.operating_points[row] if row < len(content.operating_points) else None
        _finding_row(sheet, finding, point)
        sheet.y -= _ROW
    sheet.rule(sheet.y)
    sheet.y -= 10


def _finding_row(sheet: Sheet, finding: Finding, point: float | None) -> None:
    if finding.presence:
        sheet.box(_ROW, RED_SHADE, RED)
    y, ink = sheet.y - 9.2, INK if finding.assessed else MUTED
    sheet.text(_COLUMNS[0], y, finding.name, 8, bold=finding.presence, colour=ink)
    numbers = (
        hundredths(finding.confidence),
        hundredths(PRESENT_FROM),
        "–" if point is None else f"{point:.3f}",
    )
    for column, number in enumerate(numbers if finding.assessed else ("–", "–", "–")):
        is_score = column == 0
        colour = ink if is_score else MUTED
        sheet.text_to(_COLUMNS[column + 1], y, number, 8, bold=finding.presence and is_score, colour=colour)
    if finding.assessed:
        _bar(sheet, finding)
    result = ("Present" if finding.presence else "Absent") if finding.assessed else "Not assessed"
    colour = RED if finding.presence else ink
    sheet.text(_RESULT_AT, y, result, 8, bold=finding.presence, colour=colour)


def _bar(sheet: Sheet, finding: Finding) -> None:
    """Show a confidence as a length, with a mark at the threshold."""
    x, y, width = MARGIN + 136, sheet.y - 8.5, 80.0
    sheet.canvas.setFillColor(RULE)
    sheet.canvas.rect(x, y, width, 3.5, stroke=0, fill=1)
    sheet.canvas.setFillColor(RED if finding.presence else MUTED)
    sheet.canvas.rect(x, y, width * min(1.0, max(0.0, finding.confidence)), 3.5, stroke=0, fill=1)
    sheet.canvas.setFillColor(INK)
    sheet.canvas.rect(x + width * PRESENT_FROM - 0.4, y - 1.5, 0.8, 6.5, stroke=0, fill=1)


def pictures(sheet: Sheet, content: ReportContent) -> None:
    """Place both thumbnails side by side in the height that the technical section leaves."""
    left = sheet.y - BOTTOM - _technical_height(content) - 34
    height = min(236.0, left) if left >= 130 else 200.0
    sheet.room_for(height + 30)
    width = (INNER - 12) / 2
    titles = ("Source film", "Heatmap – AI generated, not for diagnosis")
    for column, jpeg in enumerate((content.source_jpeg, content.heatmap_jpeg)):
        x = MARGIN + column * (width + 12)
        sheet.text(x, sheet.y - 8, titles[column], 8, bold=True, colour=ACCENT)
        sheet.canvas.setFillColor(BLACK)
        sheet.canvas.rect(x, sheet.y - 13 - height, width, height, stroke=0, fill=1)
        _place_jpeg(sheet.canvas, f"picture{column}", jpeg, (x, sheet.y - 13 - height, width, height))
    sheet.y -= height + 22
    legend = (
        "Colour: the model's activation for the present findings, the same scale on every film, "
        "0 (blue) to 1 (red). White line: operating point of the first finding."
    )
    if not any(finding.presence for finding in content.findings):
        legend = "No finding above threshold: the film is shown without colour."
    sheet.text(MARGIN, sheet.y, legend, 6.5, colour=MUTED)
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
        "Confidence is calibrated: 0.50 is the operating point, in the table as its raw probability. "
        "It belongs to this model version.",
        f"Image quality notes: {notes}",
    )
    return [line for text in texts for line in wrapped(text, 7, INNER)]


def _technical_height(content: ReportContent) -> float:
    return 16 + 9.2 * min(9, len(_technical_lines(content)))


def technical(sheet: Sheet, content: ReportContent) -> None:
    """Draw what made the result; long notes run on to further pages."""
    sheet.room_for(40)
    sheet.heading("Technical information")
    for line in _technical_lines(content):
        sheet.room_for(9.2)
        sheet.text(MARGIN, sheet.y - 6, line, 7)
        sheet.y -= 9.2
