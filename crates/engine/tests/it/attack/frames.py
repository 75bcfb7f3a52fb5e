# Frames by hand, and sockets in other namespaces: what an attacker's sandbox is driven with.
import contextlib, ctypes, json, os, socket, struct, subprocess, sys, time

scene = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
HOST = os.open("/proc/thread-self/ns/net", os.O_RDONLY)


@contextlib.contextmanager
def inside(ns):
    """What is opened here is opened in the namespace `ns`, the host's when that is ''."""
    fd = os.open("/run/netns/" + ns, os.O_RDONLY) if ns else os.dup(HOST)
    assert libc.setns(fd, 0x40000000) == 0
    try:
        yield
    finally:
        assert libc.setns(HOST, 0x40000000) == 0
        os.close(fd)


def sh(command):
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout


def soon(true):
    """Whether `true` comes true within the time that an effect takes."""
    end = time.monotonic() + scene["patience"]
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return true()


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def v4(text):
    return socket.inet_aton(text)


def v6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def total(data):
    """The sum of RFC 1071."""
    data += b"\0" * (len(data) % 2)
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xFFFF) + (n >> 16)
    return ~n & 0xFFFF


def eth(dst, src, kind, rest):
    return mac(dst) + mac(src) + struct.pack("!H", kind) + rest


def tag(frame, vid, kind=0x8100):
    return frame[:12] + struct.pack("!HH", kind, vid) + frame[12:]


def arp(op, sha, spa, tha, tpa):
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + mac(sha) + v4(spa) + mac(tha) + v4(tpa)


def ip4(src, dst, proto, rest, frag=0, ident=7):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(rest), ident, frag, 64, proto, 0)
    head += v4(src) + v4(dst)
    return head[:10] + struct.pack("!H", total(head)) + head[12:] + rest


def ip6(src, dst, proto, rest, hops=255):
    return struct.pack("!IHBB", 6 << 28, len(rest), proto, hops) + v6(src) + v6(dst) + rest


def pseudo6(src, dst, proto, rest):
    return v6(src) + v6(dst) + struct.pack("!II", len(rest), proto) + rest


def udp4(sport, dport, data):
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def udp6(src, dst, sport, dport, data):
    head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return head[:6] + struct.pack("!H", total(pseudo6(src, dst, 17, head)) or 0xFFFF) + head[8:]


def icmp6(src, dst, kind, rest):
    head = struct.pack("!BBH", kind, 0, 0) + rest
    return head[:2] + struct.pack("!H", total(pseudo6(src, dst, 58, head))) + head[4:]


class Wire:
    """The attacker's interface, frames as they are."""

    def __init__(self, ns, dev="eth0"):
        with inside(ns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.bind((dev, 0))
            self.socket.setblocking(False)

    def send(self, *frames):
        for frame in frames:
            self.socket.send(frame)

    def sees(self, wanted):
        """Whether a frame comes in for which `wanted` holds; a tag is put back in its place."""

        def one():
            while True:
                try:
                    data, found, _, _ = self.socket.recvmsg(4096, 256)
                except BlockingIOError:
                    return False
                if wanted(data):
                    return True

        return soon(one)


class Ears:
    """A UDP socket of a victim."""

    def __init__(self, ns, port, family=socket.AF_INET):
        with inside(ns):
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(("", port))
            self.socket.setblocking(False)

    def hears(self, data):
        def one():
            while True:
                try:
                    if self.socket.recv(2048) == data:
                        return True
                except BlockingIOError:
                    return False

        return soon(one)


def lladdr(ns, address):
    """The hardware address by which `ns` knows its neighbour."""
    where = "-n " + ns if ns else ""
    words = sh(f"ip {where} neigh show {address}").split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else None


def run(attacks):
    """Prints those that had the effect they are after, a line each."""
    for name, attack in attacks:
        try:
            worked = bool(attack())
        except Exception as error:
            print(f"{name}: {error!r}")
            raise
        if worked:
            print(name)
