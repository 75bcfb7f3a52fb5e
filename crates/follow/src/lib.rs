//! Following a packet that was really sent: where to listen, which of what is heard is it, and what
//! that says of the prediction.
//!
//!     World, Trip ─ places ─▶ Places { spaces, flow }          where to listen, and to what
//!     overheard   ─ Follower ─▶ Sightings                      the same packet through NAT and tunnels
//!     drops       ─ losses ─▶ Dropped { reason, stack }        where kernels let it fall
//!     Trip, Sightings ─ judge ─▶ Live, a count for each hop    prediction beside observation
//!
//! Pure.  Never here: sockets, waiting, the walk itself.

mod follower;
mod judge;
mod losses;
mod places;
#[cfg(test)]
mod tests;

pub use follower::{Follower, Mark, Part, Sighting, Spot};
pub use judge::{Reply, Seen, judge, note};
pub use losses::{Loss, losses};
pub use places::{Places, places};
