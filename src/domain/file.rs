//! A file that hangs on a message, as its chat system names it.

use serde::{Deserialize, Serialize};

/// A file that hangs on a message. What is in it stays in the chat system until it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    pub name: String,
    /// As the chat system says; `application/octet-stream` where it does not.
    pub mime: String,
    /// In bytes, as the chat system says.
    pub size: u64,
    /// By what the chat system finds it again; no address and no secret.
    pub handle: String,
}

/// What a file is when nobody says.
pub const UNKNOWN_MIME: &str = "application/octet-stream";

/// A size as people read it, in decimal units: `2.4 MB`.
pub fn readable_size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    let Some((unit, name)) = UNITS.into_iter().find(|(unit, _)| bytes >= *unit) else { return format!("{bytes} B") };
    let tenths = u128::from(bytes) * 10 / u128::from(unit);
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        tenth => format!("{}.{tenth} {name}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        #[track_caller]
        fn check(bytes: u64, expected: &str) {
            assert_eq!(readable_size(bytes), expected);
        }
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1 kB");
        check(2_449_999, "2.4 MB");
        check(10_000_000, "10 MB");
        check(5_000_000_001, "5 GB");
    }

    proptest! {
        #[test]
        fn any_size_can_be_written(bytes: u64) {
            prop_assert!(readable_size(bytes).ends_with('B'));
        }
    }
}
