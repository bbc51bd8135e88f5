"""Writes a small TIFF, page by page, with nothing but the standard library: what the tests need wrong.

make_tiff.py OUT SAMPLE PAGE...   SAMPLE is u16 or f32; PAGE is WIDTHxHEIGHT=KIND with
KIND one of zero, ramp, nan (one NaN pixel at column 2, row 1)
"""
import struct
import sys


def pixels(kind, width, height, code):
    values = [100 + (x + 3 * y) % 17 if kind != "zero" else 0 for y in range(height) for x in range(width)]
    if kind == "nan":
        values[width + 2] = float("nan")
    return struct.pack("<%d%s" % (len(values), code), *values)


def write_pages(out, bits, sample_format, pages):
    """pages: (width, height, little-endian bytes) each."""
    data = bytearray(b"II*\0\0\0\0\0")
    link = 4  # where the offset of the next directory goes
    for width, height, strip in pages:
        strip_at = len(data)
        data += strip
        directory_at = len(data)
        struct.pack_into("<I", data, link, directory_at)
        tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, strip_at),
                (277, 1), (278, height), (279, len(strip)), (339, sample_format)]
        data += struct.pack("<H", len(tags))
        for tag, value in tags:
            data += struct.pack("<HHII", tag, 4, 1, value)
        link = len(data)
        data += b"\0\0\0\0"
    with open(out, "wb") as file:
        file.write(data)


def main(out, sample, *pages):
    code, bits, sample_format = ("H", 16, 1) if sample == "u16" else ("f", 32, 3)
    sizes = [(*map(int, page.split("=")[0].split("x")), page.split("=")[1]) for page in pages]
    write_pages(out, bits, sample_format,
                [(width, height, pixels(kind, width, height, code)) for width, height, kind in sizes])


if __name__ == "__main__":
    main(*sys.argv[1:])
