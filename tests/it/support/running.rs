//! The program itself as a child process, to be killed at any moment.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{Files, slack::FakeSlack, stage::slack_section};

/// No console, words only, and every line about connections.
const QUIET: &str = "[server]\nlisten = '127.0.0.1:0'\n[console]\nenabled = false\n[embeddings]\nkind = 'off'\n\
                     [log]\nfilter = 'info,stationmaster::wire=debug'\n";

/// A configuration of its own for a child process: words only, no console, Slack by socket.
pub struct Installation {
    pub files: Files,
    store_url: String,
}

impl Installation {
    /// Slack alone, with the log's lines about connections.
    pub fn talkative(slack: &FakeSlack) -> Self {
        let mut files = Files::harbor();
        files.more = format!("{}{QUIET}", slack_section(slack));
        let store_url = format!("sqlite:{}", files.path("store.sqlite").display());
        files.config(&store_url).unwrap_or_else(|findings| panic!("{findings}"));
        Self { files, store_url }
    }

    pub fn new(slack: &FakeSlack, store_url: Option<String>) -> Self {
        let mut files = Files::harbor();
        files.more = format!(
            "{}[server]\nlisten = '127.0.0.1:0'\n[console]\nenabled = false\n[embeddings]\nkind = 'off'\n[log]\nfilter = 'error'\n",
            slack_section(slack)
        );
        let store_url = store_url.unwrap_or_else(|| format!("sqlite:{}", files.path("store.sqlite").display()));
        // Writes the file that the child reads.
        files.config(&store_url).unwrap_or_else(|findings| panic!("{findings}"));
        Self { files, store_url }
    }

    /// With Slack and Discord where nothing listens, and with the log's lines about connections.
    pub fn cut_off(port: u16) -> Self {
        let mut files = Files::harbor();
        files.more = format!(
            "[slack]\nbot_token = 'xoxb-x'\napp_token = 'xapp-x'\napi_url = 'http://127.0.0.1:{port}/api'\n\
             [discord]\ntoken = 'abcdef.abcdef.abcdef'\napi_url = 'http://127.0.0.1:{port}'\n{QUIET}"
        );
        let store_url = format!("sqlite:{}", files.path("store.sqlite").display());
        files.config(&store_url).unwrap_or_else(|findings| panic!("{findings}"));
        Self { files, store_url }
    }

    /// What the program has said on standard error since it was started with [`Self::start_heard`].
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.files.path("log")).unwrap_or_default()
    }

    /// As [`Self::start`], with its log kept.
    pub fn start_heard(&self) -> Process {
        let log = std::fs::File::create(self.files.path("log")).expect("the log can be written");
        self.launch(Stdio::from(log))
    }

    pub fn store_url(&self) -> &str {
        &self.store_url
    }

    pub fn start(&self) -> Process {
        self.launch(Stdio::inherit())
    }

    fn launch(&self, log: Stdio) -> Process {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_stationmaster"));
        let child = Command::new(program)
            .arg("--config")
            .arg(self.files.path("server.toml"))
            .current_dir(super::root())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        Process { child }
    }
}

/// A running program; killed when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// `SIGTERM`, and how it ended.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(status.success());
        self.child.wait().expect("it ends")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
