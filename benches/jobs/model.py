"""What the measured costs mean for a large cluster. A model, not a measurement: what it assumes is printed with it."""

import dataclasses

# A cluster: nodes, processors of each, bytes per second that each reads of the store, that all write to the shared file system, and that a rank
# reads of its own order; and the bytes of an archive.
NODES, PROCESSORS, READS, WRITES, ORDERS, ARCHIVE = 64, 32, 2.5e9, 100e9, 1e9, 1e15
# Bytes of a share, and of a plan at most.
SHARE, LONGEST_PLAN = 8 << 20, 4 << 30


@dataclasses.dataclass
class Costs:
    """What was measured of a cut: seconds, bytes, and (wall, processors) by way."""

    objects: int
    bytes: int
    plan_bytes: int
    places: float
    desk: float
    disk: float
    ways: dict

    @property
    def filling(self):
        """Processor seconds of everything but finding places, of all objects."""
        return self.ways["spolia work, one process"][1] - self.places


def check(costs, starts, processors, say):
    """The model against the runs that its costs come from."""
    say(f"\n### The model against these runs\n\nPlaces are found by each rank for itself, {costs.places / costs.objects * 1e6:.2f} us for an object; all else "
        f"is shared, {costs.filling / costs.objects * 1e6:.2f} us of processors for an object. Then the merged file is waited for until it is on the disk.\n")
    say("| ranks | the model, s | measured, s |\n|--:|--:|--:|")
    for ranks in (1, 2, 4):
        start = starts[f"mpirun, {ranks} ranks"]
        at_once = min(ranks, processors)
        model = start + (ranks * costs.places + costs.filling) / at_once + costs.disk
        say(f"| {ranks} | {model:.2f} | {costs.ways[f'{ranks} MPI ranks, a thread each'][0]:.2f} |")


def large_clusters(costs, say):
    """What cuts of an archive of a petabyte would take."""
    size = costs.bytes / costs.objects
    say(f"\n### A petabyte and {NODES} nodes\n\nA model: objects of {size:,.0f} bytes as here, one rank on each node with {PROCESSORS} threads, a store that gives each node "
        f"{READS / 1e9:g} GB/s, a file system that takes {WRITES / 1e9:g} GB/s of all, orders read at {ORDERS / 1e9:g} GB/s. Seconds:\n")
    say("| objects | merged file | order | places | reading | filling | writing | desk | slowest |\n|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    for objects in (10**6, 10**7, 10**8, 10**9, int(ARCHIVE / size)):
        output, plan = objects * size, objects * costs.plan_bytes / costs.objects
        parts = {
            "order": plan / ORDERS,
            "places": objects * costs.places / costs.objects,
            "reading": output / (NODES * READS),
            "filling": objects * costs.filling / costs.objects / (NODES * PROCESSORS),
            "writing": output / WRITES,
            "desk": output / SHARE * costs.desk,
        }
        cells = " | ".join(f"{seconds:,.2f}" for seconds in parts.values())
        over = "; an order of more than 4 GiB is refused" if plan > LONGEST_PLAN else ""
        say(f"| {objects:,} | {output / 1e9:,.1f} GB | {cells} | {max(parts, key=parts.get)}{over} |")
