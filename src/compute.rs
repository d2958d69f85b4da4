//! Computing that would keep the runtime from its events: on threads of its own, which give way to everything else.

use std::sync::LazyLock;

use anyhow::Context as _;
use rayon::{ThreadPool, ThreadPoolBuilder};
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::sync::oneshot;

/// Of 0 (least) to 99: on Linux, a niceness of about 10.
const GIVES_WAY: u8 = 25;

static POOL: LazyLock<ThreadPool> = LazyLock::new(|| {
    ThreadPoolBuilder::new()
        .thread_name(|number| format!("compute-{number}"))
        .start_handler(|_| {
            let priority = ThreadPriorityValue::try_from(GIVES_WAY).map(ThreadPriority::Crossplatform);
            // Where the system does not allow it, the threads compete on equal terms.
            let _ = priority.map(set_current_thread_priority);
        })
        .build()
        .expect("the system lets a process start threads")
});

/// Runs `work` beside the runtime, in the order of calls on as many threads as there are cores.
///
/// # Errors
/// When the work panicked.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let (sender, receiver) = oneshot::channel();
    POOL.spawn_fifo(move || {
        // Whoever asked may have gone; the work was for them alone.
        let _ = sender.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)));
    });
    let ended = receiver.await.context("wait for a computation")?;
    ended.map_err(|_| anyhow::anyhow!("a computation panicked"))
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_panic_is_an_error_and_not_the_end() {
        assert_eq!(super::run(|| 2 + 2).await.unwrap(), 4);
        assert!(super::run(|| -> u8 { panic!("no") }).await.is_err());
        assert_eq!(super::run(|| 3).await.unwrap(), 3);
    }
}
