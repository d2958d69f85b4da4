//! Who has to agree before a service is fulfilled, and what becomes of it when nobody does.

use super::{Core, Entry, Failure, keep, show, tell};
use crate::{
    config::Platform,
    domain::request::{Approval, State},
    store::{
        Tx,
        requests::{Request, ThreadRole},
    },
};

/// Ends a request that nobody has approved in time.
pub(super) async fn expire(
    core: &Core,
    tx: &mut Tx,
    _platform: &Platform,
    request: Request,
) -> Result<Request, Failure> {
    let now = core.clock.now();
    if request.approval_until.is_none_or(|until| until > now) {
        return Ok(request);
    }
    let after = Request { state: State::Closed, approval: Some(Approval::Expired), closed_at: Some(now), ..request };
    let after = keep(core, tx, after, None, Entry::of("approval_expired")).await?;
    let words = "nobody has approved it in time, so it is closed. Ask again if you still need it.";
    tell(core, tx, after.id, ThreadRole::Requester, &show::told(&after, words)).await?;
    Ok(after)
}
