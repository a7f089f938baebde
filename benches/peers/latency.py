"""How long a UDP packet takes to a guest behind a tunnel and back, alone and beside other traffic.

Client and server are on core 0, in namespaces of their own; the one under test is on core 1, and Linux is at the other end of the tunnel. The
other traffic comes from the same guest and goes through the tunnel to somebody who is not there: seven tenths of what this contender
carries when it is offered more than it can.
"""

import subprocess
import time

import cables
import contenders
import frames
from frames import HERE, NEXT_HOP_MAC, THERE, UPLINK_MAC
from pairs import PAUSE, ratio, spread
from processes import GENERATOR, HUGE_FEW, at_once, first, hugepages, inside

CLIENT, SERVER, PORT = "10.9.0.1", "10.9.0.2", 7777
LOAD = 0.7
# The best of these is the one to beat.
USERSPACE = ("ovs-afxdp", "ovs-dpdk-afxdp", "ovs-afpacket")
GOALS = {"p50": 0.8, "p99": 0.5}
QUESTIONS = {"idle": 2000, "loaded": 1000}


class Path:
    """Client, contender, Linux at the other end, server."""

    def __init__(self, scratch, programs, name, huge):
        self.scratch, self.programs, self.name = scratch, programs, name
        ends = ("client", "near", "host", "server")
        self.client, self.near, self.host, self.server = names = [scratch.namespace(f"{name}-{end}") for end in ends]
        links = (
            (self.client, "eth", frames.guest_mac(0), self.near, "guest", None),
            (self.near, "uplink", UPLINK_MAC, self.host, "uplink", NEXT_HOP_MAC),
            (self.host, "guest", None, self.server, "eth", frames.station_mac(0)),
        )
        for one, device, mac, other, peer, peer_mac in links:
            mtu = "1600" if device == "uplink" else "1500"
            inside(one, "ip", "link", "add", device, "mtu", mtu, "type", "veth", "peer", "name", peer, "mtu", mtu, "netns", other)
            for namespace, end, address in ((one, device, mac), (other, peer, peer_mac)):
                if address:
                    inside(namespace, "ip", "link", "set", end, "address", address)
                # Nobody fills in checksums later, as everybody here takes packets as they are.
                inside(namespace, "ethtool", "-K", end, "tx", "off")
                inside(namespace, "ip", "link", "set", end, "up")
        station(self.client, CLIENT, SERVER, frames.station_mac(0))
        station(self.server, SERVER, CLIENT, frames.guest_mac(0))
        self.other_end()
        self.contender = contenders.ALL[name](scratch, programs, self.near, huge)
        if isinstance(self.contender, contenders.Linux):
            # Bridges answer at once on the core that asks; a thread for it would only make it slower.
            for device in ("guest", "uplink"):
                inside(self.near, "sh", "-c", f"echo 0 >/sys/class/net/{device}/threaded")
        self.namespaces = names
        serve = (programs["pingpong"], "serve", f"{SERVER}:{PORT}")
        self.serving = scratch.start(*serve, namespace=self.server, core=GENERATOR)
        first(self.serving.pid, 2)
        self.ask(50)
        self.contender.pause()

    def other_end(self):
        """Linux' VXLAN."""
        inside(self.host, "ip", "address", "add", f"{THERE}/24", "dev", "uplink")
        inside(self.host, "ip", "neighbour", "replace", HERE, "lladdr", UPLINK_MAC, "dev", "uplink", "nud", "permanent")
        vxlan = ("id", str(contenders.VNI), "local", THERE, "remote", HERE, "dstport", "4789", "dev", "uplink", "ttl", "64")
        inside(self.host, "ip", "link", "add", "vx", "type", "vxlan", *vxlan)
        inside(self.host, "ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        for device in ("vx", "guest"):
            inside(self.host, "ip", "link", "set", device, "master", "br0", "up")
        inside(self.host, "ip", "link", "set", "br0", "up")
        for hook in ("iptables", "ip6tables", "arptables"):
            inside(self.host, "sh", "-c", f"echo 0 >/proc/sys/net/bridge/bridge-nf-call-{hook} || true")
        for mac, device in ((frames.guest_mac(0), "vx"), (frames.station_mac(0), "guest")):
            inside(self.host, "bridge", "fdb", "replace", mac, "dev", device, "master", "static")

    def ask(self, count):
        """p50 and p99 in microseconds."""
        program = (self.programs["pingpong"], "ask", f"{SERVER}:{PORT}", str(count))
        said = inside(self.client, *at_once(2), *program)
        p50, p99, _, lost = said.split()
        return {"p50": float(p50), "p99": float(p99), "lost": int(lost)}

    def busy(self, rate=None):
        """Other traffic, at that rate or as much as there can be."""
        frame = frames.mac(contenders.BUSY_MAC) + frames.plain(0)[6:]
        name = cables.capture(self.scratch, f"{self.name}-busy", frame)
        limit = ("--rate", str(round(rate))) if rate else ()
        command = (self.programs["offer"], name, str(cables.PORTS), str(cables.FLOWS), *limit)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        offer = self.scratch.start(*command, namespace=self.client, log="busy.log", **pipes)
        offer.stdin.write("eth\n")
        offer.stdin.flush()
        offer.stdout.readline()
        return offer

    def carried(self):
        """Packets that came out of the uplink."""
        counter = "/sys/class/net/uplink/statistics/rx_packets"
        return int(inside(self.host, "cat", counter))

    def capacity(self):
        """Packets a second when there are more than can be carried."""
        self.contender.resume()
        offer = self.busy()
        time.sleep(0.3)
        before, start = self.carried(), time.monotonic()
        time.sleep(0.5)
        rate = (self.carried() - before) / (time.monotonic() - start)
        offer.stdin.close()
        self.scratch.end(offer)
        self.contender.pause()
        return rate

    def sample(self, kind, rate):
        """One portion of questions."""
        self.contender.resume()
        offer = self.busy(LOAD * rate) if kind == "loaded" else None
        time.sleep(0.1 if offer else 0.02)
        try:
            before, start = self.carried(), time.monotonic()
            answer = self.ask(QUESTIONS[kind])
            return {**answer, "carried": (self.carried() - before) / (time.monotonic() - start)}
        finally:
            if offer:
                offer.stdin.close()
                self.scratch.end(offer)
            self.contender.pause()
            time.sleep(PAUSE)

    def close(self):
        """Ends it."""
        self.contender.resume()
        self.contender.close()
        self.scratch.end(self.serving)
        for name in self.namespaces:
            self.scratch.drop(name)


def station(namespace, address, other, mac):
    """A guest that knows the other."""
    inside(namespace, "ip", "address", "add", f"{address}/24", "dev", "eth")
    inside(namespace, "ip", "neighbour", "replace", other, "lladdr", mac, "dev", "eth", "nud", "permanent")


def take(scratch, say, programs, rounds):
    """Idle and loaded. Yields each."""
    huge = hugepages(scratch, HUGE_FEW)
    paths = []
    try:
        for name in cables.there(say):
            if name == "testpmd":
                continue
            try:
                paths.append(Path(scratch, programs, name, huge))
            except RuntimeError as error:
                say(f"skipped: {name} in the ping-pong: {error}")
        rates = {path.name: path.capacity() for path in paths}
        for kind in QUESTIONS:
            taken = {path.name: {"p50": [], "p99": [], "carried": [], "lost": 0} for path in paths}
            for number in range(rounds):
                for path in paths[number % len(paths) :] + paths[: number % len(paths)]:
                    answer = path.sample(kind, rates[path.name])
                    for quantile in (*GOALS, "carried"):
                        taken[path.name][quantile].append(answer[quantile])
                    taken[path.name]["lost"] += answer["lost"]
            yield row(kind, taken, rates)
    finally:
        for path in paths:
            path.close()


def row(kind, taken, rates):
    """What the samples say, and how that is to the best of those in userspace."""
    result = {"kind": kind, "load": LOAD if kind == "loaded" else 0, "capacity": {name: round(rate) for name, rate in rates.items()}}
    result["us"] = {name: {q: spread(samples[q]) for q in GOALS} for name, samples in taken.items()}
    result["carried"] = {name: round(spread(samples["carried"])["median"]) for name, samples in taken.items()}
    result["lost"] = {name: samples["lost"] for name, samples in taken.items()}
    peers = [name for name in USERSPACE if name in taken]
    result["of best"] = {}
    for quantile, goal in GOALS.items():
        if peers:
            best = min(peers, key=lambda name: result["us"][name][quantile]["median"])
            found = ratio(taken["adit"][quantile], taken[best][quantile])
            result["of best"][quantile] = {"peer": best, "ratio": found, "goal": goal}
    return result
