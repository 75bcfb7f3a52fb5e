//! Name servers out of a file like /etc/resolv.conf (resolv.conf(5)).

use crate::outcome::Dns;

/// What `text` says of name servers; the last `domain` and the last `search` count.
pub(crate) fn read(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace().map(str::to_owned);
        match words.next().as_deref() {
            Some("nameserver") => dns.nameservers.extend(words.next()),
            Some("domain") => dns.domain = words.next().unwrap_or_default(),
            Some("search") => dns.search = words.collect(),
            Some("options") => dns.options.extend(words),
            Some(_) | None => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_the_resolver_does() {
        let dns = read(
            "# home\nnameserver 10.0.0.1\nnameserver fd00::1\nsearch a b\n; x\n\
            domain old\ndomain lan\noptions ndots:1 rotate\nsortlist 1.2.3.4\nnameserver\n",
        );
        assert_eq!(dns.nameservers, ["10.0.0.1", "fd00::1"]);
        assert_eq!((dns.domain.as_str(), dns.search.len()), ("lan", 2));
        assert_eq!(dns.options, ["ndots:1", "rotate"]);
        assert_eq!(read(""), Dns::default());
    }
}
