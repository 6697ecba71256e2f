"""Makes cases.txt: chunks as libhdf5 and the registered plugins store them, and what was put in.

Needs h5py, hdf5plugin and numpy. Lines of cases.txt:
  raw NAME BYTES TIMES        what was put in: the bytes in hexadecimal, repeated
  case NAME RAW MASK FILTERS STORED
where FILTERS is ID:VALUE,VALUE;ID:... and STORED is hexadecimal.
"""

import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

random = np.random.default_rng(20261123)


def walk(count, step, kind):
    return np.cumsum(random.integers(-step, step + 1, count)).astype(kind)


RAW = {
    "u1": random.integers(0, 7, 300).astype("u1"),
    "i2": walk(301, 9, "<i2"),
    "i4": walk(300, 3, "<i4"),
    "i4be": walk(100, 3, ">i4"),
    "f4": (walk(130, 9, "f8") / 8).astype("<f4"),
    "f8": (walk(100, 90, "f8") / 4).astype("<f8"),
    "noise": random.integers(0, 256, 600).astype("u1"),
    "zeros": np.zeros(600, "<u2"),
}
# Long and regular, so that blocks and far matches occur while what is stored stays small.
PATTERN = walk(120, 3, "<i4")
TIMES = 100
LONG = np.tile(PATTERN, TIMES)

lines = []


def hexed(array):
    return array.tobytes().hex()


def case(name, raw, array, file_type=None, **options):
    with h5py.File("case", "w", driver="core", backing_store=False) as file:
        kind = file_type if file_type is not None else array.dtype
        dataset = file.create_dataset("d", shape=array.shape, dtype=kind, chunks=array.shape, **options)
        dataset[...] = array
        mask, stored = dataset.id.read_direct_chunk((0,) * array.ndim)
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(n) for n in range(plist.get_nfilters())]
        back = dataset[...].tobytes()
    if raw is None:
        raw = name
        lines.append(f"raw {raw} {back.hex()} 1")
    pipeline = ";".join(f"{f[0]}:{','.join(str(v) for v in f[2])}" for f in filters)
    lines.append(f"case {name} {raw} {mask} {pipeline} {stored.hex()}")


def scaleoffset(name, array, kind, factor, fill=None):
    """Through the low-level interface: h5py refuses some of what the library can do."""
    with h5py.File("case", "w", driver="core", backing_store=False) as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(array.shape)
        plist.set_scaleoffset(kind, factor)
        if fill is not None:
            plist.set_fill_value(np.asarray(fill, array.dtype))
        else:
            plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple(array.shape)
        dataset = h5py.Dataset(h5py.h5d.create(file.id, b"d", h5py.h5t.py_create(array.dtype), space, plist))
        dataset[...] = array
        mask, stored = dataset.id.read_direct_chunk((0,))
        values = dataset.id.get_create_plist().get_filter(0)[2]
        lines.append(f"raw {name} {dataset[...].tobytes().hex()} 1")
        lines.append(f"case {name} {name} {mask} 6:{','.join(map(str, values))} {stored.hex()}")


def nbit(name, array, base, precision, offset):
    with h5py.File("case", "w", driver="core", backing_store=False) as file:
        kind = base.copy()
        kind.set_precision(precision)
        kind.set_offset(offset)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(array.shape)
        plist.set_filter(h5py.h5z.FILTER_NBIT, 0, ())
        space = h5py.h5s.create_simple(array.shape)
        dataset = h5py.h5d.create(file.id, b"d", kind, space, plist)
        h5py.Dataset(dataset)[...] = array
        mask, stored = dataset.read_direct_chunk((0,))
        values = dataset.get_create_plist().get_filter(0)[2]
        back = np.zeros(array.shape, f"V{base.get_size()}")
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, back, kind)
        lines.append(f"raw {name} {back.tobytes().hex()} 1")
        lines.append(f"case {name} {name} {mask} 5:{','.join(map(str, values))} {stored.hex()}")


for name, array in RAW.items():
    lines.append(f"raw {name} {hexed(array)} 1")
lines.append(f"raw long {hexed(PATTERN)} {TIMES}")

for name in ["i2", "noise", "zeros"]:
    case(f"deflate-{name}", name, RAW[name], compression="gzip")
case("deflate-shuffle-fletcher32", "f8", RAW["f8"], compression="gzip", shuffle=True, fletcher32=True)
case("deflate-long", "long", LONG, compression="gzip", compression_opts=9)
case("fletcher32-odd", "u1", RAW["u1"][:300], fletcher32=True)
for name in ["i2", "noise"]:
    case(f"lzf-{name}", name, RAW[name], compression="lzf")
case("lzf-long", "long", LONG, compression="lzf")

scaleoffset("scaleoffset-u1", RAW["u1"], h5py.h5z.SO_INT, 0)
scaleoffset("scaleoffset-i2", RAW["i2"], h5py.h5z.SO_INT, 0)
scaleoffset("scaleoffset-i4be-fill", np.where(RAW["i4be"] % 7 == 0, -99, RAW["i4be"]).astype(">i4"), h5py.h5z.SO_INT, 0, -99)
scaleoffset("scaleoffset-all-fill", np.full(40, 5, "<i4"), h5py.h5z.SO_INT, 0, 5)
scaleoffset("scaleoffset-equal", np.full(40, 5, "<i8"), h5py.h5z.SO_INT, 0)
scaleoffset("scaleoffset-full-precision", np.array([-(2**31), 2**31 - 1, 3, 0], "<i4"), h5py.h5z.SO_INT, 0)
scaleoffset("scaleoffset-fewer-bits", RAW["i4"][:60], h5py.h5z.SO_INT, 5)
scaleoffset("scaleoffset-f4", RAW["f4"], h5py.h5z.SO_FLOAT_DSCALE, 2)
scaleoffset("scaleoffset-f8-fill", np.where(np.arange(100) % 9 == 0, -1e5, RAW["f8"]), h5py.h5z.SO_FLOAT_DSCALE, 1, -1e5)

nbit("nbit-11-of-16", np.abs(RAW["i2"][:90]) % 2048, h5py.h5t.STD_U16LE, 11, 3)
nbit("nbit-17-of-32be", np.abs(RAW["i4be"]), h5py.h5t.STD_U32BE, 17, 7)
nbit("nbit-all", RAW["i2"][:20], h5py.h5t.STD_I16LE, 16, 0)

for options, mask in [("nn", 32), ("ec", 4)]:
    for name in ["u1", "i2", "i4", "f8"]:
        array = RAW[name] if name != "i4" else RAW[name][:200]
        source = name if name != "i4" else None
        case(f"szip-{options}-{name}", source, array, compression="szip", compression_opts=(options, 8))
    case(f"szip-{options}-zeros", "zeros", RAW["zeros"], compression="szip", compression_opts=(options, 8))
case("szip-nn-noise", "noise", RAW["noise"], compression="szip", compression_opts=("nn", 32))

case("zstd-i2", "i2", RAW["i2"], **hdf5plugin.Zstd())
case("zstd-long", "long", LONG, **hdf5plugin.Zstd(clevel=19))
for name in ["i2", "noise"]:
    case(f"lz4-{name}", name, RAW[name], **hdf5plugin.LZ4(nbytes=0))
case("lz4-blocks", "long", LONG, **hdf5plugin.LZ4(nbytes=30000))

SHUFFLES = {"plain": hdf5plugin.Blosc.NOSHUFFLE, "shuffle": hdf5plugin.Blosc.SHUFFLE, "bits": hdf5plugin.Blosc.BITSHUFFLE}
for codec in ["blosclz", "lz4", "lz4hc", "zlib", "zstd", "snappy"]:
    try:
        for way, shuffle in SHUFFLES.items():
            case(f"blosc-{codec}-{way}", "i4", RAW["i4"], **hdf5plugin.Blosc(cname=codec, clevel=9, shuffle=shuffle))
            if (way == "bits" and codec != "snappy") or codec in ("blosclz", "lz4"):
                case(f"blosc-{codec}-{way}-long", "long", LONG, **hdf5plugin.Blosc(cname=codec, clevel=5, shuffle=shuffle))
    except Exception as error:
        print(f"left out: blosc {codec}: {error}", file=sys.stderr)
case("blosc-noise", "noise", RAW["noise"], **hdf5plugin.Blosc(cname="lz4", clevel=5))
case("blosc-zeros", "zeros", RAW["zeros"], **hdf5plugin.Blosc(cname="blosclz", clevel=5))
case("blosc-odd", "i2", RAW["i2"], **hdf5plugin.Blosc(cname="lz4", shuffle=2))

for codec in ["none", "lz4", "zstd"]:
    for name in ["u1", "i2"] + (["long"] if codec != "none" else ["f8"]):
        array = LONG if name == "long" else RAW[name]
        case(f"bitshuffle-{codec}-{name}", name, array, **hdf5plugin.Bitshuffle(cname=codec))
case("bitshuffle-lz4-blocks", "i4", RAW["i4"], **hdf5plugin.Bitshuffle(nelems=64, cname="lz4"))
case("bitshuffle-none-blocks", "i4", RAW["i4"], **hdf5plugin.Bitshuffle(nelems=64, cname="none"))

for name in ["i2", "noise", "zeros"]:
    case(f"bzip2-{name}", name, RAW[name], **hdf5plugin.BZip2())
case("bzip2-long", "long", LONG, **hdf5plugin.BZip2(blocksize=1))

path = Path(__file__).with_name("cases.txt")
path.write_text("\n".join(lines) + "\n")
print(path.stat().st_size, "bytes,", sum(line.startswith("case") for line in lines), "cases")
