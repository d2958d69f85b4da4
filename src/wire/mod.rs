//! Connections to chat systems: whom they trust, how long they may take, why they fail, and when they are tried again.

mod backoff;
mod fault;
mod line;
mod socket;
mod trust;

pub use backoff::{Backoff, sleep};
pub use fault::{Cause, Fault, origin};
pub use line::Line;
pub use socket::{Frame, Socket, knock};
pub use trust::tls;
