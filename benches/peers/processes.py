"""Processes, network namespaces and files of a run, and that nothing of it is left behind."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

# The core of whoever makes packets, and the one of whoever is measured.
GENERATOR, MEASURED = 0, 1
# Huge pages for all who have devices, in MiB.
HUGE_FEW = 1400


def run(*command, **options):
    """Runs a command to its end; what it says. An error says what it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def until(what, condition, seconds=20, still=lambda: True):
    """Waits for it; an error when it takes too long, or when `still` no longer holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or not still():
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.02)


class Scratch:
    """A directory, namespaces and processes that go when it is closed."""

    # Whether others on the machine come first.
    polite = False

    def __init__(self):
        # Sockets' names have at most 108 bytes, so it stands high in the tree; in memory, as captures should.
        self.directory = tempfile.mkdtemp(prefix="adit-peers.", dir="/dev/shm")
        self.prefix = f"peers{os.getpid()}"
        self.namespaces, self.processes, self.undo = [], [], []

    def namespace(self, name):
        """A new network namespace without IPv6 of its own, so that nobody talks between the packets."""
        name = f"{self.prefix}-{name}"
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        for key in ("all", "default"):
            inside(name, "sysctl", "-qw", f"net.ipv6.conf.{key}.disable_ipv6=1")
        inside(name, "ip", "link", "set", "lo", "up")
        return name

    def start(self, *command, namespace=None, log=None, core=None, **options):
        """Starts a process; it is ended with the run at the latest."""
        if core is not None:
            command = ("taskset", "-c", str(core), *command)
        if namespace:
            command = ("ip", "netns", "exec", namespace, *command)
        options.setdefault("stdin", subprocess.DEVNULL)
        with open(f"{self.directory}/{log}" if log else os.devnull, "ab") as output:
            options.setdefault("stdout", output)
            process = subprocess.Popen(command, stderr=output, start_new_session=True, **options)
        self.processes.append(process)
        return process

    def end(self, process):
        """Ends one process."""
        if process.poll() is None:
            for end in (signal.SIGTERM, signal.SIGKILL):
                process.send_signal(end)
                process.send_signal(signal.SIGCONT)
                try:
                    process.wait(8)
                    break
                except subprocess.TimeoutExpired:
                    continue
        if process in self.processes:
            self.processes.remove(process)

    def drop(self, namespace):
        """Removes a namespace."""
        run("ip", "netns", "del", namespace)
        self.namespaces.remove(namespace)

    def close(self):
        """Ends and removes all."""
        for process in reversed(self.processes[:]):
            self.end(process)
        for name in self.namespaces[:]:
            self.drop(name)
        for undo in reversed(self.undo):
            undo()
        # DPDK leaves its own behind.
        for left in glob.glob(f"/var/run/dpdk/{self.prefix}[!0-9]*"):
            shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)


def at_once(priority=1):
    """In front of a command of many round trips, which others would delay."""
    before = () if Scratch.polite else ("chrt", "-f", str(priority))
    return *before, "taskset", "-c", str(GENERATOR)


def inside(namespace, *command, **options):
    """Runs a command in a namespace."""
    return run("ip", "netns", "exec", namespace, *command, **options)


def first(thread, priority=1):
    """Puts a thread before everybody of ordinary priority; what it starts is ordinary again. Not where the run is only a try."""
    if Scratch.polite:
        return
    os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))


def worker(process):
    """The thread of a process that works on the measured core: the busiest of those that are bound to it. None: there is none."""
    threads = [int(thread) for thread in os.listdir(f"/proc/{process}/task")]
    bound = [thread for thread in threads if os.sched_getaffinity(thread) == {MEASURED}]
    return max(bound, key=lambda thread: sum(core_time(process, thread)), default=None)


def displaced(process, thread):
    """How often somebody else was given the thread's core."""
    with open(f"/proc/{process}/task/{thread}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("nonvoluntary"))


def core_time(process, thread):
    """Clock ticks that a thread has had: in user space, in the kernel."""
    with open(f"/proc/{process}/task/{thread}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]), int(fields[12])


def hugepages(scratch, mebibytes):
    """Has the kernel set so much aside in pages of 2 MiB, until the run ends. Where it is mounted, or None: it has not."""
    name = "/proc/sys/vm/nr_hugepages"
    with open(name, encoding="utf-8") as file:
        before = int(file.read())

    def ask(pages):
        with open(name, "w", encoding="utf-8") as file:
            file.write(str(pages))
        with open(name, encoding="utf-8") as file:
            return int(file.read())

    wanted = before + mebibytes // 2
    got = ask(wanted)
    if got < wanted:
        # Memory may only lie scattered.
        with open("/proc/sys/vm/compact_memory", "w", encoding="utf-8") as file:
            file.write("1")
        got = ask(wanted)
    if got < wanted:
        ask(before)
        return None
    mounted = f"{scratch.directory}/huge"
    os.mkdir(mounted)
    run("mount", "-t", "hugetlbfs", "none", mounted)
    scratch.undo.append(lambda: (run("umount", mounted), ask(before)))
    return mounted
