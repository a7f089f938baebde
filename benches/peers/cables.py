"""From a guest's veth into a tunnel and out of an uplink's, and back: who carries how many 64-byte frames a second with one core.

On core 0 the kernel makes packets (live frames) faster than anybody takes them, and puts them into the near end's receive ring; what comes out
at the far end is dropped by XDP there and counted by the device. Everybody's sending, and what the kernel does in it, is on core 1.
"""

import struct
import subprocess

import contenders
import frames
from pairs import Slices, ratio, spread
from processes import HUGE_FEW, core_time, hugepages, inside

FLOWS = 1000
SLICE, SETTLING = 0.2, 0.15
GOAL_OF_TESTPMD = 0.97
# Where a guest's frame has its UDP ports.
PORTS = 34


def packet(scratch, scenario):
    """A capture with one packet, and where the number of its flow goes."""
    frame, at = frames.plain(0), PORTS
    if scenario == "decap":
        frame = frames.mac(frames.guest_mac(0)) + frames.mac(frames.station_mac(0)) + frame[12:]
        frame = frames.wrapped("vxlan", 0, 0, frame)
        at += len(frame) - 64
    return capture(scratch, scenario, frame), at


def capture(scratch, name, frame):
    """A capture with that packet."""
    name = f"{scratch.directory}/{name}.pcap"
    with open(name, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    return name


class Cables:
    """All contenders with their cables, and the generator at the far ends."""

    def __init__(self, scratch, programs, kinds, huge, say=print):
        self.scratch, self.programs = scratch, programs
        self.far = scratch.namespace("far")
        self.near, self.contenders, self.places = {}, {}, {}
        for place, name in enumerate(kinds):
            near = scratch.namespace(name)
            for device, mac in (("guest", None), ("uplink", frames.UPLINK_MAC)):
                far = f"{device}{place}"
                inside(near, "ip", "link", "add", device, "mtu", "1600", "type", "veth", "peer", "name", far, "mtu", "1600", "netns", self.far)
                if mac:
                    inside(near, "ip", "link", "set", device, "address", mac)
                inside(near, "ip", "link", "set", device, "up")
                inside(self.far, "ip", "link", "set", far, "up")
            self.near[name] = near
            try:
                contender = contenders.ALL[name](scratch, programs, near, huge)
            except RuntimeError as error:
                say(f"skipped: {name} over veth: {error}")
                continue
            contender.pause()
            self.contenders[name], self.places[name] = contender, place

    def measure(self, scenario, rounds):
        """Slices of each, in millions of packets a second; and what each did with its time."""
        made, at = packet(self.scratch, scenario)
        drops = [word for place in self.places.values() for kind in ("guest", "uplink") for word in ("--drop", f"{kind}{place}")]
        command = (self.programs["offer"], made, str(at), str(FLOWS), *drops)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        offer = self.scratch.start(*command, namespace=self.far, log="offer.log", text=True, **pipes)
        ways = [Way(self, name, scenario, offer) for name in self.contenders]
        try:
            taken = dict(zip(self.contenders, Slices(ways, SLICE, SETTLING).rounds(rounds)))
        finally:
            offer.stdin.close()
            self.scratch.end(offer)
        return taken, {way.name: way.shares() for way in ways}

    def close(self):
        """Ends all."""
        for contender in self.contenders.values():
            contender.resume()
            contender.close()
        for name in (*self.near.values(), self.far):
            self.scratch.drop(name)


class Way:
    """A contender in one direction."""

    def __init__(self, cables, name, scenario, offer):
        self.name, self.offer, self.contender = name, offer, cables.contenders[name]
        into, out = ("guest", "uplink") if scenario == "encap" else ("uplink", "guest")
        place = cables.places[name]
        self.into, self.out = f"{into}{place}", f"{out}{place}"
        self.counters = f"/proc/{offer.pid}/net/dev"
        self.displaced = self.contender.displaced
        self.used, self.started = [0] * 4, None

    def resume(self):
        """Lets it run, and the packets go to it."""
        self.contender.resume()
        self.offer.stdin.write(self.into + "\n")
        self.offer.stdin.flush()
        self.offer.stdout.readline()
        self.started = self.time()

    def pause(self):
        """Stops it. The packets go on, to where nobody takes them."""
        if self.started:
            self.used = [used + now - then for used, now, then in zip(self.used, self.time(), self.started)]
        self.contender.pause()

    def time(self):
        """Ticks of its thread in user space and in the kernel; packets that were sent to it, and that came out."""
        offered, out = counters(self.counters, self.into)[1], counters(self.counters, self.out)[0]
        return *core_time(self.contender.pid, self.contender.thread), offered, out

    def shares(self):
        """Of its core's time, what it spent in user space (None: not asked of the kernel); packets offered for each that came out."""
        user, system, offered, out = self.used
        user = None if isinstance(self.contender, contenders.Linux) else round(user / max(user + system, 1), 4)
        return {"user": user, "offered": round(offered / max(out, 1), 2)}

    def count(self):
        """Packets that came out, as the device at the far end has it."""
        return counters(self.counters, self.out)[0]


def counters(file, device):
    """Packets that came in by a device and that were sent by it."""
    with open(file, encoding="utf-8") as lines:
        fields = next(line.split() for line in lines if line.strip().startswith(f"{device}:"))
    return int(fields[2]), int(fields[10])


def there(say):
    """Which contenders can be measured here."""
    kinds = []
    for name, kind in contenders.ALL.items():
        packages = contenders.lacking(kind)
        if packages:
            say(f"skipped: {name} over veth (apt-get install {' '.join(packages)})")
        else:
            kinds.append(name)
    return kinds


def take(scratch, say, programs, rounds):
    """Both directions. Yields each."""
    cables = Cables(scratch, programs, there(say), hugepages(scratch, HUGE_FEW), say)
    try:
        for scenario in ("encap", "decap"):
            taken, shares = cables.measure(scenario, rounds)
            yield {
                "scenario": scenario, "flows": FLOWS, "shares": shares, "goal": GOAL_OF_TESTPMD,
                "mpps": {name: spread(samples) for name, samples in taken.items()},
                "of": {peer: ratio(taken["adit"], taken[peer]) for peer in taken if peer != "adit"},
            }  # fmt: skip
    finally:
        cables.close()
