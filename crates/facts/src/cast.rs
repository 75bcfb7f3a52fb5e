//! A body seen as one kind of object: `fact.body.as_link()?.mtu`.

use crate::fact::Body;
use crate::{Addr, Fdb, Filter, Link, MemberFlags, Neigh, Qdisc, Route, Rule, Sysctl, nft};

macro_rules! views {
    ($($name:ident: $variant:ident -> $noun:ty, $what:literal;)*) => {
        impl Body {
            $(
                #[doc = concat!("The ", $what, ", when this speaks of one.")]
                #[must_use]
                pub fn $name(&self) -> Option<&$noun> {
                    if let Self::$variant(x) = self { Some(x) } else { None }
                }
            )*
        }
    };
}

views! {
    as_link: Link -> Link, "link";
    as_member: Member -> MemberFlags, "flags of a member";
    as_sysctl: Sysctl -> Sysctl, "setting";
    as_addr: Addr -> Addr, "address";
    as_route: Route -> Route, "route";
    as_rule: Rule -> Rule, "policy rule";
    as_neigh: Neigh -> Neigh, "neighbour";
    as_fdb: Fdb -> Fdb, "forwarding entry";
    as_qdisc: Qdisc -> Qdisc, "queueing discipline";
    as_filter: Filter -> Filter, "filter";
    as_table: Table -> nft::Table, "nft table";
    as_set: Set -> nft::Set, "nft set";
    as_chain: Chain -> nft::Chain, "nft chain";
    as_nft_rule: NftRule -> nft::Rule, "nft rule";
    as_element: Element -> nft::Element, "nft element";
}
