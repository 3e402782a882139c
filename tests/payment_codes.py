"""Payment codes as a banking app sees them: an image, read by another library than drew it, and the fields in it."""

import io
import re
from xml.etree import ElementTree as ET

import zxingcpp
from PIL import Image, ImageDraw

_STROKE = re.compile(r"([Mmh])\s*(-?[0-9.]+)(?:[ ,]?(-?[0-9.]+))?")
_EPC = ("tag", "version", "encoding", "kind", "bic", "name", "iban", "amount", "purpose", "reference")


def scanned(image: Image.Image | bytes) -> str:
    """Return the text of the one code in an image, which must be a QR code with error correction M."""
    if isinstance(image, bytes):
        image = Image.open(io.BytesIO(image))
    [found] = zxingcpp.read_barcodes(image.convert("L"))
    assert found.format == zxingcpp.BarcodeFormat.QRCode
    assert found.ec_level == "M"
    return found.text


def painted(svg: str) -> Image.Image:
    """Paint an SVG of a code as a browser would: its dark modules are strokes one unit wide."""
    root = ET.fromstring(svg)
    scale = int(re.search(r"scale\((\d+)\)", root[0].get("transform"))[1])
    image = Image.new("L", (int(root.get("width")), int(root.get("height"))), 128)
    paint = ImageDraw.Draw(image)
    light, dark = root[0]
    assert (light.get("fill"), dark.get("stroke")) == ("#fff", "#000")
    paint.rectangle((0, 0, *image.size), fill=255)
    x = y = 0.0
    for command, first, second in _STROKE.findall(dark.get("d")):
        if command == "h":
            paint.rectangle(
                (x * scale, (y - 0.5) * scale, (x + float(first)) * scale - 1, (y + 0.5) * scale - 1), fill=0
            )
            x += float(first)
        elif command == "m":
            x, y = x + float(first), y + float(second)
        else:
            x, y = float(first), float(second)
    return image


def spayd_fields(text: str) -> dict[str, str]:
    """Read a Short Payment Descriptor 1.0."""
    head, version, *fields = text.split("*")
    assert (head, version) == ("SPD", "1.0")
    return dict(field.split(":", 1) for field in fields)


def epc_fields(text: str) -> dict[str, str]:
    """Read a code of EPC069-12."""
    return dict(zip(_EPC, text.split("\n"), strict=True))
