//! Walking one packet, and then its answer, through what was found.
//!
//!     Scan ─▶ World ─ request ─▶ hops ─ answer ─▶ hops ─▶ Delivered, or Stopped{where, why}
//!
//! Every decision is the kernel's own, said in the kernel's order.  What is not understood is a
//! doubt, never a guess.  Never here: the kernel, the clock, changes.

#![expect(clippy::result_large_err, reason = "where a packet stops is the result, not a failure")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a cause looks at few of many ways to stop")]

mod anew;
mod causes;
mod classic;
mod diagnose;
mod l2;
mod l3;
mod live;
pub mod mend;
pub mod nft;
mod packet;
pub mod pages;
pub mod picture;
mod question;
mod resolve;
pub mod route;
mod socket;
mod suspect;
mod trace;
mod track;
mod trip;
mod walker;
mod way;
mod world;

pub use diagnose::{Evidence, Named, Verdict, diagnose};
pub use l3::arrives;
pub use live::{Dropped, Last, Live};
pub use packet::{Ask, BROADCAST, NO_MAC, Packet};
pub use question::{Question, called, meant, proto, space};
pub use resolve::Silence;
pub use suspect::{Suspect, suspected};
pub use trace::{Ending, Hop, Journey, Limit, Shown, Stop, Trip, Why};
pub use trip::trip;
pub use way::{Over, Step, Would};
pub use world::{Dev, Node, Rest, World};
