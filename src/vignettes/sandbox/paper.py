"""The sandbox authority's official document: one page of PDF, made by hand."""

from collections.abc import Mapping

_PAGE = 595, 842  # A4, in points


def confirmation(registration: Mapping[str, str]) -> bytes:
    """Return a confirmation of one registration, the same bytes each time."""
    lines = [
        "Sandbox toll authority: confirmation",
        f"Vignette {registration['number']}",
        f"Reference {registration['authority_reference']}",
        f"Vehicle {registration['plate']}",
        f"Valid from {registration['valid_from']} until {registration['valid_until']}",
    ]
    return _pdf(lines)


def _pdf(lines: list[str]) -> bytes:
    """Write five objects and where each begins (ISO 32000-1, 7.5)."""
    text = " T* ".join(f"({_escaped(line)}) Tj" for line in lines)
    content = f"BT /F1 14 Tf 20 TL 60 760 Td {text} ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>" % _PAGE,
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    return _file(objects)


def _file(objects: list[bytes]) -> bytes:
    written, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(written))
    return written + b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table) + end


def _escaped(line: str) -> str:
    plain = line.encode("latin-1", "replace").decode("latin-1")
    return plain.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
