//! Words that mean the same in the talk of a platform, so that an answer may say "delete" where the page says "remove".

use std::{collections::HashMap, sync::LazyLock};

use crate::retrieval::terms;

/// Families; the first word stands for all. Only words that may be exchanged in nearly every sentence.
const FAMILIES: &[&[&str]] = &[
    &["kept", "keep", "retain", "retained", "retention", "stored", "store", "stores", "storing", "preserved", "held"],
    &["require", "required", "requires", "need", "needs", "needed", "necessary", "must"],
    &["use", "using", "used", "utilise", "utilize"],
    &["run", "runs", "running", "ran", "execute", "executed", "executes", "invoke", "launch"],
    &[
        "delete", "deleted", "deletes", "remove", "removed", "removes", "removal", "erase", "purge", "purged",
        "dropped", "drop",
    ],
    &[
        "create",
        "created",
        "creates",
        "make",
        "makes",
        "creating",
        "provision",
        "provisioned",
        "provisions",
        "set up",
        "generate",
        "generated",
    ],
    &["start", "starts", "started", "begin", "begins", "launches", "boot"],
    &[
        "stop",
        "stops",
        "stopped",
        "end",
        "ends",
        "ended",
        "halt",
        "terminate",
        "terminated",
        "terminates",
        "killed",
        "kill",
        "cancel",
        "cancelled",
        "cancels",
        "abort",
        "aborted",
    ],
    &[
        "show",
        "shows",
        "shown",
        "display",
        "displays",
        "displayed",
        "list",
        "lists",
        "listed",
        "print",
        "prints",
        "see",
        "view",
        "check",
    ],
    &["get", "gets", "obtain", "receive", "receives", "received", "granted", "grant", "given", "gives"],
    &["allow", "allows", "allowed", "permit", "permits", "permitted", "let", "lets", "enable", "enables"],
    &[
        "change", "changes", "changed", "modify", "modified", "update", "updates", "updated", "edit", "edited",
        "adjust", "alter",
    ],
    &["ask", "request", "requests", "requested", "contact", "reach"],
    &["approximately", "about", "around", "roughly", "circa", "typically", "usually", "normally", "generally"],
    &["additional", "extra", "further", "another", "other"],
    &["automatic", "automatically", "automated", "themselves", "itself"],
    &["maximum", "most", "max", "limit", "limits", "limited", "upper", "cap", "capped"],
    &["minimum", "least", "min"],
    &["every", "each", "per", "all"],
    &["day", "days", "daily", "nightly", "night"],
    &["week", "weeks", "weekly"],
    &["month", "months", "monthly"],
    &["hour", "hours", "hourly"],
    &["minute", "minutes"],
    &["second", "seconds"],
    &["configure", "configured", "configuration", "config", "setting", "settings", "set", "sets"],
    &["fail", "fails", "failed", "failure", "failing", "fault"],
    &["error", "errors"],
    &["find", "found", "locate", "located", "lives", "live", "stands"],
    &["choose", "pick", "select", "selected"],
    &["wait", "waits", "waiting"],
    &["merge", "merged", "merges", "merging"],
    &[
        "deploy",
        "deploys",
        "deployed",
        "deployment",
        "deployments",
        "roll-out",
        "rollout",
        "release",
        "released",
        "releases",
        "ship",
    ],
    &["rollback", "roll", "revert", "reverted", "back"],
    &["repository", "repo", "repositories", "repos"],
    &["documentation", "docs", "doc", "page", "pages"],
    &["application", "app", "apps", "service", "services"],
    &["environment", "env", "environments"],
    &["database", "databases", "db"],
    &["production", "prod"],
    &["development", "dev"],
    &["credential", "credentials", "password", "secret", "secrets"],
    &["log", "logs", "logging"],
    &["backup", "backups", "backed"],
    &["restore", "restores", "restored", "restoring", "recover", "recovered", "recovery"],
    &["build", "builds", "built", "building"],
    &["open", "opens", "opened", "opening", "file", "filed", "raise"],
    &["add", "adds", "added", "adding", "put", "puts", "include", "includes", "append", "insert"],
    &["send", "sends", "sent", "post", "posts", "posted"],
    &["connect", "connects", "connected", "connection", "connections"],
    &["available", "offered", "provided", "provide", "provides", "offer", "offers"],
    &["approve", "approved", "approves", "approval", "approvals", "sign"],
    &["expire", "expires", "expired", "expiry", "lapse"],
    &["rotate", "rotated", "rotates", "rotation", "renew", "renewed", "renews", "renewal"],
    &[
        "member",
        "members",
        "people",
        "person",
        "colleague",
        "somebody",
        "someone",
        "engineer",
        "engineers",
        "developer",
    ],
    &["different", "distinct"],
    &["name", "names", "named", "called", "call"],
    &["size", "sizes", "large", "larger", "bigger", "big"],
    &["command", "commands"],
    &["test", "tests", "tested", "testing"],
    &["previous", "earlier", "prior", "former", "preceding", "ahead", "advance"],
    &["replace", "replaced", "replaces", "swap", "swapped", "trade", "exchange"],
    &["visible", "readable", "read", "access", "accessible"],
    &["upgrade", "upgraded", "grow", "increase", "raise"],
    &["compare", "compared", "against"],
    &["new", "fresh"],
    &["hidden", "masked", "redacted", "hide"],
    &[
        "blocked",
        "block",
        "blocks",
        "denied",
        "deny",
        "refused",
        "refuse",
        "rejected",
        "reject",
        "forbidden",
        "prohibited",
    ],
    &["default", "defaults", "standard"],
    &["immediately", "instantly", "directly"],
    &["host", "hosts", "server", "servers", "machine", "machines"],
    &["owner", "owners", "owning", "owned", "belongs"],
    &["responsible", "maintains", "maintained", "looked", "looks"],
    &[
        "notify", "notified", "notifies", "tell", "tells", "told", "inform", "informed", "report", "reported",
        "remind", "reminds",
    ],
    &["reason", "reasons", "why", "cause", "explain"],
    &["unused", "idle", "inactive"],
    &["happen", "happens", "occur", "occurs"],
    &["move", "moves", "moved", "migrate", "migrated", "transfer"],
    &["longer", "long", "lasts", "last", "takes", "take", "took", "duration"],
];

/// Words that an answer may add to any sentence: they frame it and claim nothing.
const FRAME: &str = "yes no in order simply first second third next finally also note follow follows step steps way ways thing \
    things following described mentioned according shown below above specific relevant appropriate case cases directly \
    want wish would like can could you your yourself user users able possible possibly please make sure ensure instead well \
    during mind forget remember expect unfortunately whenever still already soon bring effect place time keep note separate own \
    part certain given specified respective corresponding including currently now until up down out away more than \
    although though since because whereas while unless whether once after afterwards when then later following every each either both same such get gets got let lets able \
    right just don doesn didn isn aren wasn weren won shouldn couldn wouldn hasn haven choice circumstance circumstances reason \
    concern concerns regard regarding apply applies allow allows available possible go goes become becomes come comes \
    bitte sie sich dabei dazu auch nur noch";

static STEMS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let mut stems = HashMap::new();
    for family in FAMILIES {
        for word in *family {
            for stem in terms::all_terms(word) {
                stems.entry(stem).or_insert(family[0]);
            }
        }
    }
    for word in FRAME.split_whitespace() {
        for stem in terms::all_terms(word) {
            stems.entry(stem).or_insert("");
        }
    }
    stems
});

/// The word that stands for a stem's family; empty for words that only frame; `None`: it stands for itself.
pub(super) fn family(stem: &str) -> Option<&'static str> {
    STEMS.get(stem).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_share_a_word() {
        let of = |word: &str| family(&terms::all_terms(word)[0]);
        assert_eq!(of("removed"), of("deletes"));
        assert_eq!(of("retained"), of("kept"));
        assert_ne!(of("started"), of("stopped"));
        assert_eq!(of("please"), Some(""));
        assert_eq!(of("postgresql"), None);
    }
}
