"""What is printed, as Markdown."""

import math
import os


def percentile(values, percent):
    """The value that so many percent do not exceed; 50 is the median."""
    ordered = sorted(values)
    if percent == 50:
        return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class Report:
    """Prints as it goes, and keeps the goals for the end."""

    def __init__(self):
        self.text, self.goals = "", []

    def say(self, text):
        print(text, flush=True)
        self.text += text + "\n"

    def rates(self, title, lines):
        """Lines of (format, rows per second of ours, and of the peer)."""
        self.say(f"\n### {title}\n\n| format | Spolia, rows/s | DaCHS, rows/s | times DaCHS | lowest to highest round |\n"
                 "|---|--:|--:|--:|--:|")
        for name, ours, theirs in lines:
            rounds = [a / b for a, b in zip(ours, theirs)]
            a, b = percentile(ours, 50), percentile(theirs, 50)
            self.say(f"| {name} | {a:,.0f} | {b:,.0f} | {a / b:.1f} | {min(rounds):.1f} to {max(rounds):.1f} |")

    def times(self, title, lines):
        """Lines of (who, seconds of each); the first is ours."""
        self.say(f"\n### {title}\n\n| who | p50, ms | p99, ms | measured | p50, times {lines[0][0]} |\n|---|--:|--:|--:|--:|")
        first = percentile(lines[0][1], 50)
        for name, seconds in lines:
            middle, high = percentile(seconds, 50), percentile(seconds, 99)
            self.say(f"| {name} | {middle * 1e3:.1f} | {high * 1e3:.1f} | {len(seconds)} | {middle / first:.1f} |")

    def goal(self, what, found, wanted, at_least):
        """Notes a goal: `found` is to be at least `wanted`, or at most."""
        met = found >= wanted if at_least else found <= wanted
        words = f"{'at least' if at_least else 'at most'} {wanted} | {'met' if met else '**missed**'}"
        self.goals.append(f"| {what} | {found:.1f} | {words} |")

    def finish(self):
        """Ends with the goals; returns all that was said."""
        goals = "\n".join(self.goals)
        self.say(f"\n### Goals\n\n| goal | found | wanted | |\n|---|--:|--:|---|\n{goals}\n\n"
                 "Both gave the same rows, bit for bit: all rows in each format and all cones in the round before the timed ones, "
                 f"and the first job. Load {os.getloadavg()[0]:.1f} at the end.")
        return self.text
