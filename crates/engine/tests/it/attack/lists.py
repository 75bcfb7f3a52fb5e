# Allow lists: what gets through, and what does not. `held` has lists both ways, `mute` sends nothing but
# answers, blue and red have none.

from concurrent.futures import ThreadPoolExecutor

held, mute, blue, red = scene["held"], scene["mute"], scene["blue"], scene["red"]
ways, kept = [], []


def way(name, is_open, f):
    ways.append((name, is_open or scene["lifted"], f))


def listen(ns, port):
    with inside(ns):
        kept.append(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))


def tcp(ns, address, port, patience):
    with inside(ns):
        try:
            socket.create_connection((address, port), patience).close()
            return True
        except OSError:
            return False


def ask(ns, to, address, port, patience, word=b"?"):
    """Whether a question by UDP is answered."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(to):
        there = socket.socket(family, socket.SOCK_DGRAM)
        there.bind((address, port))
        there.settimeout(patience)
    with inside(ns):
        here = socket.socket(family, socket.SOCK_DGRAM)
        here.settimeout(patience)
    try:
        here.sendto(word, (address, port))
        question, other = there.recvfrom(9000)
        there.sendto(question, other)
        return here.recv(9000) == word
    except OSError:
        return False


def ping(ns, address, patience):
    return "1 received" in sh(f"ip netns exec {ns} ping -c1 -W{patience} {address}")


def shouts(ns, to, patience):
    """Whether what is sent to all is heard."""
    with inside(to):
        ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ears.bind(("", 5409))
        ears.settimeout(patience)
    with inside(ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        one.sendto(b"all", ("255.255.255.255", 5409))
    try:
        return ears.recv(100) == b"all"
    except OSError:
        return False


if scene["mode"] == "routed":
    sh("ip -n lan route add 192.168.15.0/24 via 10.0.0.1; ip -n lan route add fd00:15::/64 via fd00:aa::1")
for ns, port in [("held", 80), ("held", 81), ("mute", 80), ("blue", 80), ("lan", 82), ("lan", 83)]:
    listen(ns, port)

for v, lan in [("ip4", "10.0.0.2"), ("ip6", "fd00:aa::2")]:
    def is_tcp(name, is_open, ns, address, port):
        way(f"TCP {name} by {v}", is_open, lambda patience: tcp(ns, address, port, patience))

    def is_udp(name, is_open, ns, to, address, port, word=b"?"):
        f = lambda patience: ask(ns, to, address, port, patience, word)
        way(f"UDP {name} by {v}", is_open, f)

    def is_ping(name, is_open, ns, address):
        way(f"ping {name} by {v}", is_open, lambda patience: ping(ns, address, int(patience)))

    is_tcp("in from whom the list names", True, "blue", held[v], 80)
    is_tcp("in to another port", False, "blue", held[v], 81)
    is_tcp("in from another neighbour", False, "red", held[v], 80)
    is_tcp("in from the host", False, "", held[v], 80)
    if scene["mode"] != "bridge":
        is_tcp("in from the LAN", False, "lan", held[v], 80)
    is_tcp("out to whom the list names", True, "held", lan, 82)
    is_tcp("out to another port", False, "held", lan, 83)
    is_tcp("out to a neighbour", False, "held", blue[v], 80)
    is_udp("out to a port that the list names", True, "held", "blue", blue[v], 5300)
    is_udp("out in fragments", True, "held", "blue", blue[v], 5301, b"long " * 800)
    is_udp("out to another port", False, "held", "blue", blue[v], 5302)
    is_udp("in to a port that the list names", True, "red", "held", held[v], 5400)
    is_udp("in to another port", False, "red", "held", held[v], 5401)
    is_ping("in", False, "blue", held[v])
    is_ping("out", False, "held", blue[v])
    is_tcp("in to who only answers", True, "blue", mute[v], 80)
    is_udp("in to who only answers", True, "blue", "mute", mute[v], 5400)
    is_ping("in to who only answers", True, "blue", mute[v])
    is_tcp("out from who only answers", False, "mute", blue[v], 80)
    is_udp("out from who only answers", False, "mute", "blue", blue[v], 5303)
    is_ping("out from who only answers", False, "mute", blue[v])
if scene["mode"] in ("bridge", "uplink"):
    way("broadcast", False, lambda patience: shouts("red", "held", patience))

with ThreadPoolExecutor(len(ways)) as pool:
    # What shall be open may take its time.
    found = pool.map(lambda way: way[2](4.0 if way[1] else 1.0), ways)
    for (name, is_open, _), found in zip(ways, found):
        if found != is_open:
            print("OPEN:" if found else "SHUT:", name)
