//! Which handler runs a job of which kind.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::{
    ops::{
        Core, catch_up, deliver, digest, furnish, generate, insight, people, requests, respond, surveys, sync,
        work::{
            self, Brief, CarryFile, CatchUp, Deliver, Fulfil, Furnish, Gather, LookUp, Outcome, Propose, ReadTicket,
            Respond, Sync, Tell, TellDispute, Track, Watch,
        },
    },
    store::jobs::Job,
};

/// Runs the handler of a job.
pub async fn handle(core: &Arc<Core>, job: &Job) -> Outcome {
    let done = match job.kind.as_str() {
        work::RESPOND => match payload::<Respond>(job) {
            // The largest of the jobs: on the heap, its future does not fill a thread's stack.
            Ok(payload) => Box::pin(respond::respond(core, &payload)).await,
            Err(outcome) => return outcome,
        },
        work::DELIVER => match payload::<Deliver>(job) {
            Ok(payload) => return deliver::deliver(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::TRACK => match payload::<Track>(job) {
            Ok(payload) => return requests::tracker::track(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::READ_TICKET => match payload::<ReadTicket>(job) {
            Ok(payload) => return requests::tracker::read(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::CARRY_FILE => match payload::<CarryFile>(job) {
            Ok(payload) => return requests::files::carry(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::LOOK_UP => match payload::<LookUp>(job) {
            Ok(payload) => return people::look_up(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::FURNISH => match payload::<Furnish>(job) {
            Ok(payload) => return furnish::furnish(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::PROPOSE => match payload::<Propose>(job) {
            Ok(payload) => return requests::open::propose(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::BRIEF => match payload::<Brief>(job) {
            Ok(payload) => requests::brief::word(core, &payload).await,
            Err(outcome) => return outcome,
        },
        work::FULFIL => match payload::<Fulfil>(job) {
            Ok(payload) => return requests::fulfil::fulfil(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::WATCH => match payload::<Watch>(job) {
            Ok(payload) => return requests::fulfil::watch(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::CATCH_UP => match payload::<CatchUp>(job) {
            Ok(payload) => return catch_up::catch_up(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::WARN_SPEND => match payload::<generate::spend::Warn>(job) {
            Ok(payload) => return generate::spend::tell_owner(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::INVITE => match payload::<surveys::Invite>(job) {
            Ok(payload) => return surveys::invite(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::GATHER => match payload::<Gather>(job) {
            Ok(payload) => insight::gather::gather(core, &payload.platform).await,
            Err(outcome) => return outcome,
        },
        work::TELL => match payload::<Tell>(job) {
            Ok(payload) => insight::decide::tell(core, payload.theme).await,
            Err(outcome) => return outcome,
        },
        work::SETTLE => insight::outcomes::settle(core).await.map(|_| ()),
        work::TELL_DISPUTE => match payload::<TellDispute>(job) {
            Ok(payload) => return insight::statements::tell_owner(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::WRITE_DIGEST => match payload::<digest::Write>(job) {
            Ok(payload) => return digest::write(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::SHOW_DIGEST => match payload::<digest::Show>(job) {
            Ok(payload) => return digest::show(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        work::SYNC => match payload::<Sync>(job) {
            Ok(payload) => sync::sync_job(core, &payload).await,
            Err(outcome) => return outcome,
        },
        other => return Outcome::Fail(anyhow::anyhow!("no handler for jobs of kind {other}")),
    };
    match done {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Retry(work::retry_after(core, job), error),
    }
}

fn payload<T: DeserializeOwned>(job: &Job) -> Result<T, Outcome> {
    serde_json::from_value(job.payload.clone())
        .map_err(|error| Outcome::Fail(anyhow::Error::new(error).context("read the job's payload")))
}
