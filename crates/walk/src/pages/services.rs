//! Services, and the verdict that nothing is wrong.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: "OK",
        what: "Nothing is wrong: request and answer get through, as far as may be looked.",
        looks: "It works. If it does not, look for what lies outside, or for a program that drops it.",
        see: &["ropewalk why SRC DST --live"],
        repair: "Nothing.",
    },
    Page {
        code: "NO_LISTENER",
        what: "The packet arrives, and no socket takes what is sent to that port.",
        looks: "\"Connection refused\" at once; for UDP \"port unreachable\".",
        see: &["ss -ltnp; ss -lunp        (in the destination's namespace)"],
        repair: "Start the service, or ask for its real port. (The stand-in that `why` offers only shows that the way is free.)",
    },
    Page {
        code: "LISTEN_LOCALHOST",
        what: "The service is bound to 127.0.0.1 or ::1, so it takes nothing from outside its namespace.",
        looks: "Works inside the container, \"refused\" from outside.",
        see: &["ss -ltn        (127.0.0.1:PORT or [::1]:PORT)"],
        repair: "Bind it to 0.0.0.0, [::] or the container's address.",
    },
    Page {
        code: "LISTEN_V6ONLY",
        what: "The service listens on IPv6 with IPV6_V6ONLY, so IPv4 is refused.",
        looks: "Works by IPv6, \"refused\" by IPv4.",
        see: &["ss -ltne        (v6only:1)"],
        repair: "Let it listen on 0.0.0.0, too, or without v6only.",
    },
    Page {
        code: "LISTEN_OVERFLOW",
        what: "The service does not take its connections, and the queue of those who wait is full: new ones are dropped.",
        looks: "Connecting hangs; old connections may go on.",
        see: &["ss -ltn        (Recv-Q over Send-Q)", "nstat -z TcpExtListenOverflows"],
        repair: "Restart or mend the service; a longer backlog (net.core.somaxconn) only delays it.",
    },
];
