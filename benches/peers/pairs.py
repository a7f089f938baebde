"""Two and more contenders on one core, slice by slice in turn: all are loaded, all but one are stopped.

Neighbours change the speed of a virtual machine by half from one minute to the next, but hit slices that follow each other alike. So
only ratios of slices of one round are looked at: their median, and what the median is when rounds are drawn anew
(bootstrap, 95 %).
"""

import os
import random
import signal
import statistics
import time

from processes import displaced

SLICE, SETTLING, PAUSE = 0.12, 0.03, 0.012
# How often a slice in which somebody else had the core is taken again.
AGAIN = 2
# Between two of the same the ratio must lie here, or the machine is too restless to say anything.
SAME = 0.98, 1.02


class Contender:
    """A process that can be stopped, and the thread of it that is measured. Others say `count()`."""

    def __init__(self, pid, thread=None):
        self.pid, self.thread = pid, thread or pid

    def resume(self):
        """Lets it run."""
        os.kill(self.pid, signal.SIGCONT)

    def pause(self):
        """Stops it."""
        os.kill(self.pid, signal.SIGSTOP)

    def displaced(self):
        """How often somebody else was given its core."""
        return displaced(self.pid, self.thread)


class Slices:
    """Takes slices of contenders."""

    def __init__(self, contenders, seconds=SLICE, settling=SETTLING):
        self.contenders, self.seconds, self.settling = contenders, seconds, settling
        self.disturbed = 0
        for contender in contenders:
            contender.pause()

    def one(self, contender):
        """Packets a second, in millions."""
        for _ in range(AGAIN):
            rate, undisturbed = self.attempt(contender)
            if undisturbed:
                return rate
        self.disturbed += 1
        return rate

    def attempt(self, contender):
        """A slice, and whether it had the core for itself."""
        contender.resume()
        try:
            time.sleep(self.settling)
            before = contender.displaced()
            first, start = counted(contender)
            time.sleep(self.seconds)
            last, end = counted(contender)
            undisturbed = contender.displaced() == before
        finally:
            contender.pause()
        # The core is left to others between slices; they would take it in the midst of one otherwise.
        time.sleep(PAUSE)
        return (last - first) / (end - start) / 1e6, undisturbed

    def rounds(self, number):
        """So many slices of each, as a list for each contender, the order turned from round to round."""
        taken = [[] for _ in self.contenders]
        places = list(range(len(self.contenders)))
        for _ in range(number):
            for place in places:
                taken[place].append(self.one(self.contenders[place]))
            places = places[1:] + places[:1]
        return taken


def counted(contender):
    """A count, and when it was taken."""
    before = time.monotonic()
    count = contender.count()
    return count, (before + time.monotonic()) / 2


def spread(samples):
    """Median and quartiles."""
    middle = sorted(samples)
    low, _, high = statistics.quantiles(middle, n=4, method="inclusive") if len(middle) > 1 else middle * 3
    return {"median": round(statistics.median(middle), 4), "quartiles": [round(low, 4), round(high, 4)]}


def ratio(ours, theirs):
    """What the slices of the same rounds say of one to the other."""
    ratios = [a / b for a, b in zip(ours, theirs) if b > 0]
    if not ratios:
        return None
    chance = random.Random(1)
    drawn = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(2000))
    return {**spread(ratios), "interval": [round(drawn[50], 4), round(drawn[1949], 4)], "rounds": len(ratios)}


def same(measured):
    """Whether a ratio of two of the same says that they are."""
    low, high = measured["interval"]
    return SAME[0] <= low and high <= SAME[1]
