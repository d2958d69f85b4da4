//! Who is on duty now, also when the service that keeps a rota does not answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use crate::{
    clock::Timestamp,
    config::{Platform, Rota},
    domain::rota::{Duty, LastKnown},
    duty::DutyServices,
};

/// The rotas of all platforms, with what their services said last.
#[derive(Debug)]
pub struct DutyDesk {
    services: Arc<DutyServices>,
    /// By platform and rota.
    known: RwLock<BTreeMap<(String, String), LastKnown>>,
}

impl DutyDesk {
    pub fn new(services: DutyServices) -> Self {
        Self { services: Arc::new(services), known: RwLock::default() }
    }

    /// Who is on duty in a rota; nobody when that cannot be known.
    pub async fn now(&self, platform: &Platform, rota: &Rota, now: Timestamp) -> Duty {
        let key = (platform.id.clone(), rota.id.clone());
        let last = self.known.read().expect("no holder of the lock panics").get(&key).cloned();
        if let Some(last) = last.as_ref().filter(|last| last.is_fresh(now)) {
            return last.duty.clone();
        }
        match self.services.on_duty(platform, rota, now).await {
            Ok(answer) => {
                let known = LastKnown { duty: answer.duty.clone(), asked_at: now };
                self.known.write().expect("no holder of the lock panics").insert(key, known);
                answer.duty
            }
            Err(error) => {
                let stand_in = last.as_ref().and_then(|last| last.stand_in(now)).cloned();
                tracing::warn!(
                    rota = rota.id, error = %error, duty.remembered = stand_in.is_some(),
                    "Who is on duty could not be asked."
                );
                stand_in.unwrap_or_default()
            }
        }
    }
}
