//! Who may ask for a service, who must agree, and for how long an agreement is waited for.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::domain::people::{Person, Role};

/// The rules of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Empty sets ask for nothing; of several, one is enough.
    pub roles: BTreeSet<Role>,
    pub teams: BTreeSet<String>,
    /// Names of the channels where it can be asked for; anywhere when there are none.
    pub channels: BTreeSet<String>,
    pub approval: Option<Approval>,
}

/// Whose agreement is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Ids of people.
    pub people: BTreeSet<String>,
    pub roles: BTreeSet<Role>,
    /// The lead of a team that the requester is in.
    pub team_lead: bool,
    /// How many different people must agree.
    pub count: usize,
    /// Nobody needs to agree up to this cost each month, in whole units of the service's currency.
    pub above_cost: Option<u64>,
    /// How long an agreement is waited for.
    pub expires: Duration,
}

/// What is known of whoever wants to agree.
#[derive(Debug, Clone, Copy)]
pub struct Approver<'a> {
    pub person: &'a Person,
    /// Teams that they lead.
    pub leads: &'a BTreeSet<String>,
}

/// Why somebody's agreement does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRefused {
    #[error("nobody has to agree to this request")]
    NotNeeded,
    #[error("nobody agrees to their own request")]
    OwnRequest,
    #[error("this person is not among those who may agree")]
    NotAnApprover,
}

impl Policy {
    /// May this person ask for it on `platform`, in the channel of this name (`None` in a direct message)?
    ///
    /// A service that is tied to channels cannot be asked for in a direct message.
    pub fn may_ask(&self, platform: &str, person: &Person, channel: Option<&str>) -> bool {
        let here = self.channels.is_empty() || channel.is_some_and(|channel| self.channels.contains(channel));
        let anybody = self.roles.is_empty() && self.teams.is_empty();
        let named = person.teams.iter().any(|team| self.teams.contains(team))
            || person.roles_on(platform).iter().any(|role| self.roles.contains(role));
        here && (anybody || named)
    }

    /// How many people must agree to a request of this monthly cost (`None` when the service has no cost).
    ///
    /// A service without a cost never lies below `above_cost`: without an amount to compare, somebody must agree.
    pub fn approvers_needed(&self, cost: Option<u64>) -> usize {
        let Some(approval) = &self.approval else { return 0 };
        match (approval.above_cost, cost) {
            (Some(limit), Some(cost)) if cost <= limit => 0,
            _ => approval.count,
        }
    }

    /// Does this person's agreement to a request of `requester` on `platform` count?
    ///
    /// # Errors
    /// Says why it does not count. Nobody agrees to their own request, whatever role they have.
    pub fn may_approve(
        &self,
        platform: &str,
        approver: Approver<'_>,
        requester: &Person,
    ) -> Result<(), ApprovalRefused> {
        let Some(Approval { people, roles, team_lead, count: _, above_cost: _, expires: _ }) = &self.approval else {
            return Err(ApprovalRefused::NotNeeded);
        };
        let Approver { person, leads } = approver;
        if person.id == requester.id {
            return Err(ApprovalRefused::OwnRequest);
        }
        let by_name = people.contains(&person.id);
        let by_role = person.roles_on(platform).iter().any(|role| roles.contains(role));
        let by_team = *team_lead && requester.teams.iter().any(|team| leads.contains(team));
        if by_name || by_role || by_team { Ok(()) } else { Err(ApprovalRefused::NotAnApprover) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(ToString::to_string).collect()
    }

    fn person(id: &str, teams: &[&str], roles: &[Role]) -> Person {
        let mut person = Person::stranger(id, id);
        person.teams = set(teams);
        person.roles = roles.iter().map(|role| ("trellis".to_owned(), *role)).collect();
        person
    }

    fn approval() -> Approval {
        Approval {
            people: set(&["ines"]),
            roles: BTreeSet::from([Role::Support]),
            team_lead: true,
            count: 2,
            above_cost: Some(100),
            expires: Duration::from_hours(3 * 24),
        }
    }

    #[test]
    fn who_may_ask() {
        #[track_caller]
        fn check(roles: &[Role], teams: &[&str], channels: &[&str], channel: Option<&str>, expected: bool) {
            let policy = Policy {
                roles: roles.iter().copied().collect(),
                teams: set(teams),
                channels: set(channels),
                approval: None,
            };
            let dana = person("dana", &["checkout"], &[]);
            assert_eq!(policy.may_ask("trellis", &dana, channel), expected, "{policy:?} {channel:?}");
        }
        check(&[], &[], &[], None, true);
        check(&[Role::Member], &[], &[], None, true);
        check(&[Role::Support], &[], &[], None, false);
        check(&[Role::Support], &["checkout"], &[], None, true);
        check(&[], &["search"], &[], None, false);
        check(&[], &[], &["ask-trellis"], Some("ask-trellis"), true);
        check(&[], &[], &["ask-trellis"], Some("random"), false);
        check(&[], &[], &["ask-trellis"], None, false);
    }

    #[test]
    fn small_amounts_need_nobody() {
        #[track_caller]
        fn check(approval: Option<Approval>, cost: Option<u64>, expected: usize) {
            assert_eq!(Policy { approval, ..Policy::default() }.approvers_needed(cost), expected, "{cost:?}");
        }
        check(None, Some(1_000_000), 0);
        check(Some(approval()), Some(100), 0);
        check(Some(approval()), Some(101), 2);
        check(Some(approval()), None, 2);
        check(Some(Approval { above_cost: None, ..approval() }), Some(0), 2);
    }

    #[test]
    fn who_may_agree() {
        #[track_caller]
        fn check(approver: &Person, leads: &[&str], expected: Result<(), ApprovalRefused>) {
            let policy = Policy { approval: Some(approval()), ..Policy::default() };
            let requester = person("dana", &["checkout"], &[Role::Owner]);
            let leads = set(leads);
            let approver = Approver { person: approver, leads: &leads };
            assert_eq!(policy.may_approve("trellis", approver, &requester), expected);
        }
        check(&person("ines", &[], &[]), &[], Ok(()));
        check(&person("ravi", &[], &[Role::Support]), &[], Ok(()));
        check(&person("lena", &[], &[]), &["checkout"], Ok(()));
        check(&person("lena", &[], &[]), &["search"], Err(ApprovalRefused::NotAnApprover));
        check(&person("dana", &["checkout"], &[Role::Support]), &["checkout"], Err(ApprovalRefused::OwnRequest));
        let free = Policy::default();
        let (ines, none) = (person("ines", &[], &[]), BTreeSet::new());
        let refused = free.may_approve("trellis", Approver { person: &ines, leads: &none }, &ines);
        assert_eq!(refused, Err(ApprovalRefused::NotNeeded));
    }
}
