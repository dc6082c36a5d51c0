"""Provenance as XMP, the metadata that picture and video files have carried longest."""

import os
import re
import struct
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import PIL.Image


# https://cv.iptc.org/newscodes/digitalsourcetype: a photograph of which a part was made by a trained algorithm.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
STATEMENT = "Synthetic media: made from a photograph by a neural network (adaat_hf). It does not show a real event."
# The box that holds XMP in mp4 files: XMP specification, part 3, ISO base media.
MP4_XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
MAX_PACKET_BYTES = 1_000_000


def tool_name() -> str:
    """The library's name and version."""
    try:
        return f"adaat_hf {version('adaat-hf')}"
    except PackageNotFoundError:
        return "adaat_hf"


def xmp_packet() -> bytes:
    """An XMP packet that states the kind of source (IPTC's `DigitalSourceType`), the tool, and a sentence for people."""
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmp:CreatorTool="{tool_name()}"
 Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{STATEMENT}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


def append_to_mp4(path: Path) -> None:
    """Add the packet at the end of a complete mp4 file, where nothing before it moves."""
    packet = xmp_packet()
    with path.open("ab") as file:
        file.write(struct.pack(">I4s16s", 24 + len(packet), b"uuid", MP4_XMP_UUID) + packet)


def read_packet(path: Path) -> bytes | None:
    """The XMP packet of a picture or an mp4 file, `None` if it has none."""
    try:
        with PIL.Image.open(path) as picture:
            found = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
            if found is None and hasattr(picture, "tag_v2"):
                found = picture.tag_v2.get(700)
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        return _read_from_mp4(path)
    return found.encode() if isinstance(found, str) else found


def source_type(packet: bytes) -> str | None:
    """The last part of the packet's `DigitalSourceType`, such as `compositeWithTrainedAlgorithmicMedia`."""
    found = re.search(rb"cv\.iptc\.org/newscodes/digitalsourcetype/(\w+)", packet)
    return found[1].decode() if found else None


def creator_tool(packet: bytes) -> str | None:
    """The packet's `CreatorTool`."""
    found = re.search(rb'CreatorTool(?:="|>)([^"<]{1,200})', packet)
    return found[1].decode(errors="replace") if found else None


def _read_from_mp4(path: Path) -> bytes | None:
    with path.open("rb") as file:
        for kind, start, size in _boxes(file.fileno()):
            if kind == b"uuid" and 16 <= size <= MAX_PACKET_BYTES:
                content = os.pread(file.fileno(), size, start)
                if content.startswith(MP4_XMP_UUID):
                    return content[16:]
    return None


def _boxes(file: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and its size of the boxes at the top level, as far as they make sense."""
    end, place = os.fstat(file).st_size, 0
    while place + 8 <= end:
        size, kind = struct.unpack(">I4s", os.pread(file, 8, place))
        header = 8
        if size == 1 and place + 16 <= end:
            size, header = struct.unpack(">Q", os.pread(file, 8, place + 8))[0], 16
        size = end - place if size == 0 else size
        if size < header or place + size > end:
            return
        yield kind, place + header, size - header
        place += size
