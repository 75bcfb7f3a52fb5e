//! Following a packet that was really sent: where to listen, which of what is heard is it, and what
//! that says of the prediction.
//!
//!     World, Trip ─ places ─▶ Places { spaces, flow }          where to listen, and to what
//!     overheard   ─ Follower ─▶ Sightings                      the same packet through NAT and tunnels
//!     drops       ─ losses ─▶ Dropped { reason, stack }        where kernels let it fall
//!     Trip, Sightings ─ judge ─▶ Live, a count for each hop    prediction beside observation
//!
//!     any packets ─ Wanted, Tie, remark ─▶ the same packet at many links, and what happened to it
//!
//! Pure.  Never here: sockets, waiting, the walk itself.

mod flow;
mod follower;
mod judge;
mod losses;
mod places;
mod remark;
#[cfg(test)]
mod tests;
mod tie;
mod unpredicted;

pub use flow::Wanted;
pub use follower::{Follower, Mark, Part, Sighting, Spot};
pub use judge::{Reply, Seen, judge, note};
pub use losses::{Loss, callers, losses};
pub use places::{Places, places};
pub use remark::remark;
pub use tie::{Tie, Tied};
