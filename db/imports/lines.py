"""Streaming reader of the lines of import files (plain text or gzip). Holds at most one line in memory."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

MAX_LINE = 1_000_000
"""Maximum bytes of a line. Longer lines are refused without being held in memory."""

_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """A non-blank line, or the error of a line."""

    number: int  # line number in the file, from 1
    text: bytes  # bytes without the line ending; empty if there is a `fault`
    fault: str | None  # error of the line, or of the rest of the file
    position: int  # offset in the (compressed) file, in bytes


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file.

    If the rest of the file cannot be read, the last line yielded carries the error. Never raises.
    """
    number = 0
    try:
        with path.open("rb") as raw, closing(_open_stream(raw, path)) as stream:
            while (text := stream.readline(MAX_LINE + 1)) != b"":
                number += 1
                position = raw.tell()
                if number == 1:
                    text = text.removeprefix(_BOM)
                    if fault := _encoding_error(text):
                        yield Line(number, b"", fault, position)
                        return
                if len(text) > MAX_LINE and not text.endswith(b"\n"):
                    _skip_line(stream)
                    yield Line(number, b"", f"is longer than {MAX_LINE:,} bytes", position)
                elif stripped := text.strip():
                    yield Line(number, stripped, None, position)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield Line(number + 1, b"", f"the gzip file is broken from here on ({_short_message(error)})", 0)
    except OSError as error:
        yield Line(number + 1, b"", f"cannot be read: {error.strerror or error}", 0)


def _open_stream(raw: BinaryIO, path: Path) -> BufferedIOBase | BinaryIO:
    return gzip.GzipFile(fileobj=raw, mode="rb") if path.suffix == ".gz" else raw


def _encoding_error(first_line: bytes) -> str | None:
    if first_line.startswith(_UTF_16):
        return "the file is UTF-16; write it as UTF-8"
    if first_line.startswith(_GZIP):
        return "the file is gzip; let its name end in .jsonl.gz"
    return None


def _skip_line(stream: BufferedIOBase | BinaryIO) -> None:
    while (text := stream.readline(MAX_LINE)) != b"" and not text.endswith(b"\n"):
        pass


def _short_message(error: Exception) -> str:
    return str(error).split(";", maxsplit=1)[0][:100].rstrip(".")
