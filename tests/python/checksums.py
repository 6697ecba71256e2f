"""The checksums at the end of a merged file, made again by hashlib.

usage: checksums.py MERGED.h5
"""

import hashlib
import sys

import h5py

with h5py.File(sys.argv[1]) as merged:
    checksums = merged["provenance/sha256"]
    written, block = [text.decode() for text in checksums[:]], int(checksums.attrs["block_bytes"])
    end = checksums.id.get_offset()
with open(sys.argv[1], "rb") as file:
    content = file.read()
assert len(content) == end + 64 * len(written), (len(content), end, len(written))
starts = [number * block for number in range(len(written))]
made = [hashlib.sha256(content[start:stop]).hexdigest() for start, stop in zip(starts, starts[1:] + [end])]
assert made == written, (made, written)
print("checksums are as hashlib has them")
