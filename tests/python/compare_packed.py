"""Holds a merged file of packed objects against its sources, value by value, with h5py alone.

usage: compare_packed.py MERGED.h5 FOLDER_OF_SOURCES

Every dataset and attribute of every object must be in its row of the column of that name, with the same values, and nothing else
may be there. Types may be wider than in the source.
"""

import sys
from pathlib import Path

import h5py
import numpy as np


def fail(place, what):
    sys.exit(f"{place}: {what}")


def fields_of(thing, prefix=""):
    """Name and value of every dataset and attribute of a group."""
    found = {}
    for name, value in thing.attrs.items():
        found[prefix + (f"@{name}" if name in thing else name)] = (value, None)
    for name, member in thing.items():
        if isinstance(member, h5py.Group):
            found.update(fields_of(member, f"{prefix}{name}/"))
        else:
            found[prefix + name] = (member[()], member)
    return found


def columns_of(group):
    found = {}
    group.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def listed(value):
    """Values as Python's own, texts as bytes."""
    if isinstance(value, np.ndarray):
        return [listed(item) for item in value] if value.ndim or value.dtype.kind == "O" else listed(value.item())
    if isinstance(value, np.generic):
        return value.item()
    return value.encode() if isinstance(value, str) else value


def main():
    merged, sources = h5py.File(sys.argv[1]), Path(sys.argv[2])
    told = merged["provenance"]
    files = [name.decode() for name in told["file_name"]]
    objects = [name.decode() for name in told["file_object"]]
    names = told["object_name"][:] if "object_name" in told else None
    wanted = [name.decode() for name in told["fields"]] if "fields" in told else None
    opened, columns = {}, {}
    seen, rows = set(), 0
    for place, (path, row, file, number) in enumerate(
        zip(told["object_path"], told["object_row"], told["object_file"], told["object_number"])
    ):
        path = path.decode()
        if path not in columns:
            columns[path] = {name: (item, item[()]) for name, item in columns_of(merged[path]).items()}
        own = columns[path]
        if files[file] not in opened:
            opened[files[file]] = h5py.File(next(sources.rglob(files[file] + ".h5")))
        name = names[place].decode() if names is not None else f"{objects[file]}_{number}"
        source = opened[files[file]][name]
        expected = fields_of(source)
        if wanted is not None:
            expected = {field: value for field, value in expected.items() if field.split("/")[0] in wanted}
        for field, (value, dataset) in expected.items():
            here = f"{name}/{field}"
            if field not in own:
                fail(here, "no such column")
            item, content = own[field]
            if f"{field}_present" in own and own[f"{field}_present"][1][row] != 1:
                fail(here, "it is said not to be there")
            if f"{field}_offsets" in own:
                offsets = own[f"{field}_offsets"][1]
                content = content[offsets[row] : offsets[row + 1]]
            else:
                content = content[row]
            if listed(content) != listed(value):
                fail(here, f"{content!r} instead of {value!r}")
            for attribute, kept in item.attrs.items():
                if listed(kept) != listed(dataset.attrs[attribute]):
                    fail(f"{here}@{attribute}", "another value")
            seen.add((path, field))
            rows += 1
        for field in own:
            if field.endswith("_present") and field[: -len("_present")] in own:
                if own[field][1][row] != (field[: -len("_present")] in expected):
                    fail(f"{name}/{field}", "it does not say whether the object has it")
    for path, own in columns.items():
        for field in own:
            beside = any(field.endswith(end) and field[: -len(end)] in own for end in ("_offsets", "_present"))
            if not beside and (path, field) not in seen:
                fail(f"{path}/{field}", "a column that no object has")
    print(f"{len(told['object_path'])} objects in {rows} cells are the same")


if __name__ == "__main__":
    main()
